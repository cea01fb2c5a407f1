using System.Buffers;
using System.Buffers.Text;
using Cais.Linux.FileSystem;

namespace Cais.Images.Tar;

/// <summary>
/// Reads a tar archive from a stream, front to back: ustar, pax, GNU (long names, base-256 numbers, sparse files of every version), star and v7.
/// Nothing in an archive is trusted: sizes, lengths and maps are checked before they are used, and extended headers have a bound. Where formats
/// contradict each other it reads as Go's archive/tar does, so that no layer means one thing here and another under Docker.
/// </summary>
public sealed class TarReader : IDisposable
{
    /// <summary>The longest name, link target or extended header, in bytes.</summary>
    private const int LargestMeta = 1024 * 1024;

    private const int BufferSize = 256 * 1024;

    private readonly Stream _source;
    private byte[] _buffer;
    private int _start;
    private int _end;
    private bool _ended;

    /// <summary>Bytes of the current member's data that are still in the stream, and the padding after them.</summary>
    private long _dataLeft;
    private int _padding;

    private int _extent;
    private long _extentLeft;
    private long _position;

    public TarReader(Stream source)
    {
        _source = source;
        _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    }

    /// <summary>The member that <see cref="Read"/> came to. Overwritten by the next call.</summary>
    public TarEntry Entry { get; } = new();

    /// <summary>Advances to the next member, past what was not read of the last one. False at the end. Throws <see cref="TarFormatException"/>.</summary>
    public bool Read()
    {
        try
        {
            return ReadEntry();
        }
        catch (OverflowException)
        {
            throw new TarFormatException("archive/tar: invalid tar header: a number is too large");
        }
    }

    /// <summary>
    /// The next piece of the current file's data and where in the file it belongs, from a buffer that is valid until the next call; empty when
    /// there is no more. What no piece covers is a hole.
    /// </summary>
    public ReadOnlySpan<byte> ReadData(out long offset)
    {
        if (Entry.Extents is { } extents)
        {
            while (_extentLeft == 0 && _extent < extents.Count)
            {
                (_position, _extentLeft) = extents[_extent++];
            }

            offset = _position;
            if (_extentLeft == 0)
            {
                return default;
            }

            var piece = TakeData((int)Math.Min(_extentLeft, int.MaxValue));
            _extentLeft -= piece.Length;
            _position += piece.Length;
            return piece;
        }

        offset = _position;
        var data = TakeData(int.MaxValue);
        _position += data.Length;
        return data;
    }

    /// <summary>A file's whole content, for members that must be small. Throws <see cref="TarFormatException"/> if it is larger.</summary>
    public byte[] ReadAll(int largest)
    {
        if (Entry.Size > largest)
        {
            throw new TarFormatException($"{Entry.DisplayName} is {Entry.Size} bytes long, more than the {largest} that are accepted");
        }

        var content = new byte[Entry.Size];
        while (true)
        {
            var piece = ReadData(out var offset);
            if (piece.IsEmpty)
            {
                return content;
            }

            piece.CopyTo(content.AsSpan((int)offset));
        }
    }

    /// <summary>Reads and drops everything up to the end of the stream, which may go on after the archive's end.</summary>
    public void Drain()
    {
        _start = _end = 0;
        while (_source.Read(_buffer, 0, _buffer.Length) > 0)
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

    private bool ReadEntry()
    {
        if (_ended)
        {
            return false;
        }

        SkipData();
        Entry.Clear();
        PaxRecords? pax = null;
        byte[]? longName = null;
        byte[]? longLink = null;
        while (true)
        {
            if (!TryFill(TarHeader.Size))
            {
                if (_end > _start || pax is not null || longName is not null || longLink is not null)
                {
                    throw CutOff();
                }

                _ended = true;
                return false;
            }

            var header = new TarHeader(_buffer.AsSpan(_start, TarHeader.Size));
            if (header.IsAllZero)
            {
                ReadEndMark();
                return false;
            }

            if (!header.ChecksumHolds())
            {
                throw new TarFormatException("archive/tar: invalid tar header");
            }

            switch ((char)header.TypeFlag)
            {
                case 'x':
                    pax = PaxRecords.Parse(ReadMeta(header.DataSize));
                    continue;
                case 'g':
                    // Global records: Docker ignores them, so a layer must not depend on them.
                    PaxRecords.Parse(ReadMeta(header.DataSize));
                    continue;
                case 'L':
                    longName = UpToNul(ReadMeta(header.DataSize));
                    continue;
                case 'K':
                    longLink = UpToNul(ReadMeta(header.DataSize));
                    continue;
                default:
                    Settle(header, pax, longName, longLink);
                    return true;
            }
        }
    }

    private void ReadEndMark()
    {
        _start += TarHeader.Size;
        _ended = true;
        if (TryFill(TarHeader.Size) && !new TarHeader(_buffer.AsSpan(_start, TarHeader.Size)).IsAllZero)
        {
            throw new TarFormatException("archive/tar: invalid tar header: a block of zeros in the middle");
        }
    }

    private void Settle(TarHeader header, PaxRecords? pax, byte[]? longName, byte[]? longLink)
    {
        var entry = Entry;
        SetName(header, pax, longName);
        entry.SetLinkName(pax?.LinkPath ?? longLink ?? header.LinkName);
        entry.Kind = (char)header.TypeFlag switch
        {
            '\0' when entry.Name.EndsWith("/"u8) => TarEntryKind.Directory,
            '0' or '\0' or '7' or 'S' => TarEntryKind.File,
            '1' => TarEntryKind.HardLink,
            '2' => TarEntryKind.SymbolicLink,
            '3' => TarEntryKind.CharacterDevice,
            '4' => TarEntryKind.BlockDevice,
            '5' => TarEntryKind.Directory,
            '6' => TarEntryKind.Fifo,
            _ => throw new TarFormatException($"unhandled tar header type {header.TypeFlag} of {entry.DisplayName}"),
        };
        entry.Mode = (uint)(header.Mode & 0xFFF);
        entry.Uid = Id(pax?.Uid ?? header.Uid, "uid");
        entry.Gid = Id(pax?.Gid ?? header.Gid, "gid");
        entry.Modified = pax?.Modified ?? new TimeSpec(header.Modified, 0);
        entry.Accessed = pax?.Accessed;
        if (entry.Kind is TarEntryKind.CharacterDevice or TarEntryKind.BlockDevice)
        {
            entry.DeviceMajor = Id(header.DeviceMajor, "devmajor");
            entry.DeviceMinor = Id(header.DeviceMinor, "devminor");
        }

        if (pax is not null)
        {
            entry.Attributes.AddRange(pax.Attributes);
        }

        var stored = entry.Kind == TarEntryKind.File ? pax?.Size ?? header.DataSize : 0;
        if (stored < 0)
        {
            throw new TarFormatException($"archive/tar: invalid tar header: {entry.DisplayName} has a negative size");
        }

        _dataLeft = stored;
        _padding = (int)(-stored & (TarHeader.Size - 1));
        _position = 0;
        _extent = 0;
        _extentLeft = 0;
        entry.Size = stored;
        var isOldSparse = header.TypeFlag == 'S';
        var realSize = isOldSparse ? header.GnuRealSize : 0;
        List<TarExtent>? oldMap = isOldSparse ? [] : null;
        var more = isOldSparse && TakeExtents(header.GnuSparse, oldMap!) && header.GnuSparseContinues;
        _start += TarHeader.Size;
        if (isOldSparse)
        {
            ReadOldSparse(oldMap!, more);
            UseMap(oldMap!, realSize, stored);
        }
        else if (pax is { IsSparse: true } && entry.Kind == TarEntryKind.File)
        {
            ReadPaxSparse(pax, stored);
        }
    }

    private void SetName(TarHeader header, PaxRecords? pax, byte[]? longName)
    {
        if ((pax?.SparseName ?? pax?.Path ?? longName) is { } given)
        {
            Entry.SetName(given);
            return;
        }

        var prefix = header.Prefix;
        if (prefix.IsEmpty)
        {
            Entry.SetName(header.Name);
            return;
        }

        Span<byte> joined = stackalloc byte[prefix.Length + 1 + 100];
        prefix.CopyTo(joined);
        joined[prefix.Length] = (byte)'/';
        header.Name.CopyTo(joined[(prefix.Length + 1)..]);
        Entry.SetName(joined[..(prefix.Length + 1 + header.Name.Length)]);
    }

    /// <summary>Extents of an old GNU header; false once an empty one said that there are no more.</summary>
    private static bool TakeExtents(ReadOnlySpan<byte> fields, List<TarExtent> map)
    {
        for (; fields.Length >= 24; fields = fields[24..])
        {
            if (fields[0] == 0)
            {
                return false;
            }

            map.Add(new TarExtent(TarHeader.Number(fields[..12], "sparse offset"), TarHeader.Number(fields.Slice(12, 12), "sparse length")));
        }

        return true;
    }

    private void ReadOldSparse(List<TarExtent> map, bool more)
    {
        while (more)
        {
            if (map.Count * 24 > LargestMeta)
            {
                throw BadMap();
            }

            if (!TryFill(TarHeader.Size))
            {
                throw CutOff();
            }

            var block = _buffer.AsSpan(_start, TarHeader.Size);
            more = TakeExtents(block[..504], map) && block[504] != 0;
            _start += TarHeader.Size;
        }
    }

    private void ReadPaxSparse(PaxRecords pax, long stored)
    {
        if (pax.SparseMajor > 1 || (pax.SparseMajor == 1 && pax.SparseMinor > 0))
        {
            throw new TarFormatException($"{Entry.DisplayName}: unknown sparse format {pax.SparseMajor}.{pax.SparseMinor}");
        }

        var map = pax.SparseMajor == 1 ? ReadMapFromData() : pax.SparseMap!;
        UseMap(map, pax.SparseRealSize ?? throw BadMap(), _dataLeft);
        _ = stored;
    }

    /// <summary>Format 1.0: decimal numbers, one a line, in whole blocks before the data: how many, then offset and length of each.</summary>
    private List<TarExtent> ReadMapFromData()
    {
        var map = new List<TarExtent>();
        var read = 0;
        var text = new ArrayBufferWriter<byte>(TarHeader.Size);
        long? count = null;
        long? offset = null;
        var at = 0;
        while (count is null || map.Count < count)
        {
            var line = text.WrittenSpan[at..];
            var end = line.IndexOf((byte)'\n');
            if (end < 0)
            {
                if (_dataLeft < TarHeader.Size || (read += TarHeader.Size) > LargestMeta)
                {
                    throw BadMap();
                }

                if (!TryFill(TarHeader.Size))
                {
                    throw CutOff();
                }

                text.Write(_buffer.AsSpan(_start, TarHeader.Size));
                _start += TarHeader.Size;
                _dataLeft -= TarHeader.Size;
                continue;
            }

            if (!Utf8Parser.TryParse(line[..end], out long number, out var used) || used != end || number < 0)
            {
                throw BadMap();
            }

            at += end + 1;
            if (count is null)
            {
                count = number <= LargestMeta / 4 ? number : throw BadMap();
            }
            else if (offset is null)
            {
                offset = number;
            }
            else
            {
                map.Add(new TarExtent(offset.Value, number));
                offset = null;
            }
        }

        return map;
    }

    /// <summary>Accepts a map only if its extents ascend, lie within the file, and need exactly the data that is stored.</summary>
    private void UseMap(List<TarExtent> map, long realSize, long stored)
    {
        long end = 0;
        long data = 0;
        foreach (var (offset, length) in map)
        {
            if (offset < end || length < 0 || length > realSize || offset > realSize - length)
            {
                throw BadMap();
            }

            end = offset + length;
            data += length;
        }

        if (data != stored || realSize < 0)
        {
            throw BadMap();
        }

        Entry.Size = realSize;
        Entry.Extents = map;
    }

    private TarFormatException BadMap() => new($"archive/tar: {Entry.DisplayName} has an invalid sparse map");

    private static TarFormatException CutOff() => new("unexpected EOF: the archive ends in the middle");

    private static uint Id(long value, string what) =>
        value is >= 0 and <= uint.MaxValue ? (uint)value : throw new TarFormatException($"archive/tar: invalid tar header: {what} {value} is out of range");

    private static byte[] UpToNul(byte[] text)
    {
        var nul = Array.IndexOf(text, (byte)0);
        return nul < 0 ? text : text[..nul];
    }

    /// <summary>The content of an extended header or long name, whole.</summary>
    private byte[] ReadMeta(long size)
    {
        if (size is < 0 or > LargestMeta)
        {
            throw new TarFormatException($"archive/tar: an extended header of {size} bytes is too long");
        }

        _start += TarHeader.Size;
        var meta = new byte[size];
        var done = 0;
        while (done < size)
        {
            if (!TryFill(1))
            {
                throw CutOff();
            }

            var n = Math.Min(meta.Length - done, _end - _start);
            _buffer.AsSpan(_start, n).CopyTo(meta.AsSpan(done));
            _start += n;
            done += n;
        }

        Skip(-size & (TarHeader.Size - 1));
        return meta;
    }

    private ReadOnlySpan<byte> TakeData(int most)
    {
        if (_dataLeft == 0)
        {
            return default;
        }

        if (!TryFill(1))
        {
            throw CutOff();
        }

        var n = (int)Math.Min(Math.Min(_dataLeft, most), _end - _start);
        var piece = _buffer.AsSpan(_start, n);
        _start += n;
        _dataLeft -= n;
        return piece;
    }

    private void SkipData()
    {
        Skip(_dataLeft);

        // Docker's client leaves the padding of the last member out when it has put a Dockerfile from standard input into a context.
        Skip(_padding, mayEnd: true);
        _dataLeft = 0;
        _padding = 0;
    }

    private void Skip(long count, bool mayEnd = false)
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

            var n = (int)Math.Min(count, _end - _start);
            _start += n;
            count -= n;
        }
    }

    /// <summary>Makes at least <paramref name="count"/> bytes available at the buffer's start position; false if the stream ends before.</summary>
    private bool TryFill(int count)
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

            var n = _source.Read(_buffer, _end, _buffer.Length - _end);
            if (n == 0)
            {
                return false;
            }

            _end += n;
        }

        return true;
    }
}
