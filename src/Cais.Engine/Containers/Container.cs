using Cais.Engine.Execs;
using Cais.Engine.Io;
using Cais.Images;

namespace Cais.Engine.Containers;

/// <summary>
/// One container in the engine's memory. Its record and status are immutable values that are replaced as a whole: whoever holds
/// <see cref="Gate"/> replaces them, anybody may read them.
/// </summary>
public sealed class Container
{
    private readonly Lock _waiting = new();
    private TaskCompletionSource<ContainerStatus> _stopped = NewSignal();
    private readonly TaskCompletionSource<ContainerStatus> _removed = NewSignal();
    private volatile RunningTask? _task;
    private volatile TaskCompletionSource<RunningTask?> _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile ContainerRecord _record;
    private volatile ContainerStatus _status;

    internal Container(ContainerRecord record, ContainerStatus status)
    {
        _record = record;
        _status = status;
    }

    public string Id => _record.Id;

    public string Name => _record.Name;

    public ContainerRecord Record
    {
        get => _record;
        internal set => _record = value;
    }

    public ContainerStatus Status
    {
        get => _status;
        internal set => _status = value;
    }

    /// <summary>Held by whoever changes the container; never by whoever only looks.</summary>
    internal AsyncLock Gate { get; } = new();

    /// <summary>Who is attached to its output, before, while and after it runs.</summary>
    public OutputHub Output { get; } = new();

    /// <summary>The process that runs now, or null.</summary>
    internal RunningTask? Task
    {
        get => _task;
        set
        {
            _task = value;
            if (value is not null)
            {
                _begun.TrySetResult(value);
            }
            else if (_begun.Task.IsCompleted)
            {
                _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
            }
        }
    }

    /// <summary>Ends with the process when there is one; with null when there will never be.</summary>
    internal Task<RunningTask?> Begun => _begun.Task;

    /// <summary>Where its file system is, once that is known to be whole.</summary>
    internal RootfsMount? Rootfs { get; set; }

    /// <summary>Commands that were put into it and are still known.</summary>
    internal Dictionary<string, Exec> Execs { get; } = [];

    /// <summary>The next start by its restart policy, while it waits for it.</summary>
    internal CancellationTokenSource? PendingRestart { get; set; }

    /// <summary>Ends with the status it then has when the container next stops for good (a restart by its policy is not that).</summary>
    public Task<ContainerStatus> NextStop
    {
        get
        {
            lock (_waiting)
            {
                return _stopped.Task;
            }
        }
    }

    /// <summary>Ends when the container does not run: at once, or with its next stop.</summary>
    public Task<ContainerStatus> NotRunning
    {
        get
        {
            // The signal first: the container may stop between the two looks, and would then never be heard of.
            var next = NextStop;
            var status = Status;
            return status.IsRunning ? next : System.Threading.Tasks.Task.FromResult(status);
        }
    }

    /// <summary>Ends with its last status when it has been removed.</summary>
    public Task<ContainerStatus> Removed => _removed.Task;

    internal void SignalStopped()
    {
        TaskCompletionSource<ContainerStatus> stopped;
        lock (_waiting)
        {
            (stopped, _stopped) = (_stopped, NewSignal());
        }

        stopped.TrySetResult(Status);
    }

    internal void SignalRemoved()
    {
        _removed.TrySetResult(Status);
        _begun.TrySetResult(null);
        SignalStopped();
    }

    private static TaskCompletionSource<ContainerStatus> NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
