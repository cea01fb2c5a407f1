using System.Net;
using System.Net.Sockets;
using System.Text;
using Cais.Testing;

namespace Cais.Daemon.Tests.Api;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class ContainerApiTests(TestDaemon daemon)
{
    [Fact]
    public async Task A_container_runs_and_tells_its_exit_code_and_output()
    {
        var (exitCode, output) = await daemon.Run("""{"Image":"busybox","Cmd":["sh","-c","echo out; echo err >&2; exit 7"]}""");
        Assert.Equal(7, exitCode);
        Assert.Contains("out\n", output, StringComparison.Ordinal);
        Assert.Contains("err\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Every_view_of_a_container_is_as_described()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"],"ExposedPorts":{"80/tcp":{}},"Volumes":{"/v":{}},"HostConfig":{"PublishAllPorts":true,"Memory":67108864}}""", "?name=viewed");
        await daemon.Get("/v1.52/containers/viewed/json");
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post("/containers/viewed/start"));
        await TestDaemon.Expect(HttpStatusCode.NotModified, await daemon.Post("/containers/viewed/start"));
        var inspected = await daemon.Get("/v1.55/containers/viewed/json?size=1");
        Assert.True(inspected.GetProperty("State").GetProperty("Running").GetBoolean());
        Assert.Equal(id, inspected.GetProperty("Id").GetString());
        var listed = await daemon.Get("/v1.55/containers/json?size=1");
        Assert.Contains(listed.EnumerateArray(), c => c.GetProperty("Id").GetString() == id && c.GetProperty("State").GetString() == "running");
        Assert.Equal(1, (await daemon.Get("/containers/viewed/top")).GetProperty("Processes").GetArrayLength());
        await daemon.Get("/containers/viewed/stats?stream=0&one-shot=1");
        await TestDaemon.Expect(HttpStatusCode.OK, await daemon.Post("/containers/viewed/update", """{"Memory":134217728,"MemorySwap":-1}"""));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post("/containers/viewed/pause"));
        await TestDaemon.Expect(HttpStatusCode.Conflict, await daemon.Post("/containers/viewed/pause"));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post("/containers/viewed/unpause"));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post("/containers/viewed/rename?name=renamed"));
        await TestDaemon.Expect(HttpStatusCode.NotFound, await daemon.Client.GetAsync(new Uri("/containers/viewed/json", UriKind.Relative), TestContext.Current.CancellationToken));
        Assert.Equal(
            "cannot remove container \"renamed\": container is running: stop the container before removing or force remove",
            await TestDaemon.Message(HttpStatusCode.Conflict, await daemon.Delete("/containers/renamed")));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post("/containers/renamed/kill"));
        await TestDaemon.Expect(HttpStatusCode.Conflict, await daemon.Post("/containers/renamed/kill"));
        await TestDaemon.Expect(HttpStatusCode.NotModified, await daemon.Post("/containers/renamed/stop"));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete("/containers/renamed?v=1"));
        Assert.DoesNotContain(id, await Ids());
    }

    [Theory]
    [InlineData("POST", "/containers/nosuch/start")]
    [InlineData("POST", "/containers/nosuch/stop")]
    [InlineData("POST", "/containers/nosuch/kill")]
    [InlineData("POST", "/containers/nosuch/pause")]
    [InlineData("POST", "/containers/nosuch/wait")]
    [InlineData("POST", "/containers/nosuch/rename?name=x1")]
    [InlineData("POST", "/containers/nosuch/attach?stdout=1")]
    [InlineData("GET", "/containers/nosuch/json")]
    [InlineData("GET", "/containers/nosuch/logs?stdout=1")]
    [InlineData("GET", "/containers/nosuch/top")]
    [InlineData("GET", "/containers/nosuch/stats")]
    [InlineData("DELETE", "/containers/nosuch")]
    public async Task A_container_that_is_not_there_is_not_found(string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        Assert.Equal("No such container: nosuch", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken)));
    }

    [Theory]
    [InlineData("""{"Image":"nosuch","Cmd":["x"]}""", 404, "No such image: nosuch:latest")]
    [InlineData("""{"Image":"BAD NAME","Cmd":["x"]}""", 400, "invalid reference format")]
    [InlineData("""{"Image":"busybox","Env":["=x"]}""", 400, "invalid environment variable: =x")]
    [InlineData("""{"Image":"busybox","WorkingDir":"x"}""", 400, "the working directory 'x' is invalid, it needs to be an absolute path")]
    [InlineData("""{"Image":"busybox","HostConfig":{"Memory":1}}""", 400, "Minimum memory limit allowed is 6MB")]
    [InlineData("""{"Image":"busybox","HostConfig":{"IpcMode":"container:nosuch"}}""", 400, "No such container: nosuch")]
    [InlineData("""{"Image":"busybox","HostConfig":{"PidMode":"container:nosuch"}}""", 400, "No such container: nosuch")]
    [InlineData("""{"Image":"busybox","HostConfig":{"VolumesFrom":["nosuch"]}}""", 400, "No such container: nosuch")]
    [InlineData("""{"Image":"busybox","HostConfig":{"NetworkMode":"container:nosuch"}}""", 400, "joining network namespace of container: No such container: nosuch")]
    public async Task A_request_that_cannot_be_met_is_refused_and_leaves_nothing(string body, int status, string message)
    {
        var before = await Ids();
        var said = await TestDaemon.Message((HttpStatusCode)status, await daemon.Post("/containers/create", body));
        Assert.StartsWith(message, said, StringComparison.Ordinal);
        Assert.Equal(before, await Ids());
    }

    [Fact]
    public async Task A_name_belongs_to_one_container()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""", "?name=taken");
        Assert.StartsWith(
            $"Conflict. The container name \"/taken\" is already in use by container \"{id}\".",
            await TestDaemon.Message(HttpStatusCode.Conflict, await daemon.Post("/containers/create?name=taken", """{"Image":"busybox"}""")),
            StringComparison.Ordinal);
        await daemon.Delete("/containers/taken");
        await daemon.Create("""{"Image":"busybox"}""", "?name=taken");
        await daemon.Delete("/containers/taken");
    }

    [Theory]
    [InlineData("nosuchprogram", 127, "executable file not found in $PATH")]
    [InlineData("/data", 126, "permission denied")]
    public async Task A_program_that_cannot_run_is_said_and_nothing_is_left(string program, int exitCode, string message)
    {
        var id = await daemon.Create($$"""{"Image":"busybox","Cmd":["{{program}}"]}""");
        Assert.Contains(message, await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Post($"/containers/{id}/start")), StringComparison.Ordinal);
        var state = (await daemon.Get($"/v1.55/containers/{id}/json")).GetProperty("State");
        Assert.Equal(exitCode, state.GetProperty("ExitCode").GetInt32());
        Assert.Null(daemon.Engine.Networks.GetSandbox(id));
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete($"/containers/{id}"));
    }

    [Fact]
    public async Task A_port_that_is_taken_is_said_and_the_container_starts_when_it_is_free()
    {
        const string config = """{"Image":"busybox","Cmd":["sleep","100"],"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":"18999"}]}}}""";
        var first = await daemon.Create(config);
        var second = await daemon.Create(config);
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post($"/containers/{first}/start"));
        Assert.Contains("port is already allocated", await TestDaemon.Message(HttpStatusCode.InternalServerError, await daemon.Post($"/containers/{second}/start")), StringComparison.Ordinal);
        await daemon.Delete($"/containers/{first}?force=1");
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post($"/containers/{second}/start"));
        await daemon.Delete($"/containers/{second}?force=1");
    }

    [Fact]
    public async Task A_container_that_is_to_remove_itself_does()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["true"],"Volumes":{"/anonymous":{}},"HostConfig":{"AutoRemove":true}}""");
        var volume = Assert.Single(daemon.Engine.Get(id).Record.Mounts).Name!;
        var removed = daemon.Post($"/containers/{id}/wait?condition=removed");
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post($"/containers/{id}/start"));
        Assert.Equal(0, (await TestDaemon.Json(await removed)).GetProperty("StatusCode").GetInt32());
        await TestDaemon.Expect(HttpStatusCode.NotFound, await daemon.Client.GetAsync(new Uri($"/containers/{id}/json", UriKind.Relative), TestContext.Current.CancellationToken));
        Assert.Null(daemon.Engine.Volumes.Find(volume));
    }

    [Fact]
    public async Task An_unknown_wait_condition_is_refused()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        Assert.Equal("invalid condition: \"tomorrow\"", await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Post($"/containers/{id}/wait?condition=tomorrow")));
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task A_failing_container_is_started_again_as_often_as_its_policy_says()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["false"],"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2}}}""");
        await daemon.Post($"/containers/{id}/start");
        await Eventually.Holds(() => daemon.Engine.Get(id).Status is { RestartCount: 2, Name: "exited" }, "it has been started twice again");
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task A_new_volume_gets_what_the_image_has_there()
    {
        var (_, output) = await daemon.Run("""{"Image":"busybox","Cmd":["cat","/data/from-image"],"HostConfig":{"Binds":["filled:/data"]}}""");
        Assert.Equal("image\n", output);
        await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Delete("/volumes/filled"));
    }

    [Fact]
    public async Task Logs_have_tail_timestamps_and_streams()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","for i in 1 2 3 4 5; do echo $i; done; echo e >&2"]}""");
        await daemon.Post($"/containers/{id}/start");
        await daemon.Post($"/containers/{id}/wait");
        Assert.Equal("4\n5\n", await daemon.Logs(id, "stdout=1&tail=3").ContinueWith(t => t.Result.Replace("e\n", "", StringComparison.Ordinal), TestContext.Current.CancellationToken));
        Assert.Equal("e\n", await daemon.Logs(id, "stderr=1"));
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z 1\n", await daemon.Logs(id, "stdout=1&timestamps=1"));
        Assert.Equal(
            "Bad parameters: you must choose at least one stream",
            await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.GetAsync(new Uri($"/containers/{id}/logs", UriKind.Relative), TestContext.Current.CancellationToken)));
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task An_attached_client_that_has_said_its_last_still_gets_all_of_the_answer()
    {
        for (var i = 0; i < 20; i++)
        {
            var id = await daemon.Create("""{"Image":"busybox","Cmd":["cat"],"OpenStdin":true,"StdinOnce":true}""");
            using var socket = await daemon.Connect();
            await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /containers/{id}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
            var head = await ReadHead(socket);
            Assert.StartsWith("HTTP/1.1 101 UPGRADED", head, StringComparison.Ordinal);
            await TestDaemon.Expect(HttpStatusCode.NoContent, await daemon.Post($"/containers/{id}/start"));
            await socket.SendAsync("hello\n"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
            Assert.Equal("hello\n", TestDaemon.Unframe(await ReadAll(socket)));
            await daemon.Delete($"/containers/{id}?force=1");
        }
    }

    [Fact]
    public async Task A_command_runs_in_a_container_with_its_input_and_exit_code()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"]}""");
        await daemon.Post($"/containers/{id}/start");
        var exec = (await TestDaemon.Json(await daemon.Post($"/containers/{id}/exec", """{"Cmd":["sh","-c","cat; echo $A $(id -u) >&2; exit 5"],"AttachStdin":true,"AttachStdout":true,"AttachStderr":true,"Env":["A=b"],"User":"app"}""")))
            .GetProperty("Id").GetString()!;
        using (var socket = await daemon.Connect())
        {
            const string body = """{"Detach":false,"Tty":false}""";
            await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /exec/{exec}/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\n\r\n{body}"));
            Assert.StartsWith("HTTP/1.1 101 UPGRADED", await ReadHead(socket), StringComparison.Ordinal);
            await socket.SendAsync("in\n"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
            var output = TestDaemon.Unframe(await ReadAll(socket));
            Assert.Contains("in\n", output, StringComparison.Ordinal);
            Assert.Contains("b 1000\n", output, StringComparison.Ordinal);
        }

        var inspected = await daemon.Get($"/exec/{exec}/json");
        Assert.Equal(5, inspected.GetProperty("ExitCode").GetInt32());
        Assert.Equal($"exec command {exec} has already run", await TestDaemon.Message(HttpStatusCode.Conflict, await daemon.Post($"/exec/{exec}/start", "{}")));
        Assert.Equal("No exec command specified", await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Post($"/containers/{id}/exec", "{}")));
        Assert.Contains(
            "unable to find user nobody2: no matching entries in passwd file",
            await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Post($"/containers/{id}/exec", """{"Cmd":["x"],"User":"nobody2"}""")),
            StringComparison.Ordinal);
        Assert.Equal("No such exec instance: nosuch", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Client.GetAsync(new Uri("/exec/nosuch/json", UriKind.Relative), TestContext.Current.CancellationToken)));
        await daemon.Delete($"/containers/{id}?force=1");
        Assert.Equal($"No such container: {id}", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Post($"/containers/{id}/exec", """{"Cmd":["x"]}""")));
    }

    [Fact]
    public async Task A_container_goes_on_while_the_daemon_is_away_and_loses_no_line()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","i=0; while [ $i -lt 40 ]; do echo $i; i=$((i+1)); sleep 0.05; done"]}""");
        await daemon.Post($"/containers/{id}/start");
        await daemon.Restart();
        Assert.Equal(0, (await TestDaemon.Json(await daemon.Post($"/containers/{id}/wait"))).GetProperty("StatusCode").GetInt32());
        Assert.Equal(string.Concat(Enumerable.Range(0, 40).Select(i => $"{i}\n")), await daemon.Logs(id));
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task An_exit_while_the_daemon_is_away_is_known_afterwards()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","echo last; sleep 0.3; exit 9"]}""");
        await daemon.Post($"/containers/{id}/start");
        await daemon.Restart();
        await Eventually.Holds(() => daemon.Engine.Get(id).Status is { Name: "exited", ExitCode: 9 }, "its exit code is known");
        Assert.Equal("last\n", await daemon.Logs(id));
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task Forty_containers_start_at_once_and_all_end()
    {
        var results = await Task.WhenAll(Enumerable.Range(0, 40).Select(i => daemon.Run($$"""{"Image":"busybox","Cmd":["echo","{{i}}"]}""")));
        Assert.Equal(Enumerable.Range(0, 40).Select(i => (0, $"{i}\n")), results);
    }

    [Fact]
    public async Task Containers_that_do_not_run_are_pruned()
    {
        var id = await daemon.Create("""{"Image":"busybox","Labels":{"prune":"me"}}""");
        var pruned = await TestDaemon.Json(await daemon.Post("/containers/prune?filters=%7B%22label%22%3A%5B%22prune%3Dme%22%5D%7D"));
        Assert.Equal([id], pruned.GetProperty("ContainersDeleted").EnumerateArray().Select(c => c.GetString()));
    }

    /// <summary>Other tests of this daemon may leave theirs for one another, in whatever order the tests run.</summary>
    private async Task<string[]> Ids() => [.. (await daemon.Get("/containers/json?all=1")).EnumerateArray().Select(c => c.GetProperty("Id").GetString()!)];

    private static async Task<string> ReadHead(Socket socket)
    {
        var head = new StringBuilder();
        var one = new byte[1];
        while (!head.ToString().EndsWith("\r\n\r\n", StringComparison.Ordinal) && await socket.ReceiveAsync(one) == 1)
        {
            head.Append((char)one[0]);
        }

        return head.ToString();
    }

    private static async Task<byte[]> ReadAll(Socket socket)
    {
        var all = new MemoryStream();
        var buffer = new byte[4096];
        int read;
        while ((read = await socket.ReceiveAsync(buffer).WaitAsync(Eventually.Deadline)) > 0)
        {
            all.Write(buffer, 0, read);
        }

        return all.ToArray();
    }
}
