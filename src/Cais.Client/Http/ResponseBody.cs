namespace Cais.Client.Http;

/// <summary>The body of one response: of declared length, chunked, or until the connection ends.</summary>
internal sealed class ResponseBody : Stream
{
    private readonly HttpConnection _connection;
    private readonly Action<HttpConnection, bool> _finished;
    private readonly bool _chunked;
    private readonly bool _reusable;
    private long _remaining;
    private bool _first = true;
    private bool _done;

    /// <param name="connection">Where the bytes come from.</param>
    /// <param name="head">Says how the body ends.</param>
    /// <param name="hasBody">False for answers to HEAD, and for 204 and 304.</param>
    /// <param name="finished">Called once: with true when the connection may serve another exchange, else with false.</param>
    public ResponseBody(HttpConnection connection, ResponseHead head, bool hasBody, Action<HttpConnection, bool> finished)
    {
        _connection = connection;
        _finished = finished;
        _chunked = hasBody && head.IsChunked;
        var length = hasBody ? head.ContentLength : 0;
        _remaining = _chunked ? 0 : length ?? long.MaxValue;
        _reusable = (_chunked || length is not null) && !head.ClosesConnection;
        if (!_chunked && _remaining == 0)
        {
            Finish(_reusable);
        }
    }

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_done || buffer.IsEmpty)
        {
            return 0;
        }

        if (_chunked && _remaining == 0)
        {
            _remaining = await _connection.ReadChunkSizeAsync(_first, cancellationToken).ConfigureAwait(false);
            _first = false;
            if (_remaining == 0)
            {
                Finish(_reusable);
                return 0;
            }
        }

        var read = await _connection.ReadAsync(buffer[..(int)Math.Min(buffer.Length, _remaining)], cancellationToken).ConfigureAwait(false);
        if (read == 0)
        {
            var complete = !_chunked && _remaining > long.MaxValue / 2;
            Finish(reusable: false);
            return complete ? 0 : throw new EndOfStreamException("the daemon closed the connection before its answer was complete");
        }

        _remaining -= read;
        if (!_chunked && _remaining == 0)
        {
            Finish(_reusable);
        }

        return read;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) =>
        ReadAsync(buffer.AsMemory(offset, count)).AsTask().GetAwaiter().GetResult();

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Finish(reusable: false);
        }

        base.Dispose(disposing);
    }

    private void Finish(bool reusable)
    {
        if (!_done)
        {
            _done = true;
            _finished(_connection, reusable);
        }
    }
}
