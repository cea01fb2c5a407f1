using Cais.Engine.Io;

namespace Cais.Engine.Logs;

/// <summary>
/// Turns the bytes of one of a process's streams into a log's lines. Every line and every piece of one has a time of its own: after a crash it tells what was
/// written already (<see cref="OutputJournal"/>).
/// </summary>
internal sealed class LogFeed
{
    private readonly StreamKind _stream;
    private readonly ILogSink _sink;
    private readonly TimeProvider _time;
    private readonly LineSplitter _splitter;
    private LinePiece? _previous;

    public LogFeed(StreamKind stream, ILogSink sink, TimeProvider time)
    {
        _stream = stream;
        _sink = sink;
        _time = time;
        _splitter = new LineSplitter(Take);
    }

    /// <summary>The time of the last line that an earlier engine wrote: what is not later is passed over.</summary>
    public DateTimeOffset Written { get; set; }

    /// <summary>Null when the next bytes may come; otherwise a task that ends when they may.</summary>
    public Task? Push(ReadOnlySpan<byte> bytes)
    {
        _splitter.Push(bytes);
        return _sink.Flush();
    }

    /// <summary>The stream has ended.</summary>
    public void Complete()
    {
        _splitter.Complete();
        _ = _sink.Flush();
    }

    private void Take(ReadOnlySpan<byte> text)
    {
        var time = _time.GetUtcNow();
        var complete = text[^1] == (byte)'\n';
        var piece = complete && _previous is null ? null : new LinePiece(_previous?.Id ?? RandomId.New(), (_previous?.Ordinal ?? 0) + 1, complete);
        _previous = complete ? null : piece;
        if (time > Written)
        {
            _sink.Append(new LogLine(_stream, time, text, piece));
        }
    }
}
