using System.Globalization;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Oci.Runtime;
using Cais.Runtime;
using Cais.Shim.Cgroups;
using Cais.Shim.Commands;
using Cais.Shim.Events;
using Cais.Shim.Runtimes;
using Cais.Shim.Streams;
using Containerd.Task.V2;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Shim.Tasks;

/// <summary>What a task needs of the shim it is in.</summary>
internal sealed record TaskHost(EventLoop Loop, OrphanReaper Reaper, EventPublisher Events, ShimLog Log, string Namespace, InputRule Input);

/// <summary>A container: its first process, its execs, and the runtime that runs it. Loop thread only.</summary>
internal sealed class ContainerTask : IDisposable
{
    private readonly TaskHost _host;
    private readonly TaskEvents _events;
    private readonly ITaskRuntime _runtime;
    private readonly Dictionary<string, TaskProcess> _execs = [];
    private readonly Spec _spec;
    private readonly TaskProcess _init;
    private ProcessCgroup? _cgroup;
    private OomMonitor? _oom;
    private readonly bool _givesCgroupAway;
    private Any? _lastStats;
    private int _execSerial;
    private bool _oomBeforeStart;

    private ContainerTask(TaskHost host, CreateTaskRequest request, ITaskRuntime runtime, Spec spec, bool systemdCgroup)
    {
        _givesCgroupAway = systemdCgroup;
        _host = host;
        _runtime = runtime;
        _spec = spec;
        Id = request.Id;
        Bundle = request.Bundle;
        _events = new TaskEvents(host.Events, Id);
        _init = new TaskProcess("", new StreamPaths(request.Stdin, request.Stdout, request.Stderr, request.Terminal));
    }

    public string Id { get; }

    public string Bundle { get; }

    public TaskProcess Init => _init;

    public bool IsPaused { get; private set; }

    private string RootfsPath => Path.Combine(Bundle, "rootfs");

    /// <summary>Makes the container, whose program then waits for <see cref="StartAsync"/>. If that fails, nothing is left.</summary>
    public static async Task<ContainerTask> CreateAsync(TaskHost host, CreateTaskRequest request)
    {
        var options = TaskOptions.Read(request.Options);
        var choice = TaskOptions.Choose(options, host.Namespace);
        ITaskRuntime runtime = choice.Binary.Length == 0
            ? new InProcessRuntime(choice.Root, request.Id, request.Bundle, choice.SystemdCgroup)
            : new CommandRuntime(host.Loop, choice, request.Id, request.Bundle);
        return await TaskErrors.Explain("create", async () =>
        {
            var spec = SpecReader.ReadSpec(File.ReadAllBytes(Path.Combine(request.Bundle, "config.json")));
            var task = new ContainerTask(host, request, runtime, spec, choice.SystemdCgroup);
            var mounts = request.Rootfs.Select(m => new RootfsMount(m.Type, m.Source, [.. m.Options]) { Target = m.Target }).ToList();
            var record = new TaskRecord
            {
                Id = request.Id,
                Binary = choice.Binary,
                Root = choice.Root,
                SystemdCgroup = choice.SystemdCgroup,
                MountsRootfs = mounts.Count > 0 && !runtime.MountsRootfs,
            };
            record.Save(request.Bundle);
            try
            {
                await task.LaunchAsync(request, options, mounts, record);
                return task;
            }
            catch
            {
                await task.AbandonAsync();
                throw;
            }
        });
    }

    /// <summary>The process with this exec id; empty is the container's first.</summary>
    public TaskProcess Process(string execId) => execId.Length == 0 ? _init
        : _execs.TryGetValue(execId, out var process) ? process
        : throw TaskErrors.NotFound($"process {execId} in container {Id}");

    public async Task<int> StartAsync(string execId)
    {
        var process = Process(execId);
        await process.Transition.WaitAsync();
        try
        {
            if (process.Status != ProcessStatus.Created || process.Exit is not null)
            {
                throw TaskErrors.WrongState(execId.Length == 0
                    ? $"container {Id} is not in the created state" : $"process {execId} is started already");
            }

            // An exit that comes sooner than the start has been announced waits for that.
            process.StopWatching();
            try
            {
                if (execId.Length == 0)
                {
                    await StartInitAsync();
                }
                else
                {
                    await StartExecAsync(process);
                }
            }
            finally
            {
                Watch(process);
            }

            return process.Pid;
        }
        finally
        {
            process.Transition.Release();
        }
    }

    /// <summary>Declares an exec.</summary>
    public void AddExec(ExecProcessRequest request)
    {
        if (request.ExecId.Length == 0)
        {
            throw TaskErrors.Invalid("an exec needs an id");
        }

        if (_init.Status == ProcessStatus.Stopped)
        {
            throw TaskErrors.WrongState($"container {Id} is not running");
        }

        var process = new TaskProcess(request.ExecId, new StreamPaths(request.Stdin, request.Stdout, request.Stderr, request.Terminal))
        {
            Definition = request.Spec?.Value.Memory ?? default,
        };
        if (!_execs.TryAdd(request.ExecId, process))
        {
            throw TaskErrors.Exists($"process {request.ExecId} in container {Id}");
        }

        _events.ExecAdded(request.ExecId);
    }

    public async Task KillAsync(string execId, int signal, bool all)
    {
        var process = Process(execId);
        if (process.Status == ProcessStatus.Stopped && !(all && execId.Length == 0))
        {
            throw TaskErrors.NotFound("process already finished");
        }

        if (execId.Length == 0)
        {
            await TaskErrors.Explain("kill", () => _runtime.KillAsync(signal, all));
        }
        else if (process.PidFd is null)
        {
            throw TaskErrors.WrongState($"process {execId} is not started");
        }
        else if (!Pidfd.Signal(process.PidFd, signal))
        {
            throw TaskErrors.NotFound("process already finished");
        }
    }

    public async Task PauseAsync()
    {
        await TaskErrors.Explain("pause", _runtime.PauseAsync);
        IsPaused = true;
        _events.Paused();
    }

    public async Task ResumeAsync()
    {
        await TaskErrors.Explain("resume", _runtime.ResumeAsync);
        IsPaused = false;
        _events.Resumed();
    }

    public Task UpdateAsync(ReadOnlyMemory<byte> resources) => TaskErrors.Explain("update", () => _runtime.UpdateAsync(resources));

    public Task<IReadOnlyList<int>> PidsAsync() => TaskErrors.Explain("ps", _runtime.PidsAsync);

    /// <summary>The exec id of the process with this pid, or null.</summary>
    public string? ExecIdOf(int pid) => _execs.Values.FirstOrDefault(exec => exec.Pid == pid)?.ExecId;

    public async Task CheckpointAsync(TaskCheckpoint checkpoint)
    {
        await TaskErrors.Explain("checkpoint", () => _runtime.CheckpointAsync(checkpoint));
        _events.Checkpointed(checkpoint.ImagePath);
    }

    /// <summary>Use of resources, also of a container that has ended: its cgroup stays until it is deleted, and systemd's was read at the end.</summary>
    public Any Stats() => _lastStats is not null ? _lastStats
        : _cgroup is not null ? CgroupMetrics.Read(_cgroup)
        : throw TaskErrors.NotFound($"the cgroup of container {Id}");

    /// <summary>Forgets a process that has ended, or one that never started; the container's first takes the container with it.</summary>
    /// <exception cref="Ttrpc.TtrpcException">FailedPrecondition: it runs.</exception>
    public async Task<(int Pid, ProcessExit Exit)> DeleteAsync(string execId)
    {
        var process = Process(execId);
        await process.Transition.WaitAsync();
        try
        {
            if (process.Status == ProcessStatus.Running)
            {
                throw TaskErrors.WrongState($"cannot delete a running process {(execId.Length == 0 ? Id : execId)}");
            }

            if (execId.Length > 0)
            {
                _execs.Remove(execId);
                process.Dispose();
                return (process.Pid, process.Exit ?? new ProcessExit(0, DateTime.UtcNow));
            }

            if (process.Exit is null)
            {
                // Created and never started.
                await TaskErrors.Explain("kill", () => _runtime.KillAsync(Signals.Kill, all: false));
            }

            var exit = await process.Exited;
            await TaskErrors.Explain("delete", () => _runtime.DeleteAsync(force: true));
            await CleanUpAsync();
            _events.Deleted(process.Pid, exit);
            return (process.Pid, exit);
        }
        finally
        {
            process.Transition.Release();
        }
    }

    /// <summary>Whether it is the shim's to wait for.</summary>
    public bool Owns(int pid) => _init.Pid == pid || _execs.Values.Any(exec => exec.Pid == pid);

    /// <summary>Closes what the shim holds of the container; the container itself is not touched.</summary>
    public void Dispose()
    {
        foreach (var exec in _execs.Values)
        {
            exec.Dispose();
        }

        _execs.Clear();
        _init.Dispose();
        _oom?.Dispose();
        _runtime.Dispose();
    }

    private async Task LaunchAsync(CreateTaskRequest request, Containerd.Runc.V1.Options options, List<RootfsMount> mounts, TaskRecord record)
    {
        if (record.MountsRootfs)
        {
            await Background.Run(() => RootfsMounts.Mount(mounts, RootfsPath));
        }

        var streams = _init.Streams = await OpenStreamsAsync(_init.Paths, options.IoUid != 0 ? options.IoUid : HostUid(_spec.Process));
        var started = await _runtime.CreateAsync(new TaskCreation(_spec, request.Terminal, streams.ForProcess, mounts)
        {
            NoPivotRoot = options.NoPivotRoot,
            NoNewKeyring = options.NoNewKeyring,
            Checkpoint = request.Checkpoint,
        });
        Adopt(_init, started);
        (record with { Pid = started.Pid }).Save(Bundle);
        _cgroup = ProcessCgroup.Of(started.Pid);
        _oom = _cgroup is null ? null : OomMonitor.Start(_host.Loop, _cgroup, OnOom);
        _events.Created(request, started.Pid);
        Watch(_init);
    }

    private async Task StartInitAsync()
    {
        await TaskErrors.Explain("start", _runtime.StartAsync);
        _init.Status = ProcessStatus.Running;
        _events.Started(_init.Pid);
        if (_oomBeforeStart)
        {
            OnOom();
        }
    }

    private async Task StartExecAsync(TaskProcess process)
    {
        if (_init.Status != ProcessStatus.Running)
        {
            throw TaskErrors.WrongState($"container {Id} is not running");
        }

        try
        {
            await TaskErrors.Explain("exec", async () =>
            {
                var definition = process.Definition;
                var parsed = SpecReader.ReadProcess(definition.Span);
                process.Streams = await OpenStreamsAsync(process.Paths, HostUid(parsed));
                var name = string.Create(CultureInfo.InvariantCulture, $"exec-{++_execSerial}");
                Adopt(process, await _runtime.ExecAsync(new TaskExec(name, definition, process.Paths.Terminal, process.Streams.ForProcess)));
            });
        }
        catch
        {
            // It will never run: whoever waits must hear of it.
            process.Streams?.Dispose();
            process.Streams = null;
            process.SetExit(new ProcessExit(255, DateTime.UtcNow));
            process.AnnounceExit();
            throw;
        }

        process.Status = ProcessStatus.Running;
        process.Definition = default;
        _events.ExecStarted(process.ExecId, process.Pid);
    }

    private Task<ProcessStreams> OpenStreamsAsync(StreamPaths paths, uint? owner) =>
        ProcessStreams.OpenAsync(_host.Loop, paths, _host.Input, owner, new LoggedContainer(Id, _host.Namespace));

    private static void Adopt(TaskProcess process, StartedProcess started)
    {
        process.Adopt(started.Pid, started.PidFd);
        process.Streams!.ReleaseProcessEnds();
        if (started.Console is { } console)
        {
            process.Streams.Attach(console);
        }
    }

    private void Watch(TaskProcess process) => process.WatchExit(_host.Loop, status => OnExit(process, status));

    private void OnExit(TaskProcess process, ExitStatus status)
    {
        var isInit = ReferenceEquals(process, _init);
        if (status.Signal == Signals.Kill)
        {
            // So that nobody sees the exit without knowing why.
            _oom?.Check();
        }

        process.SetExit(new ProcessExit((uint)status.ShellCode, DateTime.UtcNow));
        _events.Exited(process.ExecId, process.Pid, process.Exit!);
        if (isInit)
        {
            IsPaused = false;
            _lastStats = _cgroup is not null && _givesCgroupAway ? CgroupMetrics.Read(_cgroup) : null;
            if (!HasOwnPidNamespace())
            {
                // The kernel ends the others only with a pid namespace of their own.
                _ = KillRestAsync();
            }
        }

        // While this one was not reaped it stood before others.
        _host.Reaper.Sweep();
        process.AnnounceExit();
    }

    private async Task KillRestAsync()
    {
        using var hold = _host.Reaper.Hold();
        try
        {
            await _runtime.KillAsync(Signals.Kill, all: true);
        }
        catch (Exception e) when (e is RuntimeException or IOException)
        {
            _host.Log.Debug($"kill what is left of {Id}: {e.Message}");
        }
    }

    private bool HasOwnPidNamespace() =>
        _spec.Linux?.Namespaces?.Any(space => space.Type == "pid" && string.IsNullOrEmpty(space.Path)) ?? false;

    private void OnOom()
    {
        if (_init.Status == ProcessStatus.Created)
        {
            // Told when the start has been.
            _oomBeforeStart = true;
            return;
        }

        _events.OutOfMemory();
    }

    /// <summary>The user's id as the host numbers it; null for an id that is not mapped.</summary>
    private uint? HostUid(Process? process)
    {
        var uid = process?.User?.Uid ?? 0;
        if (_spec.Linux?.UidMappings is not { Count: > 0 } mappings)
        {
            return uid;
        }

        return mappings.FirstOrDefault(m => uid >= m.ContainerId && uid - m.ContainerId < m.Size) is { } mapping
            ? mapping.HostId + (uid - mapping.ContainerId) : null;
    }

    /// <summary>Undoes a creation that failed.</summary>
    private async Task AbandonAsync()
    {
        try
        {
            await _runtime.DeleteAsync(force: true);
        }
        catch (Exception e) when (e is RuntimeException or IOException)
        {
            _host.Log.Debug($"undo the creation of {Id}: {e.Message}");
        }

        await CleanUpAsync();
    }

    /// <summary>Lets go of everything but the runtime's state; what fails is logged, because there is nobody who could do more.</summary>
    private async Task CleanUpAsync()
    {
        try
        {
            if (!_runtime.MountsRootfs)
            {
                await Background.Run(() => RootfsMounts.Unmount(RootfsPath));
            }

            TaskRecord.Remove(Bundle);
        }
        catch (IOException e)
        {
            _host.Log.Warn($"clean up container {Id}: {e.Message}");
        }

        Dispose();
    }
}
