using Cais.Linux;
using Cais.Testing;

namespace Cais.Shim.Tests;

/// <summary>The shim under real containerd, which finds it as <c>--runtime io.containerd.cais.v2</c>.</summary>
[Trait("Tier", "integration")]
[Collection("/run/containerd")]
public sealed class ContainerdTests : IAsyncLifetime
{
    private ContainerdDaemon _containerd = null!;

    public async ValueTask InitializeAsync() => _containerd = await ContainerdDaemon.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _containerd.DisposeAsync();
        // One that still has something to tell waits a moment for its daemon.
        await Eventually.Holds(() => ShimPids().Count == 0, "no shim is left");
    }

    [Fact]
    public async Task Ctr_runs_containers_with_output_input_and_exit_codes()
    {
        var (code, output) = await _containerd.CtrAsync(_containerd.Run("--rm", "t1", "sh -c 'echo hello; exit 3'"));
        Assert.Equal((3, "hello\n"), (code, output));
        (code, output) = await _containerd.ShellAsync($"echo typed | ctr -a /tmp/containerd-{Environment.ProcessId}/c.sock {_containerd.Run("--rm", "t2", "cat")}");
        Assert.Equal((0, "typed\n"), (code, output));
        (code, output) = await _containerd.CtrOnTerminalAsync(_containerd.Run("--rm -t", "t3", "sh -c 'tty; exit 5'"));
        Assert.Equal(5, code);
        Assert.Contains("/dev/pts/0", output, StringComparison.Ordinal);
        (code, output) = await _containerd.CtrAsync(_containerd.Run("--rm", "t4", "no-such-program"));
        Assert.NotEqual(0, code);
        Assert.Contains("no-such-program", output, StringComparison.Ordinal);
        Assert.Equal("", (await _containerd.CtrAsync("task ls -q")).Output);
    }

    [Fact]
    public async Task Containers_outlive_containerd_and_are_found_again()
    {
        Assert.Equal(0, (await _containerd.CtrAsync(_containerd.Run("-d", "t5", "sleep 1000"))).Code);
        Assert.Equal((0, "from exec\n"), await _containerd.CtrAsync("task exec --exec-id e1 t5 echo from exec"));
        Assert.Contains("/dev/pts/0", (await _containerd.CtrOnTerminalAsync("task exec -t --exec-id e2 t5 tty")).Output, StringComparison.Ordinal);
        Assert.Matches("memory.usage(_in_bytes)? +[1-9]", (await _containerd.CtrAsync("task metrics t5")).Output);
        Assert.Equal(0, (await _containerd.CtrAsync("task pause t5")).Code);
        Assert.Contains("PAUSED", (await _containerd.CtrAsync("task ls")).Output, StringComparison.Ordinal);
        Assert.Equal(0, (await _containerd.CtrAsync("task resume t5")).Code);

        await _containerd.CrashAndRestartAsync();
        Assert.Contains("RUNNING", (await _containerd.CtrAsync("task ls")).Output, StringComparison.Ordinal);
        Assert.Equal((0, "after the restart\n"), await _containerd.CtrAsync("task exec --exec-id e3 t5 echo after the restart"));
        Assert.Equal(0, (await _containerd.CtrAsync("task kill -s 9 t5")).Code);
        await Eventually.Holds(async () => (await _containerd.CtrAsync("task ls")).Output.Contains("STOPPED", StringComparison.Ordinal), "it has stopped");
        await _containerd.CtrAsync("task rm t5");
        Assert.Equal(0, (await _containerd.CtrAsync("container rm t5")).Code);
    }

    [Fact]
    public async Task A_shim_that_is_killed_is_noticed_and_cleaned_up_after()
    {
        Assert.Equal(0, (await _containerd.CtrAsync(_containerd.Run("-d", "t6", "sleep 1000"))).Code);
        var shim = Assert.Single(ShimPids());
        Signals.Send(shim, Signals.Kill);
        await Eventually.Holds(async () => (await _containerd.CtrAsync("task ls -q")).Output == "", "the task is gone");
        await Eventually.Holds(() => !Directory.EnumerateFileSystemEntries("/run/containerd/s").Any(), "its socket is gone");
        await Eventually.Holds(async () => (await _containerd.ShellAsync("pgrep -f '^sleep 1000$'")).Output == "", "the container is gone");
        Assert.Equal(0, (await _containerd.CtrAsync("container rm t6")).Code);
    }

    private static List<int> ShimPids()
    {
        var pids = new List<int>();
        foreach (var directory in Directory.EnumerateDirectories("/proc"))
        {
            try
            {
                if (int.TryParse(Path.GetFileName(directory), out var pid)
                    && File.ReadAllText($"{directory}/cmdline").Contains("c.sock\0-socket\0", StringComparison.Ordinal))
                {
                    pids.Add(pid);
                }
            }
            catch (IOException)
            {
                // It ended.
            }
        }

        return pids;
    }
}
