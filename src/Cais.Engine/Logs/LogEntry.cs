using Cais.Engine.Io;

namespace Cais.Engine.Logs;

/// <summary>
/// A line of a container's output. <see cref="Line"/> ends with a newline, but for the pieces of a line that was too long and for a last line
/// that had none.
/// </summary>
public readonly record struct LogEntry(DateTimeOffset Time, StreamKind Stream, ReadOnlyMemory<byte> Line);

/// <summary>What to read of a log.</summary>
public sealed record LogQuery
{
    public bool Stdout { get; init; } = true;

    public bool Stderr { get; init; } = true;

    public DateTimeOffset? Since { get; init; }

    public DateTimeOffset? Until { get; init; }

    /// <summary>Only the last so many lines; null for all.</summary>
    public int? Tail { get; init; }

    /// <summary>Go on with what is still to come, until the container's output ends.</summary>
    public bool Follow { get; init; }
}
