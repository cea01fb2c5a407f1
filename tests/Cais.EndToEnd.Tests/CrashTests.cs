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

    /// <summary>Containers start, log, are stopped and end while the daemon is killed again and again.</summary>
    [Fact]
    public async Task No_exit_is_lost_and_nothing_leaks_however_often_the_daemon_is_killed()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var random = new Random(7);
        for (var round = 0; round < 6; round++)
        {
            var stopped = (await engine.Cais("run", "-d", "--init", "busybox", "sleep", "300")).Succeeded().Text;
            var removed = (await engine.Cais("run", "-d", "--rm", "busybox", "sh", "-c", "sleep 0.2; exit 3")).Succeeded().Text;
            var restarted = (await engine.Cais("run", "-d", "--restart", "always", "busybox", "sh", "-c", "sleep 0.1")).Succeeded().Text;
            var ended = (await engine.Cais("run", "-d", "busybox", "sh", "-c", "i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); sleep 0.02; done; exit 7")).Succeeded().Text;
            var clients = new[] { engine.Cais("stop", "-t", "1", stopped), engine.Cais("run", "-d", "busybox", "sh", "-c", "exit 5"), engine.Cais("exec", ended, "true") };
            await Task.Delay(random.Next(120), TestContext.Current.CancellationToken);
            await engine.Crash();
            await Task.WhenAll(clients);
            await engine.StartDaemon();

            Assert.Equal("7", (await engine.Docker("wait", ended)).Succeeded().Text);
            await Eventually.Holds(async () => (await engine.Docker("inspect", removed)).ExitCode == 1, "the container that removes itself is gone");
            await Eventually.Holds(
                async () => (await engine.Cais("inspect", "-f", "{{.State.Status}}", restarted)).Text is "running" or "restarting", "the policy goes on");
            var state = (await engine.Cais("inspect", "-f", "{{.State.Status}} {{.State.Pid}} {{.State.ExitCode}}", stopped)).Succeeded().Text.Split(' ');
            Assert.True(state switch
            {
                ["running", var pid, "0"] => Directory.Exists($"/proc/{pid}"),
                ["exited", "0", "143" or "137"] => true,
                _ => false,
            }, string.Join(' ', state));
            foreach (var id in (await engine.Cais("ps", "-aq", "--no-trunc", "-f", "status=exited")).Succeeded().Lines)
            {
                Assert.Contains((await engine.Cais("inspect", "-f", "{{.State.ExitCode}}", id)).Succeeded().Text, new[] { "0", "5", "7", "143", "137" });
            }

            (await engine.Cais(["rm", "-f", .. (await engine.Cais("ps", "-aq")).Succeeded().Lines])).Succeeded();
        }

        foreach (var folder in new[] { "pipes", "bundles", "mounts", "netns" })
        {
            var path = Path.Combine(engine.RunFolder, "exec", folder);
            await Eventually.Holds(() => !Directory.Exists(path) || folder == "netns" || !Directory.EnumerateFileSystemEntries(path).Any(), $"nothing is left in {folder}");
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(engine.DataFolder, "containers")));
    }

    [Fact]
    public async Task No_line_is_lost_or_doubled_however_often_the_daemon_is_killed()
    {
        const int Lines = 300_000;
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var id = (await engine.Cais("run", "-d", "--log-opt", "max-size=-1", "busybox", "sh", "-c",
            $"i=0; while [ $i -lt {Lines} ]; do echo $i; i=$((i+1)); done; printf unfinished; exit 4")).Succeeded().Text;
        var random = new Random(11);
        for (var round = 0; round < 6; round++)
        {
            await Task.Delay(random.Next(80), TestContext.Current.CancellationToken);
            await engine.Crash();
            await engine.StartDaemon();
        }

        Assert.Equal("4", (await engine.Docker("wait", id)).Succeeded().Text);
        var logged = (await engine.Docker("logs", id)).Succeeded().Output.Split('\n');
        Assert.Equal("unfinished", logged[^1]);
        for (var i = 0; i < Lines; i++)
        {
            Assert.True(i < logged.Length && logged[i] == i.ToString(System.Globalization.CultureInfo.InvariantCulture), $"line {i} is {logged.ElementAtOrDefault(i)}");
        }

        Assert.Equal(Lines + 1, logged.Length);
    }

    [Fact]
    public async Task After_a_reboot_policies_say_who_runs()
    {
        await using var engine = await Engine.Start();
        await Busybox.Import(engine);
        var always = (await engine.Cais("run", "-d", "--restart", "always", "busybox", "sleep", "300")).Succeeded().Text;
        var unless = (await engine.Cais("run", "-d", "--restart", "unless-stopped", "busybox", "sleep", "300")).Succeeded().Text;
        var shares = (await engine.Cais("run", "-d", "--restart", "always", "--network", $"container:{always}", "busybox", "sleep", "300")).Succeeded().Text;
        var plain = (await engine.Cais("run", "-d", "busybox", "sleep", "300")).Succeeded().Text;
        var self = (await engine.Cais("run", "-d", "--rm", "busybox", "sleep", "300")).Succeeded().Text;
        (await engine.Cais("stop", "-t", "0", unless)).Succeeded();

        await engine.Crash();
        await KillAllOf(engine);
        foreach (var mount in Directory.EnumerateFiles(Path.Combine(engine.RunFolder, "exec", "netns")))
        {
            await Command.Run("umount", [mount]);
        }

        Directory.Delete(Path.Combine(engine.RunFolder, "exec"), recursive: true);
        await engine.StartDaemon();
        await Eventually.Holds(async () => await Status(always) == "running" && await Status(shares) == "running", "who always runs does, in the other's network too");
        Assert.Equal(("exited", "exited"), (await Status(unless), await Status(plain)));
        Assert.Equal(1, (await engine.Docker("inspect", self)).ExitCode);

        async Task<string> Status(string id) => (await engine.Cais("inspect", "-f", "{{.State.Status}}", id)).Text;
    }

    /// <summary>What a reboot does to processes: the shims of this engine, and with them their containers.</summary>
    private static async Task KillAllOf(Engine engine)
    {
        foreach (var directory in Directory.EnumerateDirectories("/proc").Where(d => char.IsDigit(Path.GetFileName(d)[0])))
        {
            try
            {
                var name = (await File.ReadAllTextAsync($"{directory}/comm")).Trim();
                var command = await File.ReadAllTextAsync($"{directory}/cmdline");
                var folder = new DirectoryInfo($"{directory}/cwd").LinkTarget ?? "";
                if ((name.StartsWith("containerd-shim", StringComparison.Ordinal) && folder.StartsWith(engine.RunFolder, StringComparison.Ordinal)) || command == "sleep\0300\0")
                {
                    await Command.Run("kill", ["-9", Path.GetFileName(directory)]);
                }
            }
            catch (IOException)
            {
                // It ended in the meantime.
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
