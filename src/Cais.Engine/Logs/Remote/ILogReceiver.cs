using Cais.Engine.Io;

namespace Cais.Engine.Logs.Remote;

/// <summary>A line that waits to be sent, without its newline.</summary>
internal readonly record struct QueuedLine(StreamKind Stream, DateTimeOffset Time, byte[] Text, LinePiece? Piece);

/// <summary>One who receives a container's lines over a socket. Used by one task at a time.</summary>
internal interface ILogReceiver : IDisposable
{
    /// <summary>For messages: <c>syslog at tcp://host:514</c>.</summary>
    string Name { get; }

    /// <summary>How many lines one <see cref="Send"/> may have: what fails is sent again as a whole, so that those whose sends are atomic take one.</summary>
    int LargestBatch { get; }

    /// <summary>Sends lines, connecting first where there is no connection. Throws <see cref="IOException"/> or a socket's exception when it cannot.</summary>
    Task Send(IReadOnlyList<QueuedLine> lines, CancellationToken cancellation);

    /// <summary>Drops the connection after a failure.</summary>
    void Reset();
}
