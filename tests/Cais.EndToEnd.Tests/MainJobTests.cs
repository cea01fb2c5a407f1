using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>The main job on real input: a Debian system with a real server, from registry to removal.</summary>
[Trait("Tier", "e2e")]
public sealed class MainJobTests
{
    [Theory]
    [InlineData("cais")]
    [InlineData("docker")]
    public async Task A_Debian_server_is_pushed_pulled_run_used_and_removed(string client)
    {
        await using var registry = await Registry.Start();
        await using var engine = await Engine.Start();
        Task<ProcessResult> Run(params string[] arguments) => engine.Client(client, arguments);
        async Task<string> Do(params string[] arguments) => (await Run(arguments)).Succeeded().Text;

        var name = $"{registry.Address}/debian/redis:7";
        await Do("import", "--change", "EXPOSE 6379", "--change", "CMD [\"redis-server\", \"--bind\", \"0.0.0.0\", \"--protected-mode\", \"no\"]", await Debian.Tar(), name);
        await Do("push", name);
        await Do("rmi", name);
        Assert.Equal("", await Do("images", "-q"));
        await Do("pull", name);

        var id = await Do("run", "-d", "--name", "redis", "-p", "6380:6379", "--memory", "256m", "--restart", "unless-stopped", name);
        await Eventually.Holds(async () => await Redis("PING") == "+PONG", "redis answers through the published port");
        Assert.Equal("+OK", await Redis("SET boat moored"));
        Assert.Contains("Ready to accept connections", await Do("logs", "redis"), StringComparison.Ordinal);

        await using (var terminal = await Terminal.Open(engine.CommandLine(client, "exec -it redis bash")))
        {
            await terminal.Shows("root@");
            await terminal.Type("redis-cli get boat; cat /etc/debian_version; tty");
            await terminal.Press("Enter");
            await terminal.Shows("\"moored\"");
            await terminal.Shows("/dev/pts/0");
            await terminal.Type("exit");
            await terminal.Press("Enter");
            await terminal.Shows("ended: 0");
        }

        // The daemon dies and returns; the server answers throughout.
        var answers = 0;
        using var done = new CancellationTokenSource();
        var asking = Task.Run(
            async () =>
            {
                while (!done.IsCancellationRequested)
                {
                    Assert.Equal("$6", await Redis("GET boat"));
                    answers++;
                }
            },
            TestContext.Current.CancellationToken);
        await engine.Crash();
        var before = answers;
        await Eventually.Holds(() => answers > before + 10 || asking.IsFaulted, "answers while no daemon runs");
        await engine.StartDaemon();
        before = answers;
        await Eventually.Holds(() => answers > before + 10 || asking.IsFaulted, "answers after the restart");
        await done.CancelAsync();
        await asking;

        Assert.Equal("running", await Do("inspect", "-f", "{{.State.Status}}", "redis"));
        Assert.Equal("redis", await Do("stop", "redis"));
        Assert.Equal("0", await Do("wait", "redis"));
        Assert.Contains("User requested shutdown", await Do("logs", id), StringComparison.Ordinal);
        await Do("rm", "redis");
        await Do("rmi", name);
        Assert.Equal("", await Do("ps", "-aq"));
    }

    [Fact]
    public async Task The_store_is_empty_when_a_container_that_outlived_the_daemon_and_its_image_are_removed()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        (await engine.Cais("run", "-d", "--name", "survivor", "busybox", "sleep", "300")).Succeeded();
        await engine.Crash();
        await engine.StartDaemon();
        (await engine.Cais("rm", "-f", "survivor")).Succeeded();
        (await engine.Cais("rmi", "busybox")).Succeeded();
        // Deleting the files themselves is nobody's wait: it happens behind the answer.
        await Eventually.Holds(
            () => Directory.GetDirectories(Path.Combine(engine.DataFolder, "snapshots")) is []
                && Directory.GetFiles(Path.Combine(engine.DataFolder, "content"), "*", SearchOption.AllDirectories) is [],
            "the store is empty");
    }

    /// <summary>One command in redis' inline protocol; the first line of the answer.</summary>
    private static async Task<string> Redis(string command)
    {
        var answer = await Command.Run("busybox", ["nc", "-w", "2", "127.0.0.1", "6380"], System.Text.Encoding.ASCII.GetBytes($"{command}\r\nQUIT\r\n"));
        return answer.Lines.FirstOrDefault() ?? answer.Error;
    }
}
