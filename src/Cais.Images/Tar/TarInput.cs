using System.Buffers;

namespace Cais.Images.Tar;

/// <summary>An archive's stream behind a buffer, from which blocks and pieces are taken without being copied.</summary>
internal sealed class TarInput(Stream source) : IDisposable
{
    private const int BufferSize = 256 * 1024;

    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _start;
    private int _end;

    /// <summary>Bytes that are in the buffer and not taken yet.</summary>
    public int Available => _end - _start;

    public static TarFormatException CutOff() => new("unexpected EOF: the archive ends in the middle");

    /// <summary>Makes at least <paramref name="count"/> bytes available; false if the stream ends before.</summary>
    public bool TryFill(int count)
    {
        while (_end - _start < count)
        {
            if (_start == _end)
            {
                _start = _end = 0;
            }
            else if (_buffer.Length - _start < count)
            {
                _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
                _end -= _start;
                _start = 0;
            }

            var n = source.Read(_buffer, _end, _buffer.Length - _end);
            if (n == 0)
            {
                return false;
            }

            _end += n;
        }

        return true;
    }

    /// <summary>The next bytes, which <see cref="TryFill"/> made available. Valid until the next call.</summary>
    public ReadOnlySpan<byte> Peek(int count) => _buffer.AsSpan(_start, count);

    /// <summary>The next block, taken. Valid until the next call. Throws <see cref="TarFormatException"/> at the end of the stream.</summary>
    public ReadOnlySpan<byte> TakeBlock()
    {
        if (!TryFill(TarHeader.Size))
        {
            throw CutOff();
        }

        return Take(TarHeader.Size);
    }

    /// <summary>What is in the buffer, up to this many bytes and at least one, taken. Throws <see cref="TarFormatException"/> at the end of the stream.</summary>
    public ReadOnlySpan<byte> TakeSome(long most)
    {
        if (!TryFill(1))
        {
            throw CutOff();
        }

        return Take((int)Math.Min(most, _end - _start));
    }

    public void Skip(long count, bool mayEnd = false)
    {
        while (count > 0)
        {
            if (!TryFill(1))
            {
                if (mayEnd)
                {
                    return;
                }

                throw CutOff();
            }

            count -= Take((int)Math.Min(count, _end - _start)).Length;
        }
    }

    /// <summary>Reads and drops everything up to the end of the stream.</summary>
    public void Drain()
    {
        _start = _end = 0;
        while (source.Read(_buffer, 0, _buffer.Length) > 0)
        {
        }
    }

    public void Dispose()
    {
        if (_buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = [];
        }
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        var taken = _buffer.AsSpan(_start, count);
        _start += count;
        return taken;
    }
}
