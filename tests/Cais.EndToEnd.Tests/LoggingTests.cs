using System.Net;
using System.Net.Sockets;
using System.Text;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>Log drivers as users meet them: what arrives at the receiver, and what <c>logs</c> shows.</summary>
[Trait("Tier", "e2e")]
public sealed class LoggingTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    private readonly Engine _engine = fixture.Engine;

    [Theory]
    [InlineData("json-file")]
    [InlineData("local")]
    [InlineData("json-file", "mode=non-blocking")]
    public async Task Logs_are_kept_on_disk_and_read_by_either_client(params string[] log)
    {
        var id = await Run(log, "echo out; echo err >&2; echo -n end");
        foreach (var client in new[] { "cais", "docker" })
        {
            var said = (await _engine.Client(client, ["logs", id])).Succeeded();
            Assert.Equal(("out\nend", "err\n"), (said.Output, said.Error));
            Assert.Equal("end", (await _engine.Client(client, ["logs", "--tail", "1", id])).Succeeded().Output);
        }

        Assert.Equal(log[0], (await _engine.Docker("inspect", "-f", "{{.HostConfig.LogConfig.Type}}", id)).Succeeded().Text);
        Assert.Equal(log[0] == "json-file", (await _engine.Docker("inspect", "-f", "{{.LogPath}}", id)).Succeeded().Text.EndsWith($"{id}-json.log", StringComparison.Ordinal));
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    [Fact]
    public async Task Without_a_driver_there_is_nothing_to_read()
    {
        var id = await Run(["none"], "echo out");
        Assert.Contains("configured logging driver does not support reading", (await _engine.Docker("logs", id)).Error, StringComparison.Ordinal);
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    [Fact]
    public async Task Rsyslog_receives_lines_and_logs_still_shows_them()
    {
        using var scratch = new Scratch("rsyslog");
        var port = Registry.FreePort();
        await File.WriteAllTextAsync(scratch["rsyslog.conf"], $$"""
            module(load="imtcp")
            input(type="imtcp" port="{{port}}" address="127.0.0.1")
            template(name="all" type="string" string="%syslogfacility-text%.%syslogseverity-text% %hostname% %app-name%[%procid%] %msg%\n")
            action(type="omfile" file="{{scratch["log"]}}" template="all")
            """, TestContext.Current.CancellationToken);
        await using var rsyslog = Command.Start("rsyslogd", ["-n", "-f", scratch["rsyslog.conf"], "-i", scratch["pid"]]);
        await Eventually.Holds(() => IsOpen(port), "rsyslogd listens");
        var id = await Run(["syslog", $"syslog-address=tcp://127.0.0.1:{port}", "syslog-format=rfc5424", "syslog-facility=local3", "tag={{.Name}}"], "echo out; echo err >&2", "--name", "talker");
        await Eventually.Holds(() => File.Exists(scratch["log"]) && File.ReadAllLines(scratch["log"]).Length == 2, "both lines are there");
        var lines = await File.ReadAllLinesAsync(scratch["log"], TestContext.Current.CancellationToken);
        var host = Environment.MachineName;
        Assert.Contains(lines, l => l == $"local3.info {host} talker[{_engine.DaemonId}] out");
        Assert.Contains(lines, l => l == $"local3.err {host} talker[{_engine.DaemonId}] err");
        Assert.Equal("out\n", (await _engine.Docker("logs", id)).Succeeded().Output);
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    [Fact]
    public async Task The_journal_receives_lines_and_logs_still_shows_them()
    {
        Directory.CreateDirectory("/run/systemd/journal");
        try
        {
            using var journal = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
            journal.Bind(new UnixDomainSocketEndPoint("/run/systemd/journal/socket"));
            var id = await Run(["journald", "labels=tier"], "echo hello", "--label", "tier=front");
            using var limit = new CancellationTokenSource(Eventually.Deadline);
            var buffer = new byte[64 << 10];
            var entry = Encoding.UTF8.GetString(buffer, 0, await journal.ReceiveAsync(buffer, limit.Token));
            Assert.Contains($"CONTAINER_ID_FULL={id}\n", entry, StringComparison.Ordinal);
            Assert.Contains("MESSAGE=hello\n", entry, StringComparison.Ordinal);
            Assert.Contains("TIER=front\n", entry, StringComparison.Ordinal);
            Assert.Contains("IMAGE_NAME=busybox\n", entry, StringComparison.Ordinal);
            Assert.Equal("tier=front hello\n", (await _engine.Docker("logs", "--details", id)).Succeeded().Output);
            (await _engine.Docker("rm", "-f", id)).Succeeded();
        }
        finally
        {
            Directory.Delete("/run/systemd", recursive: true);
        }
    }

    [Fact]
    public async Task Without_a_journal_the_driver_says_so()
    {
        var run = await _engine.Docker("run", "--rm", "--log-driver", "journald", "busybox", "true");
        Assert.NotEqual(0, run.ExitCode);
        Assert.Contains("failed to initialize logging driver: journald is not enabled on this host", run.Error, StringComparison.Ordinal);
        (await _engine.Docker("container", "prune", "-f")).Succeeded();
    }

    [Theory]
    [InlineData("syslog", "syslog-address=tcp://127.0.0.1:1")]
    [InlineData("fluentd", "fluentd-address=127.0.0.1:1")]
    [InlineData("gelf", "gelf-address=tcp://127.0.0.1:1")]
    public async Task A_receiver_that_is_not_there_holds_nobody_up(params string[] log)
    {
        // More than any buffer has: were it waited for, the container would not end.
        var id = await Run(log, "yes 0123456789012345678901234567890123456789 | head -n 100000; echo last >&2");
        Assert.Equal("0", (await _engine.Docker("wait", id)).Succeeded().Text);
        var said = (await _engine.Docker("logs", id)).Succeeded();
        Assert.Equal(("last\n", 100000), (said.Error, said.Output.Count(c => c == '\n')));
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    [Fact]
    public async Task A_receiver_that_comes_late_gets_what_was_said_before()
    {
        var port = Registry.FreePort();
        var id = await Run(["fluentd", $"fluentd-address=127.0.0.1:{port}", "fluentd-retry-wait=100ms"], "echo early");
        using var fluentd = new TcpListener(IPAddress.Loopback, port);
        fluentd.Start();
        using var limit = new CancellationTokenSource(Eventually.Deadline);
        using var client = await fluentd.AcceptTcpClientAsync(limit.Token);
        var buffer = new byte[4096];
        var length = await client.GetStream().ReadAsync(buffer, limit.Token);
        Assert.Contains("early", Encoding.UTF8.GetString(buffer, 0, length), StringComparison.Ordinal);
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    [Fact]
    public async Task A_cache_that_is_disabled_leaves_nothing_to_read()
    {
        var id = await Run(["fluentd", "fluentd-address=127.0.0.1:1", "cache-disabled=true"], "echo out");
        Assert.Contains("configured logging driver does not support reading", (await _engine.Docker("logs", id)).Error, StringComparison.Ordinal);
        (await _engine.Docker("rm", "-f", id)).Succeeded();
    }

    private async Task<string> Run(string[] log, string script, params string[] options)
    {
        string[] flags = ["--log-driver", log[0], .. log[1..].SelectMany(o => new[] { "--log-opt", o })];
        var id = (await _engine.Docker(["run", "-d", .. flags, .. options, "busybox", "sh", "-c", script])).Succeeded().Text;
        (await _engine.Docker("wait", id)).Succeeded();
        return id;
    }

    private static async Task<bool> IsOpen(int port)
    {
        using var client = new TcpClient();
        try
        {
            await client.ConnectAsync(IPAddress.Loopback, port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
