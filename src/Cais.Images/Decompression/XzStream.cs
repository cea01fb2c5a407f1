using System.Buffers.Binary;
using Cais.Images.Layers;

namespace Cais.Images.Decompression;

/// <summary>
/// Decompresses xz (xz-file-format 1.2): any number of streams and blocks, every checksum verified, headers, index and footer included. The only filter is
/// LZMA2, which is what <c>xz</c> and <c>tar -J</c> write; others (for machine code) are refused by name. Owns the stream that it reads.
/// </summary>
internal sealed class XzStream(Stream stream) : ReadStream
{
    private const ulong Lzma2Filter = 0x21;

    private readonly ByteSource _source = new(stream);
    private readonly List<(long Unpadded, long Uncompressed)> _records = [];
    private Lzma2Decoder? _decoder;
    private XzCheck? _check;
    private int _flags;
    private long _blockStart;
    private int _headerSize;
    private long _blockLength;
    private long? _announcedCompressed;
    private long? _announcedLength;
    private bool _inStream;
    private bool _inBlock;
    private bool _ended;

    public override int Read(Span<byte> buffer)
    {
        if (buffer.IsEmpty)
        {
            return 0;
        }

        while (!_ended)
        {
            if (_inBlock)
            {
                var n = _decoder!.Read(buffer);
                if (n > 0)
                {
                    _check!.Append(buffer[..n]);
                    _blockLength += n;
                    return n;
                }

                EndBlock();
            }
            else if (!_inStream)
            {
                _ended = !BeginStream();
            }
            else
            {
                BeginBlockOrEnd();
            }
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _check?.Dispose();
            _source.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>False at the end of the file. Between streams there may be zeros, four at a time.</summary>
    private bool BeginStream()
    {
        Span<byte> header = stackalloc byte[12];
        var first = _source.TryReadByte();
        for (var zeros = 0; first == 0; zeros++)
        {
            first = _source.TryReadByte();
            if (first != 0 && zeros % 4 != 3)
            {
                throw Bad("stream padding");
            }
        }

        if (first < 0)
        {
            return false;
        }

        header[0] = (byte)first;
        _source.ReadExactly(header[1..]);
        if (!header[..6].SequenceEqual((ReadOnlySpan<byte>)[0xFD, 0x37, 0x7A, 0x58, 0x5A, 0]) || BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) != Crc32.Append(0, header[6..8]) || header[6] != 0 || header[7] > 15)
        {
            throw Bad("stream header");
        }

        _flags = header[7];
        _check?.Dispose();
        _check = new XzCheck(_flags);
        _records.Clear();
        return _inStream = true;
    }

    private void BeginBlockOrEnd()
    {
        _blockStart = _source.Position;
        var first = _source.ReadByte();
        if (first == 0)
        {
            EndStream();
            return;
        }

        _headerSize = (first + 1) * 4;
        Span<byte> header = stackalloc byte[1024];
        header = header[.._headerSize];
        header[0] = first;
        _source.ReadExactly(header[1..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header[^4..]) != Crc32.Append(0, header[..^4]) || (header[1] & 0x3C) != 0)
        {
            throw Bad("block header");
        }

        var filters = (header[1] & 3) + 1;
        ReadOnlySpan<byte> rest = header[2..^4];
        _announcedCompressed = (header[1] & 0x40) != 0 ? (long)Number(ref rest) : null;
        _announcedLength = (header[1] & 0x80) != 0 ? (long)Number(ref rest) : null;
        var filter = Number(ref rest);
        if (filters != 1 || filter != Lzma2Filter)
        {
            throw new InvalidDataException($"the xz file uses filter {filter:x} besides or instead of LZMA2, which is not supported");
        }

        if (Number(ref rest) != 1 || rest.IsEmpty || rest[1..].ContainsAnyExcept((byte)0))
        {
            throw Bad("block header");
        }

        (_decoder ??= new Lzma2Decoder(_source)).Begin(rest[0]);
        _blockLength = 0;
        _inBlock = true;
    }

    private void EndBlock()
    {
        var compressed = _source.Position - _blockStart - _headerSize;
        if (compressed != (_announcedCompressed ?? compressed) || _blockLength != (_announcedLength ?? _blockLength))
        {
            throw Bad("block (its length is another)");
        }

        for (var i = compressed; i % 4 != 0; i++)
        {
            if (_source.ReadByte() != 0)
            {
                throw Bad("block padding");
            }
        }

        Span<byte> stored = stackalloc byte[64];
        stored = stored[.._check!.Size];
        _source.ReadExactly(stored);
        if (!_check.Matches(stored))
        {
            throw Bad("block: its checksum is another");
        }

        _records.Add((_headerSize + compressed + stored.Length, _blockLength));
        _inBlock = false;
    }

    /// <summary>The index repeats what the blocks were, and the footer how long the index is: all of it must agree.</summary>
    private void EndStream()
    {
        var index = new List<byte> { 0 };
        if (IndexNumber(index) != (ulong)_records.Count)
        {
            throw Bad("index");
        }

        foreach (var (unpadded, uncompressed) in _records)
        {
            if (IndexNumber(index) != (ulong)unpadded || IndexNumber(index) != (ulong)uncompressed)
            {
                throw Bad("index");
            }
        }

        while (index.Count % 4 != 0)
        {
            index.Add(_source.ReadByte());
            if (index[^1] != 0)
            {
                throw Bad("index");
            }
        }

        Span<byte> footer = stackalloc byte[16];
        _source.ReadExactly(footer);
        if (BinaryPrimitives.ReadUInt32LittleEndian(footer) != Crc32.Append(0, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(index))
            || BinaryPrimitives.ReadUInt32LittleEndian(footer[4..]) != Crc32.Append(0, footer[8..14])
            || ((long)BinaryPrimitives.ReadUInt32LittleEndian(footer[8..]) + 1) * 4 != index.Count + 4
            || footer[12] != 0 || footer[13] != _flags || !footer[14..].SequenceEqual("YZ"u8))
        {
            throw Bad("stream footer");
        }

        _inStream = false;
    }

    /// <summary>Seven bits a byte, the lowest first, at most 63 bits.</summary>
    private static ulong Number(ref ReadOnlySpan<byte> from)
    {
        ulong value = 0;
        for (var shift = 0; shift < 63 && !from.IsEmpty; shift += 7)
        {
            var b = from[0];
            from = from[1..];
            value |= (ulong)(b & 0x7F) << shift;
            if (b < 0x80)
            {
                return value;
            }
        }

        throw Bad("number");
    }

    private ulong IndexNumber(List<byte> index)
    {
        Span<byte> bytes = stackalloc byte[9];
        for (var i = 0; i < bytes.Length; i++)
        {
            bytes[i] = _source.ReadByte();
            index.Add(bytes[i]);
            if (bytes[i] < 0x80)
            {
                ReadOnlySpan<byte> number = bytes[..(i + 1)];
                return Number(ref number);
            }
        }

        throw Bad("index");
    }

    private static InvalidDataException Bad(string what) => new($"the xz file has a damaged {what}");
}
