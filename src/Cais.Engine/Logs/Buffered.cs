namespace Cais.Engine.Logs;

/// <summary>
/// Non-blocking mode before files: lines wait in memory for the disk, and what the buffer cannot take is dropped, as by docker's ring buffer.
/// </summary>
internal sealed class Buffered : ILogSink
{
    private readonly Lock _gate = new();
    private readonly Queue<(Io.StreamKind Stream, DateTimeOffset Time, byte[] Text, LinePiece? Piece)> _queue = new();
    private readonly ILogSink _inner;
    private readonly long _largest;
    private readonly Task _writing;
    private readonly SemaphoreSlim _arrived = new(0, 1);
    private long _size;
    private bool _completed;

    /// <param name="inner">Where the lines go; owned by this.</param>
    /// <param name="largest">Bytes that may wait.</param>
    public Buffered(ILogSink inner, long largest)
    {
        (_inner, _largest) = (inner, largest);
        _writing = Task.Run(Run);
    }

    public void Append(in LogLine line)
    {
        lock (_gate)
        {
            if (!_completed && (_queue.Count == 0 || _size + line.Text.Length <= _largest))
            {
                _queue.Enqueue((line.Stream, line.Time, line.Text.ToArray(), line.Piece));
                _size += line.Text.Length;
            }
        }
    }

    public Task? Flush()
    {
        Wake();
        return null;
    }

    /// <summary>Writes what waits, then closes.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _completed = true;
            Wake();
        }

        _writing.Wait();
        _inner.Dispose();
        _arrived.Dispose();
    }

    private void Wake()
    {
        lock (_gate)
        {
            if (_arrived.CurrentCount == 0)
            {
                _arrived.Release();
            }
        }
    }

    private async Task Run()
    {
        while (true)
        {
            while (TryTake(out var line))
            {
                _inner.Append(new LogLine(line.Stream, line.Time, line.Text, line.Piece));
            }

            await (_inner.Flush() ?? Task.CompletedTask).ConfigureAwait(false);
            lock (_gate)
            {
                if (_queue.Count > 0)
                {
                    continue;
                }

                if (_completed)
                {
                    return;
                }
            }

            await _arrived.WaitAsync().ConfigureAwait(false);
        }
    }

    private bool TryTake(out (Io.StreamKind Stream, DateTimeOffset Time, byte[] Text, LinePiece? Piece) line)
    {
        lock (_gate)
        {
            if (!_queue.TryDequeue(out line))
            {
                return false;
            }

            _size -= line.Text.Length;
            return true;
        }
    }
}
