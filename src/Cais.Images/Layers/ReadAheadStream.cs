namespace Cais.Images.Layers;

/// <summary>
/// Reads a stream a few buffers ahead of its user, on another thread, so that decompression and what is done with its output use two cores.
/// Owns the stream. Bounded memory: <c>Depth</c> buffers.
/// </summary>
internal sealed class ReadAheadStream : ReadStream
{
    private const int Depth = 4;
    private const int BufferSize = 128 * 1024;

    private readonly Stream _inner;
    private readonly byte[][] _buffers = new byte[Depth][];
    private readonly int[] _lengths = new int[Depth];
    private readonly SemaphoreSlim _free = new(Depth);
    private readonly SemaphoreSlim _full = new(0);
    private readonly Task _filling;
    private Exception? _failure;
    private readonly CancellationTokenSource _cancellation = new();
    private volatile bool _stop;
    private int _reading;
    private int _position;
    private bool _holding;
    private bool _ended;

    /// <summary>With <paramref name="asynchronous"/> the stream is only read asynchronously: network streams may allow nothing else.</summary>
    public ReadAheadStream(Stream inner, bool asynchronous = false)
    {
        _inner = inner;
        for (var i = 0; i < Depth; i++)
        {
            _buffers[i] = System.Buffers.ArrayPool<byte>.Shared.Rent(BufferSize);
        }

        _filling = asynchronous
            ? Task.Run(FillAsync)
            : Task.Factory.StartNew(Fill, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    public override int Read(Span<byte> buffer)
    {
        if (_ended || buffer.IsEmpty)
        {
            return 0;
        }

        if (!_holding)
        {
            _full.Wait();
            _holding = true;
            _position = 0;
        }

        var length = _lengths[_reading];
        if (length == 0)
        {
            _ended = true;
            return _failure is null ? 0 : throw Rethrown(_failure);
        }

        var n = Math.Min(buffer.Length, length - _position);
        _buffers[_reading].AsSpan(_position, n).CopyTo(buffer);
        _position += n;
        if (_position == length)
        {
            _holding = false;
            _reading = (_reading + 1) % Depth;
            _free.Release();
        }

        return n;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_stop)
        {
            _stop = true;
            _free.Release();
            _cancellation.Cancel();
            _filling.Wait();
            _cancellation.Dispose();
            _inner.Dispose();
            foreach (var buffer in _buffers)
            {
                System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
            }

            _free.Dispose();
            _full.Dispose();
        }

        base.Dispose(disposing);
    }

    private static Exception Rethrown(Exception failure) => failure switch
    {
        ImageException e => new ImageException(e.Kind, e.Message, e),
        OperationCanceledException e => e,
        _ => new IOException(failure.Message, failure),
    };

    private void Fill()
    {
        for (var at = 0; ; at = (at + 1) % Depth)
        {
            _free.Wait();
            if (_stop)
            {
                return;
            }

            var length = 0;
            try
            {
                // Whole buffers: each hand-over costs a switch of threads.
                length = _inner.ReadAtLeast(_buffers[at].AsSpan(0, BufferSize), BufferSize, throwOnEndOfStream: false);
            }
            catch (Exception e)
            {
                _failure = e;
            }

            _lengths[at] = length;
            _full.Release();
            if (length == 0)
            {
                return;
            }
        }
    }

    private async Task FillAsync()
    {
        for (var at = 0; ; at = (at + 1) % Depth)
        {
            await _free.WaitAsync().ConfigureAwait(false);
            if (_stop)
            {
                return;
            }

            var length = 0;
            try
            {
                length = await _inner.ReadAtLeastAsync(
                    _buffers[at].AsMemory(0, BufferSize), BufferSize, throwOnEndOfStream: false, _cancellation.Token).ConfigureAwait(false);
            }
            catch (Exception e)
            {
                _failure = e;
            }

            _lengths[at] = length;
            _full.Release();
            if (length == 0)
            {
                return;
            }
        }
    }
}
