using Cais.Linux;
using Cais.Linux.Io;
using Cais.Oci.Runtime;
using Cais.Runtime;
using Cais.Shim.Tasks;

namespace Cais.Shim.Runtimes;

/// <summary>Cais's own runtime as a library: no process is started but the container's.</summary>
internal sealed class InProcessRuntime(string stateRoot, string id, string bundle, bool systemdCgroup) : ITaskRuntime
{
    private readonly OciRuntime _runtime = new(stateRoot);
    private Container? _container;
    private bool _restored;

    /// <summary>Whether an operation may have to wait for others: for hooks, for criu, for processes that no pid namespace takes along.</summary>
    private bool _waits = true;

    public bool MountsRootfs => true;

    private Container Container => _container ??= _runtime.Load(id);

    public Task<StartedProcess> CreateAsync(TaskCreation creation)
    {
        _waits = creation.Spec.Hooks is not null || creation.Checkpoint.Length > 0
            || creation.Spec.Linux?.Namespaces?.Any(space => space.Type == "pid" && string.IsNullOrEmpty(space.Path)) != true;
        return Run(() =>
        {
            var request = new CreateRequest
            {
                Id = id,
                Bundle = bundle,
                Spec = creation.Spec,
                RootfsMounts = creation.Rootfs,
                Streams = creation.Terminal ? null : creation.Streams,
                NoPivot = creation.NoPivotRoot,
                NoNewKeyring = creation.NoNewKeyring,
                SystemdCgroup = systemdCgroup,
            };
            _container = creation.Checkpoint.Length > 0 ? Restore(request, creation) : _runtime.Create(request);

            // The container keeps its own descriptors; the shim's live by the task's rules.
            var pidFd = Pidfd.TryOpen(_container.Pid) ?? throw new RuntimeException(RuntimeError.Failed, "the container's first process is gone");
            return new StartedProcess(_container.Pid, pidFd, _container.Console is { } console ? Descriptors.Duplicate(console) : null);
        });
    }

    /// <summary>criu needs the root filesystem in sight of the host; once the container has it, nobody else does.</summary>
    private Container Restore(CreateRequest request, TaskCreation creation)
    {
        _restored = true;
        var rootfs = Path.Combine(bundle, creation.Spec.Root?.Path ?? "rootfs");
        if (creation.Rootfs.Count > 0)
        {
            Directory.CreateDirectory(rootfs);
            RootfsMounts.Mount(creation.Rootfs, rootfs);
        }

        try
        {
            return _runtime.Restore(new RestoreRequest
            {
                Container = request,
                ImagePath = creation.Checkpoint,
                WorkPath = Path.Combine(bundle, "criu-work"),
                TcpEstablished = true,
                ExternalUnixSockets = true,
                FileLocks = true,
            });
        }
        finally
        {
            if (creation.Rootfs.Count > 0)
            {
                RootfsMounts.Unmount(rootfs);
            }
        }
    }

    /// <summary>What was restored runs already.</summary>
    public Task StartAsync() => _restored ? Task.CompletedTask : Run(() => Container.Start());

    public Task<StartedProcess> ExecAsync(TaskExec exec)
    {
        var process = SpecReader.ReadProcess(exec.Process.Span);
        return Run(() =>
        {
            using var started = Container.Exec(new ExecRequest
            {
                Process = process with { Terminal = exec.Terminal },
                Streams = exec.Terminal ? null : exec.Streams,
            });
            return new StartedProcess(
                started.Pid, Descriptors.Duplicate(started.PidFd), started.Console is { } console ? Descriptors.Duplicate(console) : null);
        });
    }

    public Task KillAsync(int signal, bool all) => Run(() => Container.Kill(signal, all));

    public Task PauseAsync() => Background.Run(() => Container.Pause());

    public Task ResumeAsync() => Background.Run(() => Container.Resume());

    public async Task UpdateAsync(ReadOnlyMemory<byte> resources)
    {
        var parsed = SpecReader.ReadResources(resources.Span);
        await Background.Run(() => Container.Update(parsed));
    }

    public Task<IReadOnlyList<int>> PidsAsync() => Run(() => Container.Pids());

    public Task CheckpointAsync(TaskCheckpoint checkpoint) => Background.Run(() => Container.Checkpoint(new CheckpointRequest
    {
        ImagePath = checkpoint.ImagePath,
        WorkPath = checkpoint.WorkPath.Length > 0 ? checkpoint.WorkPath : null,
        ParentPath = checkpoint.ParentPath.Length > 0 ? checkpoint.ParentPath : null,
        LeaveRunning = !checkpoint.Exit,
        TcpEstablished = checkpoint.OpenTcp,
        ExternalUnixSockets = checkpoint.ExternalUnixSockets,
        ShellJob = checkpoint.Terminal,
        FileLocks = checkpoint.FileLocks,
        ManageCgroups = checkpoint.CgroupsMode.Length > 0 ? checkpoint.CgroupsMode : null,
        EmptyNamespaces = checkpoint.EmptyNamespaces,
    }));

    public Task DeleteAsync(bool force) => Run(() =>
    {
        try
        {
            Container.Delete(force);
        }
        catch (RuntimeException e) when (force && e.Error == RuntimeError.NotFound)
        {
            // Nothing was made, or it is gone already.
        }
    });

    public void Dispose() => _container?.Dispose();

    /// <summary>Where nobody need be waited for, an operation is system calls of some milliseconds: less than a thread's start, and its end, take.</summary>
    private Task<T> Run<T>(Func<T> operation) => _waits ? Background.Run(operation) : Background.Inline(operation);

    private Task<bool> Run(Action operation) => Run(() =>
    {
        operation();
        return true;
    });
}
