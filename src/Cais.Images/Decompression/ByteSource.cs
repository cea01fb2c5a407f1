namespace Cais.Images.Decompression;

/// <summary>Reads a stream byte by byte or in pieces, through a buffer. Its end in the middle is an <see cref="InvalidDataException"/>.</summary>
internal sealed class ByteSource(Stream stream) : IDisposable
{
    private readonly byte[] _buffer = new byte[64 * 1024];
    private int _start;
    private int _end;

    /// <summary>Bytes taken so far.</summary>
    public long Position { get; private set; }

    /// <summary>The next byte, or -1 at the end.</summary>
    public int TryReadByte()
    {
        if (_start == _end && !Fill())
        {
            return -1;
        }

        Position++;
        return _buffer[_start++];
    }

    public byte ReadByte() => TryReadByte() is >= 0 and var value ? (byte)value : throw CutOff();

    public void ReadExactly(Span<byte> target)
    {
        while (!target.IsEmpty)
        {
            if (_start == _end && !Fill())
            {
                throw CutOff();
            }

            var n = Math.Min(target.Length, _end - _start);
            _buffer.AsSpan(_start, n).CopyTo(target);
            target = target[n..];
            _start += n;
            Position += n;
        }
    }

    public void Dispose() => stream.Dispose();

    private bool Fill()
    {
        _start = 0;
        _end = stream.Read(_buffer, 0, _buffer.Length);
        return _end > 0;
    }

    private static InvalidDataException CutOff() => new("the compressed data ends in the middle");
}
