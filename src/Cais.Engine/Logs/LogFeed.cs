using Cais.Engine.Io;

namespace Cais.Engine.Logs;

/// <summary>Turns the bytes of one of a process's streams into a log's lines. Pieces of one line carry the time of the first.</summary>
internal sealed class LogFeed
{
    private readonly StreamKind _stream;
    private readonly ILogSink _sink;
    private readonly TimeProvider _time;
    private readonly LineSplitter _splitter;
    private LinePiece? _previous;
    private DateTimeOffset _begun;

    public LogFeed(StreamKind stream, ILogSink sink, TimeProvider time)
    {
        _stream = stream;
        _sink = sink;
        _time = time;
        _splitter = new LineSplitter(Take);
    }

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
        var complete = text[^1] == (byte)'\n';
        if (complete && _previous is null)
        {
            _sink.Append(new LogLine(_stream, _time.GetUtcNow(), text));
            return;
        }

        if (_previous is null)
        {
            _begun = _time.GetUtcNow();
        }

        var piece = new LinePiece(_previous?.Id ?? RandomId.New(), (_previous?.Ordinal ?? 0) + 1, complete);
        _previous = complete ? null : piece;
        _sink.Append(new LogLine(_stream, _begun, text, piece));
    }
}
