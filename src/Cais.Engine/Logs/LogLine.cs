using Cais.Engine.Io;

namespace Cais.Engine.Logs;

/// <summary>Which piece of a line that was too long: what drivers call a partial message.</summary>
/// <param name="Id">The same for all pieces of a line.</param>
/// <param name="Ordinal">From 1.</param>
/// <param name="Last">Whether the line's newline came with it.</param>
internal sealed record LinePiece(string Id, int Ordinal, bool Last);

/// <summary>A line, or a piece of one, on its way into a log. The bytes are the reader's own: who keeps them copies them.</summary>
internal readonly ref struct LogLine(StreamKind stream, DateTimeOffset time, ReadOnlySpan<byte> text, LinePiece? piece = null)
{
    public StreamKind Stream { get; } = stream;

    public DateTimeOffset Time { get; } = time;

    /// <summary>With its newline, where it has one.</summary>
    public ReadOnlySpan<byte> Text { get; } = text;

    public LinePiece? Piece { get; } = piece;

    public ReadOnlySpan<byte> WithoutNewline => Text.Length > 0 && Text[^1] == (byte)'\n' ? Text[..^1] : Text;
}
