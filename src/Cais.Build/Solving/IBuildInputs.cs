using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>What one build's steps read from outside.</summary>
public interface IBuildInputs
{
    /// <summary>A context's directory on this machine, and what of it is to be ignored. Throws <see cref="IOException"/> if there is no such context.</summary>
    Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation);

    /// <summary>An image's unpacked layers, bottom first, which stay for the length of the build.</summary>
    Task<IReadOnlyList<string>> OpenImageAsync(ImageIdentity image, CancellationToken cancellation);

    /// <summary>A secret, or null if the client has none of that name.</summary>
    Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation);

    /// <summary>The path of a socket that leads to the client's SSH agent, or null.</summary>
    Task<string?> FindAgentAsync(string id, CancellationToken cancellation);
}

/// <summary>Files of the user.</summary>
/// <param name="Identity">Says that nothing has changed since a context with the same one, so that what was computed then still holds; null if nobody can tell.</param>
public sealed record ContextDirectory(string Path, IgnoreFile Ignore, string? Identity = null);

/// <summary>Results that were not made here.</summary>
public interface IImportedResults
{
    /// <summary>The result that a key leads to, its layers as directories that stay for the length of the build; or null.</summary>
    Task<StepResult?> FindAsync(Digest key, CancellationToken cancellation);
}

/// <summary>Hears of a build's progress. Any thread.</summary>
public interface IBuildProgress
{
    void Started(Step step);

    void Output(Step step, bool isError, ReadOnlySpan<byte> data);

    /// <param name="error">Null if it went well.</param>
    void Completed(Step step, bool wasCached, Exception? error);

    /// <summary>A part of a step that has begun, gone on or ended: <c>naming to docker.io/library/x</c>. Bytes, or 0.</summary>
    void Status(Step step, string part, long current, long total, bool isDone)
    {
    }
}

/// <summary>A step failed: which, and how.</summary>
public sealed class StepFailedException(Step step, string message, int? exitCode = null, Exception? inner = null) : Exception(message, inner)
{
    public Step Step { get; } = step;

    /// <summary>The command's exit code, if it was one.</summary>
    public int? ExitCode { get; } = exitCode;
}
