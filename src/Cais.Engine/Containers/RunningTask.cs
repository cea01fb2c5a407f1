using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Shims;

namespace Cais.Engine.Containers;

/// <summary>How a process ended.</summary>
internal readonly record struct ProcessExit(int Code, DateTimeOffset At);

/// <summary>A container's process as the engine holds it while it runs.</summary>
internal sealed class RunningTask(Shim shim, ProcessStreams streams, ContainerLog? log)
{
    private int _toldOutOfMemory;
    private readonly TaskCompletionSource _finished = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Shim Shim => shim;

    public ProcessStreams Streams => streams;

    /// <summary>Where its output is kept; null for the driver <c>none</c>.</summary>
    public ContainerLog? Log => log;

    /// <summary>Ends when the process has ended and everything about it has been put away, before its container's status says so to others.</summary>
    public Task Finished => _finished.Task;

    /// <summary>Whether a request to stop was made of this process: its restart policy then rests.</summary>
    public bool StopRequested { get; set; }

    /// <summary>Whether the end of the process is being recorded.</summary>
    public bool Ending { get; set; }

    /// <summary>Whether to tell that memory ran out: for each process that was killed, but not again for the one whose end is being recorded.</summary>
    public bool ShouldTellOutOfMemory() => (Interlocked.Exchange(ref _toldOutOfMemory, 1) == 0) || !Ending;

    public void Finish() => _finished.TrySetResult();
}
