using System.Text;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Testing;

namespace Cais.Shim.Tests;

/// <summary>A real containerd with directories of its own, our shim in its PATH, and ctr as its client.</summary>
internal sealed class ContainerdDaemon : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = Eventually.Deadline;

    private readonly EventLoop _loop = EventLoop.Start("containerd");
    private readonly string _root = $"/tmp/containerd-{Environment.ProcessId}";
    private ChildProcess _daemon = null!;
    private Task<ExitStatus> _exit = null!;

    public string Rootfs => Path.Combine(_root, "rootfs");

    public static async Task<ContainerdDaemon> StartAsync()
    {
        var containerd = new ContainerdDaemon();
        Directory.CreateDirectory(containerd._root);
        BusyboxImage.Create(containerd.Rootfs);
        await File.WriteAllTextAsync(Path.Combine(containerd._root, "config.toml"), $"""
            version = 2
            root = "{containerd._root}/root"
            state = "{containerd._root}/state"
            disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
            [grpc]
              address = "{containerd._root}/c.sock"
            [ttrpc]
              address = "{containerd._root}/c.sock.ttrpc"
            """);
        await containerd.StartDaemonAsync();
        return containerd;
    }

    /// <summary>Ends it as a crash would, and starts it again.</summary>
    public async Task CrashAndRestartAsync()
    {
        Signals.Send(_daemon.Pid, Signals.Kill);
        await _exit.WaitAsync(Deadline);
        _daemon.Dispose();
        await StartDaemonAsync();
    }

    /// <summary>Runs ctr, with arguments that a shell splits.</summary>
    public Task<(int Code, string Output)> CtrAsync(string arguments) =>
        ShellAsync($"ctr -a {_root}/c.sock {arguments}");

    /// <summary>Runs ctr on a terminal.</summary>
    public Task<(int Code, string Output)> CtrOnTerminalAsync(string arguments) =>
        ShellAsync($"script -qec \"ctr -a {_root}/c.sock {arguments}\" /dev/null");

    /// <summary><c>ctr run</c> with our shim; the id is the container's cgroup too.</summary>
    public string Run(string flags, string id, string command) =>
        $"run {flags} --runtime io.containerd.cais.v2 --cgroup /cais-shim-tests/{id} --rootfs {Rootfs} {id} {command}";

    public async Task<(int Code, string Output)> ShellAsync(string command)
    {
        var (reader, writer) = Pipe.Create();
        Descriptors.SetNonBlocking(reader, true);
        var output = new MemoryStream();
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var reading = DescriptorReader.Start(
            _loop,
            reader,
            data =>
            {
                output.Write(data);
                return true;
            },
            _ => end.TrySetResult());
        ExitStatus status;
        using (writer)
        {
            using var shell = ChildProcess.Start(new ChildCommand { Program = "sh", Arguments = ["-c", command], Descriptors = [null, writer, writer] });
            status = await shell.WaitAsync(_loop).WaitAsync(Deadline);
        }

        await Task.WhenAny(end.Task, Task.Delay(TimeSpan.FromSeconds(5)));
        return (status.ShellCode, Encoding.UTF8.GetString(output.ToArray()));
    }

    public async ValueTask DisposeAsync()
    {
        Signals.Send(_daemon.Pid, Signals.Terminate);
        await _exit.WaitAsync(Deadline);
        _daemon.Dispose();
        _loop.Dispose();
        foreach (var directory in (string[])[_root, "/run/containerd", "/run/cais"])
        {
            if (Directory.Exists(directory))
            {
                Directory.Delete(directory, recursive: true);
            }
        }

        foreach (var top in ShimHarness.Hierarchies())
        {
            try
            {
                Directory.Delete($"{top}/cais-shim-tests");
            }
            catch (IOException)
            {
                // Another test's.
            }
        }
    }

    private async Task StartDaemonAsync()
    {
        using var log = Files.Open(
            Path.Combine(_root, "log"), OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Append | OpenFlags.CloseOnExec, 0x1A4);
        _daemon = ChildProcess.Start(new ChildCommand
        {
            Program = "containerd",
            Arguments = ["-c", Path.Combine(_root, "config.toml")],
            Descriptors = [null, log, log],
            Environment = new Dictionary<string, string?>
            {
                ["PATH"] = $"{Path.GetDirectoryName(ShimHarness.ShimProgram)}:{Environment.GetEnvironmentVariable("PATH")}",
            },
        });
        _exit = _daemon.WaitAsync(_loop);
        await Eventually.Holds(async () => (await CtrAsync("version")).Code == 0, "containerd answers");
    }
}
