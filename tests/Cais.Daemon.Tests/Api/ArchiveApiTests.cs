using System.Formats.Tar;
using System.Net;
using System.Net.WebSockets;
using System.Text;
using System.Text.Json;
using Cais.Testing;

namespace Cais.Daemon.Tests.Api;

/// <summary>Files in and out of containers, what they changed, and images of them.</summary>
[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class ArchiveApiTests(TestDaemon daemon)
{
    private const string StatHeader = "X-Docker-Container-Path-Stat";

    public static TheoryData<bool> RunningOrNot => new(true, false);

    [Theory]
    [MemberData(nameof(RunningOrNot))]
    public async Task Files_go_in_and_come_out_through_volumes_and_links(bool running)
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"],"User":"app","HostConfig":{"Binds":["cpvol:/vol"]}}""");
        if (running)
        {
            await daemon.Post($"/containers/{id}/start");
        }

        await Put(id, "/", Tar(("link", "/vol", TarEntryType.SymbolicLink), ("etc/own", "text", TarEntryType.RegularFile)));
        await Put(id, "/link", Tar(("a", "in the volume", TarEntryType.RegularFile)));
        await Put(id, "/vol", Tar(("b", "mine", TarEntryType.RegularFile)), "&copyUIDGID=1");
        Assert.Equal("in the volume", await File.ReadAllTextAsync(daemon.Engine.Volumes.Get("cpvol").Path + "/a", TestContext.Current.CancellationToken));
        var members = await Members(id, "/vol");
        Assert.Equal(["vol/", "vol/a", "vol/b"], members.Select(m => m.Name));
        Assert.Equal((0, 1000), (members[1].Uid, members[2].Uid));
        Assert.Equal("vol", (await Stat(id, "/vol")).GetProperty("name").GetString());
        var link = await Stat(id, "/link");
        Assert.Equal(("/vol", 1u << 27), (link.GetProperty("linkTarget").GetString(), link.GetProperty("mode").GetUInt32() & (1u << 27)));
        Assert.Equal(["link"], (await Members(id, "/link")).Select(m => m.Name));
        Assert.Equal(["own"], (await Members(id, "/etc/own")).Select(m => m.Name));
        await daemon.Delete($"/containers/{id}?force=1");
        await daemon.Delete("/volumes/cpvol");
    }

    [Theory]
    [MemberData(nameof(RunningOrNot))]
    public async Task A_link_never_leads_out_of_the_container(bool running)
    {
        var outside = Directory.CreateTempSubdirectory("outside-").FullName;
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"]}""");
        if (running)
        {
            await daemon.Post($"/containers/{id}/start");
        }

        var up = string.Concat(Enumerable.Repeat("../", 20));
        await Put(id, "/", Tar(("tmp/abs", outside, TarEntryType.SymbolicLink), ("tmp/rel", up + outside[1..], TarEntryType.SymbolicLink)));
        foreach (var way in new[] { "/tmp/abs", "/tmp/rel", "/tmp/abs/", $"/tmp/{up}{outside[1..]}" })
        {
            var answer = await daemon.Client.PutAsync(
                new Uri($"/containers/{id}/archive?path={Uri.EscapeDataString(way)}", UriKind.Relative), new ByteArrayContent(Tar(("evil", "x", TarEntryType.RegularFile))), TestContext.Current.CancellationToken);
            Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
        }

        await daemon.Client.PutAsync(
            new Uri($"/containers/{id}/archive?path=/tmp", UriKind.Relative), new ByteArrayContent(Tar(("abs/evil", "x", TarEntryType.RegularFile))), TestContext.Current.CancellationToken);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
        Directory.Delete(outside);
        await daemon.Delete($"/containers/{id}?force=1");
    }

    [Fact]
    public async Task What_is_read_only_or_mounted_stays_as_it_is()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sleep","100"],"HostConfig":{"ReadonlyRootfs":true,"Binds":["rovol:/ro:ro"],"Tmpfs":{"/scratch":""}}}""");
        await daemon.Post($"/containers/{id}/start");
        Assert.Equal("container rootfs is marked read-only", await Refused(id, "/tmp"));
        Assert.Equal("mounted volume is marked read-only", await Refused(id, "/ro"));
        await Put(id, "/scratch", Tar(("a", "x", TarEntryType.RegularFile)));
        Assert.Contains("device or resource busy", await Refused(id, "/etc", "hosts", HttpStatusCode.InternalServerError), StringComparison.Ordinal);
        await daemon.Delete($"/containers/{id}?force=1");
        await daemon.Delete("/volumes/rovol");
    }

    [Fact]
    public async Task A_directory_is_not_replaced_by_a_file_when_that_is_asked()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        await Put(id, "/tmp", Tar(("d/", "", TarEntryType.Directory)));
        var body = new ByteArrayContent(Tar(("d", "x", TarEntryType.RegularFile)));
        Assert.Equal(
            "cannot overwrite directory \"d\" with non-directory",
            await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Client.PutAsync(new Uri($"/containers/{id}/archive?path=/tmp&noOverwriteDirNonDir=1", UriKind.Relative), body, TestContext.Current.CancellationToken)));
        await daemon.Delete($"/containers/{id}");
    }

    [Theory]
    [InlineData("?path=/no/such", HttpStatusCode.NotFound, "Could not find the file /no/such in container ")]
    [InlineData("", HttpStatusCode.BadRequest, "bad parameter: path cannot be empty")]
    public async Task A_path_that_is_not_there_is_said(string query, HttpStatusCode status, string message)
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        Assert.StartsWith(message, await TestDaemon.Message(status, await daemon.Client.GetAsync(new Uri($"/containers/{id}/archive{query}", UriKind.Relative), TestContext.Current.CancellationToken)), StringComparison.Ordinal);
        Assert.StartsWith(message, await TestDaemon.Message(status, await daemon.Client.PutAsync(new Uri($"/containers/{id}/archive{query}", UriKind.Relative), new ByteArrayContent([]), TestContext.Current.CancellationToken)), StringComparison.Ordinal);
        await daemon.Delete($"/containers/{id}");
    }

    [Fact]
    public async Task What_is_no_archive_is_refused()
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        var body = new ByteArrayContent(Encoding.ASCII.GetBytes(new string('x', 2000)));
        await TestDaemon.Expect(HttpStatusCode.BadRequest, await daemon.Client.PutAsync(new Uri($"/containers/{id}/archive?path=/", UriKind.Relative), body, TestContext.Current.CancellationToken));
        await daemon.Delete($"/containers/{id}");
    }

    [Theory]
    [InlineData("GET", "/containers/nosuch/archive?path=/")]
    [InlineData("PUT", "/containers/nosuch/archive?path=/")]
    [InlineData("GET", "/containers/nosuch/export")]
    [InlineData("GET", "/containers/nosuch/changes")]
    [InlineData("POST", "/commit?container=nosuch")]
    [InlineData("GET", "/containers/nosuch/attach/ws?stdout=1")]
    public async Task A_container_that_is_not_there_is_not_found(string method, string path)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path, UriKind.Relative));
        Assert.Equal("No such container: nosuch", await TestDaemon.Message(HttpStatusCode.NotFound, await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken)));
    }

    [Fact]
    public async Task Changes_are_what_the_container_did_and_nothing_of_the_engines()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","echo new >/etc/new; echo more >>/data/from-image; /bin/busybox rm /bin/touch"]}""");
        await daemon.Post($"/containers/{id}/start");
        await daemon.Post($"/containers/{id}/wait");
        var changes = await daemon.Get($"/containers/{id}/changes");
        Assert.Equal(
            ["0 /bin", "2 /bin/touch", "0 /data", "0 /data/from-image", "0 /etc", "1 /etc/new"],
            changes.EnumerateArray().Select(c => $"{c.GetProperty("Kind")} {c.GetProperty("Path").GetString()}").Where(c => c != "0 /data").Append("0 /data").OrderBy(c => c[2..], StringComparer.Ordinal));
        var image = (await TestDaemon.Json(await daemon.Post($"/commit?container={id}&repo=committed&tag=v1&comment=why&author=who&changes={Uri.EscapeDataString("ENV A=b\nENTRYPOINT [\"cat\"]")}", "{}"))).GetProperty("Id").GetString();
        var inspected = await daemon.Get("/images/committed:v1/json");
        Assert.Equal((image, "who", "why"), (inspected.GetProperty("Id").GetString(), inspected.GetProperty("Author").GetString(), inspected.GetProperty("Comment").GetString()));
        Assert.Equal((0, "new\n"), await daemon.Run("""{"Image":"committed:v1","Cmd":["/etc/new"]}"""));
        Assert.Contains("is not a valid change command", await TestDaemon.Message(HttpStatusCode.BadRequest, await daemon.Post($"/commit?container={id}&changes=FROM%20x", "{}")), StringComparison.Ordinal);
        await TestDaemon.Expect(HttpStatusCode.BadRequest, await daemon.Post($"/commit?container={id}&repo=BAD", "{}"));
        await daemon.Delete($"/containers/{id}");
        await daemon.Delete("/images/committed:v1");
    }

    [Fact]
    public async Task An_export_is_the_whole_root_without_what_is_mounted()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","echo x >/vol/inside; echo y >/tmp/outside"],"HostConfig":{"Binds":["exvol:/vol"]}}""");
        await daemon.Post($"/containers/{id}/start");
        await daemon.Post($"/containers/{id}/wait");
        using var answer = await daemon.Client.GetAsync(new Uri($"/containers/{id}/export", UriKind.Relative), TestContext.Current.CancellationToken);
        var names = (await Read(await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken))).Select(m => m.Name).ToList();
        Assert.Contains("tmp/outside", names);
        Assert.Contains(".dockerenv", names);
        Assert.DoesNotContain("vol/inside", names);
        await daemon.Delete($"/containers/{id}");
        await daemon.Delete("/volumes/exvol");
    }

    [Fact]
    public async Task A_WebSocket_carries_a_containers_streams()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","read line; echo got $line; echo bad >&2"],"OpenStdin":true,"StdinOnce":true}""");
        using var socket = await daemon.Connect();
        using var client = new ClientWebSocket();
        using var invoker = new HttpMessageInvoker(new SocketsHttpHandler { ConnectCallback = async (_, _) => new System.Net.Sockets.NetworkStream(await daemon.Connect(), true) });
        await client.ConnectAsync(new Uri($"ws://docker/containers/{id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1"), invoker, TestContext.Current.CancellationToken);
        await daemon.Post($"/containers/{id}/start");
        await client.SendAsync("word\n"u8.ToArray(), WebSocketMessageType.Binary, true, TestContext.Current.CancellationToken);
        var text = new StringBuilder();
        var buffer = new byte[1024];
        while (await client.ReceiveAsync(buffer, TestContext.Current.CancellationToken).WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken) is { MessageType: not WebSocketMessageType.Close } message)
        {
            Assert.Equal(WebSocketMessageType.Binary, message.MessageType);
            text.Append(Encoding.ASCII.GetString(buffer, 0, message.Count));
        }

        Assert.Contains("got word\n", text.ToString(), StringComparison.Ordinal);
        Assert.Contains("bad\n", text.ToString(), StringComparison.Ordinal);
        await client.CloseAsync(WebSocketCloseStatus.NormalClosure, null, TestContext.Current.CancellationToken);
        await TestDaemon.Expect(HttpStatusCode.BadRequest, await daemon.Client.GetAsync(new Uri($"/containers/{id}/attach/ws?stdout=1", UriKind.Relative), TestContext.Current.CancellationToken));
        await daemon.Delete($"/containers/{id}?force=1");
    }

    [Fact]
    public async Task A_client_that_never_reads_does_not_hold_the_container_up()
    {
        var id = await daemon.Create("""{"Image":"busybox","Cmd":["sh","-c","yes | head -c 20000000"],"HostConfig":{"LogConfig":{"Type":"none"}}}""");
        using var stuck = await daemon.Connect();
        await stuck.SendAsync(Encoding.ASCII.GetBytes($"POST /containers/{id}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"));
        await Eventually.Holds(() => daemon.Engine.Get(id).Output.HasClients, "the client is attached");
        await daemon.Post($"/containers/{id}/start");
        Assert.Equal(0, (await TestDaemon.Json(await daemon.Post($"/containers/{id}/wait"))).GetProperty("StatusCode").GetInt32());
        var received = 0L;
        var buffer = new byte[1 << 16];
        int read;
        while ((read = await stuck.ReceiveAsync(buffer).WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken)) > 0)
        {
            received += read;
        }

        Assert.True(received > 20_000_000, $"{received} bytes of what was written came in the end");
        await daemon.Delete($"/containers/{id}?force=1");
    }

    [Theory]
    [InlineData("GET", "/containers/{0}/checkpoints")]
    [InlineData("POST", "/containers/{0}/checkpoints")]
    [InlineData("DELETE", "/containers/{0}/checkpoints/one")]
    public async Task Checkpoints_need_experimental_features(string method, string path)
    {
        var id = await daemon.Create("""{"Image":"busybox"}""");
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(path.Replace("{0}", id, StringComparison.Ordinal), UriKind.Relative));

        // The API's description has no checkpoints: this client holds nothing against it.
        using var client = new HttpClient(new SocketsHttpHandler { ConnectCallback = async (_, _) => new System.Net.Sockets.NetworkStream(await daemon.Connect(), true) }) { BaseAddress = new Uri("http://docker") };
        Assert.StartsWith("This experimental feature is disabled by default.", await TestDaemon.Message(HttpStatusCode.NotImplemented, await client.SendAsync(request, TestContext.Current.CancellationToken)), StringComparison.Ordinal);
        await daemon.Delete($"/containers/{id}");
    }

    private async Task Put(string id, string path, byte[] tar, string more = "") => await TestDaemon.Expect(
        HttpStatusCode.OK,
        await daemon.Client.PutAsync(new Uri($"/containers/{id}/archive?path={Uri.EscapeDataString(path)}{more}", UriKind.Relative), new ByteArrayContent(tar), TestContext.Current.CancellationToken));

    private async Task<string> Refused(string id, string path, string name = "a", HttpStatusCode status = HttpStatusCode.BadRequest) => await TestDaemon.Message(
        status,
        await daemon.Client.PutAsync(new Uri($"/containers/{id}/archive?path={path}", UriKind.Relative), new ByteArrayContent(Tar((name, "x", TarEntryType.RegularFile))), TestContext.Current.CancellationToken));

    private async Task<JsonElement> Stat(string id, string path)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, new Uri($"/containers/{id}/archive?path={Uri.EscapeDataString(path)}", UriKind.Relative));
        using var answer = await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken);
        await TestDaemon.Expect(HttpStatusCode.OK, answer);
        using var json = JsonDocument.Parse(Convert.FromBase64String(answer.Headers.GetValues(StatHeader).Single()));
        return json.RootElement.Clone();
    }

    private async Task<List<(string Name, int Uid)>> Members(string id, string path)
    {
        using var answer = await daemon.Client.GetAsync(new Uri($"/containers/{id}/archive?path={Uri.EscapeDataString(path)}", UriKind.Relative), TestContext.Current.CancellationToken);
        await TestDaemon.Expect(HttpStatusCode.OK, answer);
        Assert.True(answer.Headers.Contains(StatHeader));
        return await Read(await answer.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<List<(string Name, int Uid)>> Read(Stream stream)
    {
        var members = new List<(string, int)>();
        using var tar = new TarReader(stream);
        while (await tar.GetNextEntryAsync(cancellationToken: TestContext.Current.CancellationToken) is { } entry)
        {
            members.Add((entry.Name, entry.Uid));
        }

        return members;
    }

    private static byte[] Tar(params (string Name, string Content, TarEntryType Type)[] members)
    {
        var archive = new MemoryStream();
        using (var tar = new TarWriter(archive, leaveOpen: true))
        {
            foreach (var (name, content, type) in members)
            {
                var entry = new PaxTarEntry(type, name);
                if (type == TarEntryType.SymbolicLink)
                {
                    entry.LinkName = content;
                }
                else if (type == TarEntryType.RegularFile)
                {
                    entry.DataStream = new MemoryStream(Encoding.UTF8.GetBytes(content));
                }

                tar.WriteEntry(entry);
            }
        }

        return archive.ToArray();
    }
}
