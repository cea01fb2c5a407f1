using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Io;

namespace Cais.Engine.Execs;

/// <summary>A command that is to run, runs, or has run in a container.</summary>
public sealed class Exec
{
    internal Exec(string id, Container container, ContainerExecRequest request)
    {
        Id = id;
        Container = container;
        Request = request;
    }

    /// <summary>64 hexadecimal digits.</summary>
    public string Id { get; }

    public Container Container { get; }

    public ContainerExecRequest Request { get; }

    public OutputHub Output { get; } = new();

    internal AsyncLock Gate { get; } = new();

    internal ProcessStreams? Streams { get; set; }

    /// <summary>Whether somebody has started it; it runs once.</summary>
    public bool Started { get; internal set; }

    /// <summary>Whether somebody is about to start it, and has perhaps been answered already.</summary>
    internal bool Claimed { get; set; }

    public bool Running { get; internal set; }

    /// <summary>Null until it has ended.</summary>
    public int? ExitCode { get; internal set; }

    public int Pid { get; internal set; }

    /// <summary>Ends when the process has begun, or will never.</summary>
    internal TaskCompletionSource Begun { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal TaskCompletionSource Finished { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
