using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>kill -9 of the daemon stops nothing and loses nothing.</summary>
[Trait("Tier", "e2e")]
public sealed class CrashTests
{
    [Fact]
    public async Task Containers_live_through_a_crash_and_are_found_again()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var id = (await engine.Cais("run", "-d", "--name", "survivor", "-p", "8090:80", "busybox", "sh", "-c",
            "mkdir /www && echo alive >/www/index.html; httpd -p 80 -h /www; i=0; while true; do i=$((i+1)); echo $i; sleep 0.05; done")).Succeeded().Text;
        var ending = (await engine.Cais("run", "-d", "--name", "ending", "busybox", "sh", "-c", "while [ ! -e /stop ]; do sleep 0.05; done; exit 11")).Succeeded().Text;
        var pid = (await engine.Cais("inspect", "-f", "{{.State.Pid}}", id)).Succeeded().Text;
        await Eventually.Holds(async () => (await Get()).Text == "alive", "the server answers");

        await engine.Crash();
        Assert.True(Directory.Exists($"/proc/{pid}"));
        Assert.Equal("alive", (await Get()).Succeeded().Text);
        // This one ends while no daemon is there to see it.
        var endingPid = await PidOf("while [ ! -e /stop ]");
        await File.WriteAllTextAsync($"/proc/{endingPid}/root/stop", "", TestContext.Current.CancellationToken);
        await Eventually.Holds(() => !Directory.Exists($"/proc/{endingPid}/root/"), "the container ended");

        await engine.StartDaemon();
        Assert.Equal($"running {pid}", (await engine.Cais("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", id)).Succeeded().Text);
        Assert.Equal("alive", (await Get()).Succeeded().Text);
        Assert.Equal("11", (await engine.Docker("wait", ending)).Succeeded().Text);
        Assert.Equal("still me", (await engine.Docker("exec", "survivor", "echo", "still me")).Succeeded().Text);

        (await engine.Docker("stop", "-t", "0", "survivor")).Succeeded();
        var numbers = (await engine.Docker("logs", "survivor")).Succeeded().Lines.Select(l => int.Parse(l, System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(Enumerable.Range(1, numbers.Length), numbers);
        (await engine.Docker("rm", "survivor", "ending")).Succeeded();
    }

    [Fact]
    public async Task An_orderly_stop_does_not_touch_containers_either()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var id = (await engine.Cais("run", "-d", "busybox", "sleep", "300")).Succeeded().Text;
        var pid = (await engine.Cais("inspect", "-f", "{{.State.Pid}}", id)).Succeeded().Text;
        await engine.StopDaemon();
        Assert.True(Directory.Exists($"/proc/{pid}"));
        await engine.StartDaemon();
        Assert.Equal($"running {pid}", (await engine.Cais("inspect", "-f", "{{.State.Status}} {{.State.Pid}}", id)).Succeeded().Text);
    }

    [Fact]
    public async Task Crashes_at_any_moment_leave_a_state_that_is_true()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var random = new Random(42);
        for (var round = 0; round < 8; round++)
        {
            var clients = Enumerable.Range(0, 4).Select(i => engine.Cais("run", "-d", "busybox", "sleep", i % 2 == 0 ? "0.05" : "300")).ToArray();
            var moment = random.Next(60);
            await Task.Delay(moment, TestContext.Current.CancellationToken);
            await engine.Crash();
            await Task.WhenAll(clients);
            await engine.StartDaemon();
            foreach (var id in (await engine.Cais("ps", "-aq", "--no-trunc")).Succeeded().Lines)
            {
                await Eventually.Holds(async () => await StateIsTrue(engine, id), $"the state of {id} is true after a crash at {moment} ms");
            }

            var all = (await engine.Cais("ps", "-aq")).Succeeded().Lines;
            if (all.Length > 0)
            {
                (await engine.Cais(["rm", "-f", .. all])).Succeeded();
            }
        }
    }

    private static async Task<bool> StateIsTrue(Engine engine, string id)
    {
        var state = (await engine.Cais("inspect", "-f", "{{.State.Status}} {{.State.Pid}} {{index .Config.Cmd 1}}", id)).Succeeded().Text.Split(' ');
        return state switch
        {
            ["running", var pid, "300"] => Directory.Exists($"/proc/{pid}"),
            ["running", _, _] => false, // the short sleeper must be seen to have ended
            ["created" or "exited", "0", _] => true,
            _ => false,
        };
    }

    private static Task<ProcessResult> Get() => Command.Run("timeout", ["2", "busybox", "wget", "-qO-", "http://127.0.0.1:8090/"]);

    private static async Task<string> PidOf(string commandLine)
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                var text = await File.ReadAllTextAsync($"{directory}/cmdline");
                if (text.StartsWith("sh\0-c\0" + commandLine, StringComparison.Ordinal))
                {
                    return Path.GetFileName(directory);
                }
            }
            catch (IOException)
            {
                // It ended in the meantime.
            }
        }

        throw new InvalidOperationException($"no process with the command line {commandLine}");
    }
}
