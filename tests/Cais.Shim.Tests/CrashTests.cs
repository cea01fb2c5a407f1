using System.Text.Json.Nodes;
using Cais.Linux.Io;
using Cais.Testing;
using Cais.Ttrpc;
using Containerd.Task.V2;
using Containerd.V1.Types;

namespace Cais.Shim.Tests;

[Trait("Tier", "integration")]
public sealed class CrashTests
{
    public static TheoryData<string> Runtimes => ["cais", "runc", "crun"];

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_daemon_that_dies_disturbs_neither_container_nor_shim(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sh", "-c", "i=0; while true; do echo $i; i=$((i+1)); sleep 0.01; done");
        using (var reader = Fifo.OpenRead(shim.FifoPath("stdout")))
        {
            await shim.Client.CreateAsync(shim.CreateRequest());
            await shim.Client.StartAsync(new StartRequest { Id = shim.Id });
        }

        var waiting = shim.Client.WaitAsync(new WaitRequest { Id = shim.Id });
        shim.Client.Connection.Dispose();
        await Assert.ThrowsAsync<TtrpcClosedException>(() => waiting.WaitAsync(ShimHarness.Deadline));

        var client = await shim.ReconnectAsync();
        Assert.Equal(Status.Running, (await client.StateAsync(new StateRequest { Id = shim.Id })).Status);
        _ = shim.Read("stdout", shim.Output);
        await Eventually.Holds(() => ShimHarness.Text(shim.Output).Contains("\n20\n", StringComparison.Ordinal), "the container goes on");
        Assert.StartsWith("0\n1\n2\n", ShimHarness.Text(shim.Output), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task After_the_shim_was_killed_delete_cleans_up_and_says_so(string runtime)
    {
        await using var shim = await ShimHarness.StartAsync(runtime);
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        var pid = (int)(await shim.Client.StateAsync(new StateRequest { Id = shim.Id })).Pid;
        await shim.KillShimAsync();
        Assert.True(ShimHarness.Exists(pid));
        var (code, output, errors) = await shim.CommandAsync(["-namespace", "tests", "-id", shim.Id, "-bundle", shim.Bundle, "delete"]);
        Assert.True(code == 0, errors);
        var response = DeleteResponse.Parser.ParseFrom(output);
        Assert.Equal(137u, response.ExitStatus);
        Assert.Equal((uint)pid, response.Pid);
        await Eventually.Holds(() => !IsRunning(pid), "the container is dead");
        Assert.Empty(shim.Mounts());
        Assert.Empty(shim.Cgroups());
        Assert.Empty(Directory.EnumerateFileSystemEntries(Path.Combine(shim.Root, "state", "tests")));

        // And once more: there is nothing to do, and that is no error.
        Assert.Equal(0, (await shim.CommandAsync(["-namespace", "tests", "-id", shim.Id, "-bundle", shim.Bundle, "delete"])).Code);
    }

    [Theory]
    [InlineData("cais")]
    [InlineData("runc")]
    public async Task Death_at_any_moment_of_the_creation_leaves_nothing_that_delete_does_not_find(string runtime)
    {
        for (var delay = 0; delay < 60; delay += 6)
        {
            await using var shim = await ShimHarness.StartAsync(runtime);
            shim.Configure(terminal: false, "sleep", "1000");
            var creating = shim.Client.CreateAsync(shim.CreateRequest());
            await Task.WhenAny(creating, Task.Delay(delay));
            await shim.KillShimAsync();
            await Assert.ThrowsAnyAsync<Exception>(async () =>
            {
                await creating.WaitAsync(ShimHarness.Deadline);
                throw new TtrpcClosedException("it was quicker");
            });
            // What a runtime's command was doing goes on for a moment without its parent.
            await Eventually.Holds(
                async () =>
                {
                    var (code, _, _) = await shim.CommandAsync(["-namespace", "tests", "-id", shim.Id, "-bundle", shim.Bundle, "delete"]);
                    return code == 0 && shim.Mounts().Count == 0 && shim.Cgroups().Count == 0;
                },
                $"everything is gone after a death at {delay} ms");
        }
    }

    [Theory]
    [MemberData(nameof(Runtimes))]
    public async Task A_container_that_runs_out_of_memory_is_reported_before_its_exit(string runtime)
    {
        await using var events = new EventSink();
        await using var shim = await ShimHarness.StartAsync(runtime, new Dictionary<string, string?> { ["TTRPC_ADDRESS"] = events.Address });
        shim.Configure(
            spec => spec["linux"]!["resources"]!["memory"] = new JsonObject { ["limit"] = 16 << 20, ["swap"] = 16 << 20 },
            terminal: false, "dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1");
        _ = await shim.RunAsync();
        Assert.Equal(137u, (await shim.WaitAsync()).ExitStatus);
        await Eventually.Holds(() => events.Topics.Contains("/tasks/exit"), "the exit is published");
        Assert.Equal(["/tasks/create", "/tasks/start", "/tasks/oom", "/tasks/exit"], events.Topics);
        Assert.True((await shim.UsageAsync()).OomKills > 0);
    }

    [Fact]
    public async Task Events_come_in_order_with_what_happened()
    {
        await using var events = new EventSink();
        await using var shim = await ShimHarness.StartAsync("runc", new Dictionary<string, string?> { ["TTRPC_ADDRESS"] = events.Address });
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.ExecAsync("one", false, false, "sh", "-c", "exit 3");
        await shim.StartExecAsync("one");
        await shim.WaitAsync("one");
        await shim.Client.PauseAsync(new PauseRequest { Id = shim.Id });
        await shim.Client.ResumeAsync(new ResumeRequest { Id = shim.Id });
        await shim.KillAsync();
        await shim.WaitAsync();
        await shim.DeleteAsync();
        await Eventually.Holds(() => events.Topics.Contains("/tasks/delete"), "the delete is published");
        Assert.Equal(
            [
                "/tasks/create", "/tasks/start", "/tasks/exec-added", "/tasks/exec-started", "/tasks/exit", "/tasks/paused", "/tasks/resumed",
                "/tasks/exit", "/tasks/delete",
            ],
            events.Topics);
    }

    [Fact]
    public async Task Orphans_of_a_shared_pid_namespace_are_reaped_and_end_with_the_container()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(
            spec => spec["linux"]!["namespaces"] = new JsonArray([.. new[] { "mount", "ipc", "uts", "network" }.Select(t => (JsonNode)new JsonObject { ["type"] = t })]),
            terminal: false, "sh", "-c", "(sleep 0.1 & ); (sleep 1000 & ); sleep 1000");
        _ = await shim.RunAsync();
        await Eventually.Holds(() => Children(shim.ShimPid).Count(c => c.State != 'Z') >= 2, "the orphan is the shim's child");
        await Eventually.Holds(() => Children(shim.ShimPid).Count == 2 && Children(shim.ShimPid).All(c => c.State != 'Z'), "the one that ended is reaped");
        await shim.KillAsync();
        await shim.WaitAsync();
        await Eventually.Holds(() => Children(shim.ShimPid).Count == 0, "nothing is left of the container");
    }

    [Fact]
    public async Task A_shim_that_was_told_to_shut_down_ends_only_without_containers()
    {
        await using var shim = await ShimHarness.StartAsync("runc");
        shim.Configure(terminal: false, "sleep", "1000");
        _ = await shim.RunAsync();
        await shim.Client.ShutdownAsync(new ShutdownRequest { Id = shim.Id });
        Assert.Equal((uint)shim.ShimPid, (await shim.Client.ConnectAsync(new ConnectRequest { Id = shim.Id })).ShimPid);
        await shim.KillAsync();
        await shim.WaitAsync();
        await shim.DeleteAsync();
        await shim.Client.ShutdownAsync(new ShutdownRequest { Id = shim.Id });
        Assert.Equal(0, (await shim.ShimExit.WaitAsync(ShimHarness.Deadline)).ShellCode);
    }

    private static bool IsRunning(int pid)
    {
        try
        {
            return !File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].StartsWith('Z');
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static List<(int Pid, char State)> Children(int parent)
    {
        var children = new List<(int, char)>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(directory), out var pid))
            {
                try
                {
                    var fields = File.ReadAllText($"/proc/{pid}/stat").Split(") ")[^1].Split(' ');
                    if (fields[1] == parent.ToString(System.Globalization.CultureInfo.InvariantCulture))
                    {
                        children.Add((pid, fields[0][0]));
                    }
                }
                catch (IOException)
                {
                    // It ended.
                }
            }
        }

        return children;
    }
}
