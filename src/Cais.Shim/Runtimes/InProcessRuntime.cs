using System.Text.Json;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.Shim.Runtimes;

/// <summary>Cais's own runtime as a library: no process is started but the container's.</summary>
internal sealed class InProcessRuntime(string stateRoot, string id, string bundle, bool systemdCgroup) : ITaskRuntime
{
    private readonly OciRuntime _runtime = new(stateRoot);
    private Container? _container;

    public bool MountsRootfs => true;

    private Container Container => _container ??= _runtime.Load(id);

    public async Task<StartedProcess> CreateAsync(TaskCreation creation)
    {
        if (creation.Checkpoint.Length > 0)
        {
            throw new RuntimeException(RuntimeError.Failed, "restoring a checkpoint needs a runtime with criu support: choose runc or crun");
        }

        return await Background.Run(() =>
        {
            _container = _runtime.Create(new CreateRequest
            {
                Id = id,
                Bundle = bundle,
                Spec = creation.Spec,
                RootfsMounts = creation.Rootfs,
                Streams = creation.Terminal ? null : creation.Streams,
                NoPivot = creation.NoPivotRoot,
                NoNewKeyring = creation.NoNewKeyring,
                SystemdCgroup = systemdCgroup,
            });
            // The container keeps its own descriptors; the shim's live by the task's rules.
            var pidFd = Pidfd.TryOpen(_container.Pid) ?? throw new RuntimeException(RuntimeError.Failed, "the container's first process is gone");
            return new StartedProcess(_container.Pid, pidFd, _container.Console is { } console ? Descriptors.Duplicate(console) : null);
        });
    }

    public Task StartAsync() => Background.Run(() => Container.Start());

    public async Task<StartedProcess> ExecAsync(TaskExec exec)
    {
        var process = JsonSerializer.Deserialize(exec.Process.Span, SpecJson.Default.Process)
            ?? throw new RuntimeException(RuntimeError.InvalidConfig, "the exec's process is empty");
        return await Background.Run(() =>
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

    public Task KillAsync(int signal, bool all) => Background.Run(() => Container.Kill(signal, all));

    public Task PauseAsync() => Background.Run(() => Container.Pause());

    public Task ResumeAsync() => Background.Run(() => Container.Resume());

    public async Task UpdateAsync(ReadOnlyMemory<byte> resources)
    {
        var parsed = JsonSerializer.Deserialize(resources.Span, SpecJson.Default.LinuxResources)
            ?? throw new RuntimeException(RuntimeError.InvalidConfig, "the resources are empty");
        await Background.Run(() => Container.Update(parsed));
    }

    public Task<IReadOnlyList<int>> PidsAsync() => Background.Run(() => Container.Pids());

    public Task CheckpointAsync(TaskCheckpoint checkpoint) =>
        throw new RuntimeException(RuntimeError.Failed, "a checkpoint needs a runtime with criu support: choose runc or crun");

    public Task DeleteAsync(bool force) => Background.Run(() =>
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
}
