using Cais.Linux;
using Cais.Linux.Io;
using Cais.Shim.Streams;

namespace Cais.Shim.Tasks;

internal enum ProcessStatus
{
    /// <summary>An exec that is declared but not started, or a container that waits for its start.</summary>
    Created,
    Running,
    Stopped,
}

/// <param name="Status">Exit code, or 128 + signal.</param>
internal sealed record ProcessExit(uint Status, DateTime At);

/// <summary>One process of a task: the container's first, or an exec.</summary>
internal sealed class TaskProcess(string execId, StreamPaths paths) : IDisposable
{
    private readonly TaskCompletionSource<ProcessExit> _exited = new();
    private IoWatch? _watch;
    private ProcessStreams? _streams;
    private bool _inputClosed;

    /// <summary>Empty for the container's first process.</summary>
    public string ExecId { get; } = execId;

    public StreamPaths Paths { get; } = paths;

    /// <summary>Of an exec that is not started: its process, as JSON.</summary>
    public ReadOnlyMemory<byte> Definition { get; set; }

    public ProcessStatus Status { get; set; } = ProcessStatus.Created;

    /// <summary>0 before it is started.</summary>
    public int Pid { get; private set; }

    public FileDescriptor? PidFd { get; private set; }

    public ProcessStreams? Streams
    {
        get => _streams;
        set
        {
            _streams = value;
            if (_inputClosed)
            {
                value?.CloseInput();
            }
        }
    }

    /// <summary>Completes when it has ended.</summary>
    public Task<ProcessExit> Exited => _exited.Task;

    /// <summary>Null while it has not ended.</summary>
    public ProcessExit? Exit { get; private set; }

    /// <summary>One start or delete at a time.</summary>
    public SemaphoreSlim Transition { get; } = new(1, 1);

    /// <summary>Takes over a process that has been started.</summary>
    public void Adopt(int pid, FileDescriptor pidFd) => (Pid, PidFd) = (pid, pidFd);

    /// <summary>Calls <paramref name="onExit"/> once, with its status, when the process has ended. It is reaped then.</summary>
    public void WatchExit(EventLoop loop, Action<ExitStatus> onExit)
    {
        if (PidFd is null || _watch is not null || Exit is not null)
        {
            return;
        }

        _watch = loop.Watch(PidFd, IoInterest.Read, _ =>
        {
            StopWatching();
            ExitStatus? status = null;
            try
            {
                status = Pidfd.TryWait(PidFd);
            }
            catch (LinuxException)
            {
                // Not our child, or reaped by somebody else: that it ended is all that can be known.
            }

            onExit(status ?? new ExitStatus(255, 0));
        });
    }

    /// <summary>Holds an exit back until <see cref="WatchExit"/> is called again.</summary>
    public void StopWatching()
    {
        _watch?.Dispose();
        _watch = null;
    }

    /// <summary>Closes the shim's end of the input; asked before the start, at once after it.</summary>
    public void CloseInput()
    {
        _inputClosed = true;
        Streams?.CloseInput();
    }

    public void SetExit(ProcessExit exit)
    {
        Status = ProcessStatus.Stopped;
        Exit = exit;
        Streams?.OnExit();
    }

    /// <summary>Tells those who wait for <see cref="Exited"/>. They go on at once, so whatever else follows from an exit comes before.</summary>
    public void AnnounceExit() => _exited.TrySetResult(Exit!);

    public void Dispose()
    {
        StopWatching();
        Streams?.Dispose();
        Streams = null;
        PidFd?.Dispose();
        PidFd = null;
    }
}
