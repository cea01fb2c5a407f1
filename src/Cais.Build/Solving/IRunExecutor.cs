using System.IO.Pipelines;
using Cais.Build.Graph;
using Cais.Build.Language;

namespace Cais.Build.Solving;

/// <summary>Runs RUN's commands. The engine implements it with its own containers.</summary>
public interface IRunExecutor
{
    /// <summary>
    /// Runs a command to its end and gives its exit code. Canceled, it has killed everything before it returns. Nothing of it may be left: no process,
    /// no mount. Throws if the command could not be started.
    /// </summary>
    Task<int> RunAsync(RunRequest request, IRunOutput output, CancellationToken cancellation);
}

/// <summary>Where a command's output goes, as it comes. Called from one thread at a time for each stream.</summary>
public interface IRunOutput
{
    void Write(bool isError, ReadOnlySpan<byte> data);
}

/// <summary>A command to run, with everything it may see.</summary>
public sealed record RunRequest
{
    /// <summary>Unique; usable as a container's name.</summary>
    public required string Id { get; init; }

    /// <summary>The root file system's layers, top first, at least one.</summary>
    public required IReadOnlyList<string> LowerDirectories { get; init; }

    /// <summary>Takes what the command writes.</summary>
    public required string UpperDirectory { get; init; }

    public required string WorkDirectory { get; init; }

    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary><c>NAME=value</c>.</summary>
    public required IReadOnlyList<string> Environment { get; init; }

    public required string WorkingDirectory { get; init; }

    /// <summary>As USER writes it; empty is root.</summary>
    public required string User { get; init; }

    public RunNetwork Network { get; init; }

    /// <summary>All capabilities, no seccomp, all devices.</summary>
    public bool IsInsecure { get; init; }

    public IReadOnlyList<MountRequest> Mounts { get; init; } = [];

    public required RunEnvironment Surroundings { get; init; }

    /// <summary>What the command reads from its standard input; null for nothing.</summary>
    public PipeReader? Input { get; init; }
}

/// <summary>Something mounted while a command runs. Mount points that have to be made for it must be gone afterwards.</summary>
public abstract record MountRequest(string Target);

/// <summary>A directory or file of the host.</summary>
public sealed record HostMount(string Target, string Path, bool IsReadOnly) : MountRequest(Target);

/// <summary>
/// A path within a file system of layers (top first). Not read-only, what is written goes to <paramref name="UpperDirectory"/> and is thrown away.
/// </summary>
public sealed record LayersMount(string Target, IReadOnlyList<string> LowerDirectories, string Path, string? UpperDirectory, string? WorkDirectory) : MountRequest(Target);

/// <summary>Memory; <paramref name="Size"/> in bytes or null.</summary>
public sealed record TmpfsMount(string Target, long? Size) : MountRequest(Target);

/// <summary>A small file in memory: a secret or a script.</summary>
public sealed record FileMount(string Target, ReadOnlyMemory<byte> Content, uint Mode, uint Uid, uint Gid) : MountRequest(Target);

/// <summary>A unix socket of the host, seen with other owner and mode.</summary>
public sealed record SocketMount(string Target, string Path, uint Mode, uint Uid, uint Gid) : MountRequest(Target);
