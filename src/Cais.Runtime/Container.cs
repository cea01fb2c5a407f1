using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Checkpoint;
using Cais.Runtime.Compile;
using Cais.Runtime.Hooks;
using Cais.Runtime.Launch;
using Cais.Runtime.Systemd;

namespace Cais.Runtime;

/// <summary>One container. Any process with the state root may hold it; every method looks at the kernel, not at memory.</summary>
public sealed class Container : IDisposable
{
    private readonly string _directory;
    private readonly StateFile _state;
    private readonly List<string> _warnings = [];
    private Spec? _spec;
    private ContainerCgroup? _cgroup;

    internal Container(string directory, StateFile state, Spec? spec = null, FileDescriptor? pidFd = null, FileDescriptor? console = null)
    {
        _directory = directory;
        _state = state;
        _spec = spec;
        PidFd = pidFd ?? OpenInit();
        Console = console;
    }

    public string Id => _state.Id;

    /// <summary>Absolute.</summary>
    public string Bundle => _state.Bundle;

    /// <summary>Of the first process; 0 where there was none yet.</summary>
    public int Pid => _state.InitProcessPid;

    /// <summary>Of the first process; null once it is gone.</summary>
    public FileDescriptor? PidFd { get; }

    /// <summary>The terminal's master, after a create with a terminal and no console socket. The caller may take it over.</summary>
    public FileDescriptor? Console { get; private set; }

    /// <summary>What went wrong without stopping anything: hooks after the start and after the end.</summary>
    public IReadOnlyList<string> Warnings => _warnings;

    internal void Warn(string warning) => _warnings.Add(warning);

    /// <summary>The configuration it was made from.</summary>
    public Spec Spec => _spec ??= OciRuntime.ParseConfiguration(
        Files.ReadAll($"{_directory}/{OciRuntime.ConfigName}"), $"{_directory}/{OciRuntime.ConfigName}");

    private ContainerCgroup Cgroup => _cgroup ??= ContainerCgroup.Restore(_state.CgroupPaths);

    /// <summary>The unit that systemd made for the container; null where the runtime made the cgroup.</summary>
    private string? SystemdUnit => _state is { SystemdCgroup: true, CgroupPaths: [var path, ..] } ? Path.GetFileName(path) : null;

    private string GatePath => $"{_directory}/{ContainerLaunch.GateName}";

    public ContainerStatus Status
    {
        get
        {
            if (_state.InitProcessPid == 0)
            {
                return ProcessStatus.Of(_state.CreatorPid) is { IsAlive: true } creator && creator.StartTime == _state.CreatorStart
                    ? ContainerStatus.Creating : ContainerStatus.Stopped;
            }

            return !IsInitAlive() ? ContainerStatus.Stopped
                : Files.Exists(GatePath) ? ContainerStatus.Created
                : Cgroup.IsFrozen ? ContainerStatus.Paused
                : ContainerStatus.Running;
        }
    }

    public ContainerState State => Status is var status && status == ContainerStatus.Stopped
        ? _state.Describe(status, 0) : _state.Describe(status, _state.InitProcessPid);

    /// <summary>Lets the program begin. Throws with the reason if it cannot be executed.</summary>
    public void Start()
    {
        if (Status is var status && status != ContainerStatus.Created)
        {
            throw WrongState(status == ContainerStatus.Stopped ? "cannot start a container that has stopped" : "cannot start an already running container");
        }

        if (Spec.Hooks?.StartContainer is { Count: > 0 } hooks)
        {
            try
            {
                HookRunner.Run("startContainer", hooks, _state.Describe(ContainerStatus.Created, Pid), PidFd, Joinable(Spec));
            }
            catch
            {
                Kill(Signals.Kill);
                throw;
            }
        }

        using (var gate = Connect())
        {
            // Only one start gets through: the listening socket ends with execve, and its name goes now.
            try
            {
                Launcher.AwaitExecution(
                    gate, Operation, listener => SeccompListeners.HandOver(listener, Spec, _state.Describe(ContainerStatus.Running, Pid), Pid));
            }
            catch
            {
                // Without an agent its filter would ask nobody.
                KillIfAlive();
                throw;
            }
        }

        Files.Unlink(GatePath);
        try
        {
            HookRunner.Run("poststart", Spec.Hooks?.Poststart, _state.Describe(ContainerStatus.Running, Pid));
        }
        catch
        {
            KillIfAlive();
            throw;
        }
    }

    private void KillIfAlive()
    {
        if (IsInitAlive())
        {
            Kill(Signals.Kill);
        }
    }

    private FileDescriptor Connect()
    {
        try
        {
            return MessageSocket.ConnectForPackets(GatePath);
        }
        catch (LinuxException e) when (e.Errno is Errno.ECONNREFUSED or Errno.ENOENT)
        {
            Files.Unlink(GatePath);
            throw WrongState("cannot start an already running container");
        }
    }

    private string Operation(int index) =>
        index - _state.FirstStartOperation is var i && i >= 0 && i < _state.StartOperations.Count ? _state.StartOperations[i] : "start";

    /// <summary>Sends a signal to the first process, or to every process of the container.</summary>
    public void Kill(int signal, bool all = false)
    {
        if (all && _state.CgroupPaths.Count > 0)
        {
            Cgroup.SignalAll(signal);
            return;
        }

        if (!IsInitAlive() || PidFd is null || !Pidfd.Signal(PidFd, signal))
        {
            throw WrongState("container not running");
        }

        if (signal == Signals.Kill && !SharesHostPids())
        {
            return;
        }

        // Without a pid namespace of its own, nothing but the cgroup tells which processes belong to the container.
        if (signal == Signals.Kill)
        {
            Cgroup.SignalAll(signal);
        }
    }

    /// <summary>Removes what is left of a stopped container; <paramref name="force"/> kills it first.</summary>
    public void Delete(bool force = false)
    {
        var status = Status;
        if (status is ContainerStatus.Running or ContainerStatus.Paused && !force)
        {
            throw WrongState($"cannot delete container {Id} that is not stopped: {StateFile.Text(status)}");
        }

        if (status == ContainerStatus.Creating && !force)
        {
            throw WrongState($"cannot delete container {Id} while it is being created");
        }

        // Whatever is still there, a container's first process that waits for its start included, ends now.
        Cgroup.SignalAll(Signals.Kill);
        if (PidFd is not null && IsInitAlive())
        {
            Pidfd.Signal(PidFd, Signals.Kill);
            if (!Pidfd.WaitForEnd(PidFd, 10_000))
            {
                throw new RuntimeException(RuntimeError.Failed, $"container {Id} does not end within 10 s of SIGKILL");
            }
        }

        var hooks = ReadHooks();
        if (_state.CgroupPaths.Count > 0)
        {
            Cgroup.Delete();
        }

        if (SystemdUnit is { } unit)
        {
            SystemdScope.Stop(unit);
        }

        ResourceDirector.Remove(_state.ResourceGroupsMade);
        OciRuntime.RemoveDirectory(_directory);
        _warnings.AddRange(RunPoststop(hooks, _state));
    }

    /// <summary>Each has its turn, whatever became of the others. Returns what went wrong.</summary>
    internal static IReadOnlyList<string> RunPoststop(Oci.Runtime.Hooks? hooks, StateFile state)
    {
        var failures = new List<string>();
        foreach (var hook in hooks?.Poststop ?? [])
        {
            try
            {
                HookRunner.Run("poststop", [hook], state.Describe(ContainerStatus.Stopped, 0));
            }
            catch (Exception e) when (e is RuntimeException or LinuxException)
            {
                failures.Add(e.Message);
            }
        }

        return failures;
    }

    private Oci.Runtime.Hooks? ReadHooks()
    {
        try
        {
            return Spec.Hooks;
        }
        catch (Exception e) when (e is RuntimeException or LinuxException)
        {
            // Its creator died before the copy of the configuration was there: then no hook has run either.
            return null;
        }
    }

    /// <summary>Starts another process in the container; returns once its program runs. Throws with the reason if it cannot be executed.</summary>
    public ProcessHandle Exec(ExecRequest request)
    {
        var status = Status;
        if (status == ContainerStatus.Paused && !request.IgnorePaused)
        {
            throw WrongState("cannot exec in a paused container (use --ignore-paused to override)");
        }

        if (status is not (ContainerStatus.Running or ContainerStatus.Created or ContainerStatus.Paused) || PidFd is null)
        {
            throw WrongState("cannot exec in a stopped container");
        }

        SpecCheck.ValidateProcess(request.Process);
        request = request with { Process = GrantableCapabilities.Reduce(Spec, request.Process, []) };
        return ExecLaunch.Run(
            Spec, PidFd, Pid, Cgroup, request, _state.ResourceGroups,
            (listener, pid) => SeccompListeners.HandOver(listener, Spec, _state.Describe(status, Pid), pid));
    }

    public void Pause()
    {
        if (Status is not (ContainerStatus.Running or ContainerStatus.Created))
        {
            throw WrongState($"container {Id} is {StateFile.Text(Status)}: only a running one can be paused");
        }

        Cgroup.SetFrozen(true);
    }

    public void Resume()
    {
        if (Status != ContainerStatus.Paused && !Cgroup.IsFrozen)
        {
            throw WrongState($"container {Id} is not paused");
        }

        Cgroup.SetFrozen(false);
    }

    /// <summary>Saves the container's processes with criu. They end with that, unless asked otherwise; what is left is removed by <see cref="Delete"/>.</summary>
    public void Checkpoint(CheckpointRequest request)
    {
        if (Status is not (ContainerStatus.Running or ContainerStatus.Paused))
        {
            throw WrongState($"container {Id} is {StateFile.Text(Status)}: only a running one can be saved");
        }

        ContainerDump.Run(_directory, _state, Spec, request);
    }

    public void Update(LinuxResources resources)
    {
        if (Status == ContainerStatus.Stopped)
        {
            throw WrongState("container not running");
        }

        Cgroup.Apply(resources, update: true);
        if (SystemdUnit is { } unit)
        {
            SystemdScope.Update(unit, resources, CgroupLayout.Detect().IsUnified);
        }
    }

    /// <summary>Mounts more into the container while it runs; sources are the host's. Throws at the first that fails, with those before it in place.</summary>
    public void AddMounts(IReadOnlyList<Mount> mounts) => MountChanges.Add(Spec, RunningInit(), Bundle, mounts);

    /// <summary>Unmounts what is on top at each destination.</summary>
    public void RemoveMounts(IReadOnlyList<Mount> mounts) => MountChanges.Remove(Spec, RunningInit(), mounts);

    private FileDescriptor RunningInit() =>
        Status is ContainerStatus.Running or ContainerStatus.Paused && PidFd is { } init ? init : throw WrongState("container not running");

    public ContainerStats Stats() => Cgroup.Stats();

    /// <summary>Of all processes in the container, as this process's pid namespace numbers them.</summary>
    public IReadOnlyList<int> Pids() => _state.CgroupPaths.Count > 0 ? Cgroup.Pids() : IsInitAlive() ? [Pid] : [];

    /// <summary>Tells when the kernel kills a process of the container for lack of memory; null where there is no memory controller.</summary>
    public OomWatch? WatchOom() => Cgroup.WatchOom();

    /// <summary>Takes the terminal's master out of this object: the caller owns it from now on.</summary>
    public FileDescriptor? TakeConsole()
    {
        var console = Console;
        Console = null;
        return console;
    }

    public void Dispose()
    {
        PidFd?.Dispose();
        Console?.Dispose();
    }

    /// <summary>The namespaces a container is in by its configuration, for setns with a pidfd.</summary>
    internal static NamespaceKind Joinable(Spec spec)
    {
        NamespaceKind spaces = 0;
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            spaces |= NamespaceSteps.KindOf(space.Type);
        }

        return spaces;
    }

    private bool SharesHostPids()
    {
        foreach (var space in Spec.Linux?.Namespaces ?? [])
        {
            if (space.Type == "pid")
            {
                return false;
            }
        }

        return true;
    }

    private bool IsInitAlive() =>
        ProcessStatus.Of(_state.InitProcessPid) is { IsAlive: true } status && status.StartTime == _state.InitProcessStart;

    /// <summary>The descriptor first, then the check: from then on the number cannot come to mean another process.</summary>
    private FileDescriptor? OpenInit()
    {
        if (_state.InitProcessPid == 0 || Pidfd.TryOpen(_state.InitProcessPid) is not { } descriptor)
        {
            return null;
        }

        if (ProcessStatus.Of(_state.InitProcessPid) is { } status && status.StartTime == _state.InitProcessStart)
        {
            return descriptor;
        }

        descriptor.Dispose();
        return null;
    }

    private static RuntimeException WrongState(string message) => new(RuntimeError.WrongState, message);
}
