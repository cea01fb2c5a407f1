using Cais.Images.Layers;

namespace Cais.Images.Decompression;

/// <summary>
/// Decompresses bzip2, any number of streams one after the other, each block's and each stream's checksum verified. One block (at most 900,000 bytes before its last
/// stage) is in memory at a time. Owns the stream that it reads.
/// </summary>
internal sealed class Bzip2Stream(Stream stream) : ReadStream
{
    private const ulong BlockMark = 0x314159265359;
    private const ulong EndMark = 0x177245385090;

    private static readonly uint[] CrcTable = [.. Enumerable.Range(0, 256).Select(i =>
    {
        var crc = (uint)i << 24;
        for (var bit = 0; bit < 8; bit++)
        {
            crc = (crc & 0x80000000) != 0 ? (crc << 1) ^ 0x04C11DB7 : crc << 1;
        }

        return crc;
    })];

    private readonly BitSource _bits = new(new ByteSource(stream));
    private Bzip2Block? _block;
    private int _blockSize;
    private uint _blockCrc;
    private uint _expectedBlockCrc;
    private uint _streamCrc;
    private bool _inStream;
    private bool _inBlock;
    private bool _ended;

    public override int Read(Span<byte> buffer)
    {
        while (!_ended && !buffer.IsEmpty)
        {
            if (!_inStream)
            {
                _ended = !BeginStream();
            }
            else if (!_inBlock)
            {
                BeginBlockOrEnd();
            }
            else
            {
                var n = _block!.Read(buffer);
                if (n > 0)
                {
                    _blockCrc = Append(_blockCrc, buffer[..n]);
                    return n;
                }

                EndBlock();
            }
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _bits.Dispose();
        }

        base.Dispose(disposing);
    }

    private bool BeginStream()
    {
        var first = _bits.TryReadByte();
        if (first < 0)
        {
            return false;
        }

        if (first != 'B' || _bits.Read(8) != 'Z' || _bits.Read(8) != 'h' || _bits.Read(8) is not (>= '1' and <= '9' and var level))
        {
            throw Bad("header");
        }

        var size = (int)(level - '0') * 100_000;
        if (_block is null || size != _blockSize)
        {
            (_block, _blockSize) = (new Bzip2Block(_bits, size), size);
        }

        _streamCrc = 0;
        return _inStream = true;
    }

    private void BeginBlockOrEnd()
    {
        var mark = ((ulong)_bits.Read(24) << 24) | _bits.Read(24);
        var crc = (_bits.Read(16) << 16) | _bits.Read(16);
        if (mark == EndMark)
        {
            if (crc != _streamCrc)
            {
                throw Bad("stream: its checksum is another");
            }

            _bits.SkipToByte();
            _inStream = false;
            return;
        }

        if (mark != BlockMark)
        {
            throw Bad("block header");
        }

        _expectedBlockCrc = crc;
        _blockCrc = uint.MaxValue;
        _block!.Decode();
        _inBlock = true;
    }

    private void EndBlock()
    {
        if (~_blockCrc != _expectedBlockCrc)
        {
            throw Bad("block: its checksum is another");
        }

        _streamCrc = ((_streamCrc << 1) | (_streamCrc >> 31)) ^ _expectedBlockCrc;
        _inBlock = false;
    }

    private static uint Append(uint crc, ReadOnlySpan<byte> data)
    {
        foreach (var b in data)
        {
            crc = CrcTable[(crc >> 24) ^ b] ^ (crc << 8);
        }

        return crc;
    }

    internal static InvalidDataException Bad(string what) => new($"the bzip2 file has a damaged {what}");
}

/// <summary>Bits, the highest of each byte first.</summary>
internal sealed class BitSource(ByteSource bytes) : IDisposable
{
    private ulong _bits;
    private int _count;

    /// <summary>At most 32 bits.</summary>
    public uint Read(int count)
    {
        Need(count);
        _count -= count;
        return (uint)((_bits >> _count) & ((1ul << count) - 1));
    }

    /// <summary>The next bits without taking them, zeros where the data ends.</summary>
    public uint Peek(int count)
    {
        while (_count < count)
        {
            if (_pastEnd > 0 || bytes.TryReadByte() is not (>= 0 and var next))
            {
                _pastEnd += 8;
                next = 0;
            }

            _bits = (_bits << 8) | (uint)next;
            _count += 8;
        }

        return (uint)((_bits >> (_count - count)) & ((1ul << count) - 1));
    }

    /// <summary>Takes what <see cref="Peek"/> showed.</summary>
    public void Take(int count)
    {
        _count -= count;
        if (_count < _pastEnd)
        {
            throw Bzip2Stream.Bad("end: it is missing");
        }
    }

    /// <summary>The next whole byte, or -1 at the end. Only at a byte's beginning.</summary>
    public int TryReadByte()
    {
        if (_count >= 8)
        {
            return _count - 8 < _pastEnd ? -1 : (int)Read(8);
        }

        return _pastEnd > 0 ? -1 : bytes.TryReadByte();
    }

    public void SkipToByte() => _count -= _count % 8;

    public void Dispose() => bytes.Dispose();

    /// <summary>Bits at the low end that are not of the data.</summary>
    private int _pastEnd;

    private void Need(int count)
    {
        Peek(count);
        if (_count - count < _pastEnd)
        {
            throw Bzip2Stream.Bad("end: it is missing");
        }
    }
}
