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

    private readonly TarInput _input;
    private bool _ended;

    /// <summary>Bytes of the current member's data that are still in the stream, and the padding after them.</summary>
    private long _dataLeft;
    private int _padding;

    private int _extent;
    private long _extentLeft;
    private long _position;

    public TarReader(Stream source) => _input = new TarInput(source);

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
    public void Drain() => _input.Drain();

    public void Dispose() => _input.Dispose();

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
            if (!_input.TryFill(TarHeader.Size))
            {
                if (_input.Available > 0 || pax is not null || longName is not null || longLink is not null)
                {
                    throw TarInput.CutOff();
                }

                _ended = true;
                return false;
            }

            var header = new TarHeader(_input.Peek(TarHeader.Size));
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
        _input.Skip(TarHeader.Size);
        _ended = true;
        if (_input.TryFill(TarHeader.Size) && !new TarHeader(_input.Peek(TarHeader.Size)).IsAllZero)
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
        if (header.TypeFlag == 'S')
        {
            // The header lies in the input's buffer: what it says is taken before that moves on.
            var realSize = header.GnuRealSize;
            var map = SparseMap.ReadOld(header, out var continues);
            _input.Skip(TarHeader.Size);
            if (continues)
            {
                SparseMap.ReadOldBlocks(_input, map, entry);
            }

            UseMap(map, realSize);
            return;
        }

        _input.Skip(TarHeader.Size);
        if (pax is { IsSparse: true } && entry.Kind == TarEntryKind.File)
        {
            ReadPaxSparse(pax);
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

    private void ReadPaxSparse(PaxRecords pax)
    {
        if (pax.SparseMajor > 1 || (pax.SparseMajor == 1 && pax.SparseMinor > 0))
        {
            throw new TarFormatException($"{Entry.DisplayName}: unknown sparse format {pax.SparseMajor}.{pax.SparseMinor}");
        }

        var map = pax.SparseMajor == 1 ? SparseMap.ReadLines(_input, ref _dataLeft, Entry) : pax.SparseMap!;
        UseMap(map, pax.SparseRealSize ?? throw SparseMap.Bad(Entry));
    }

    private void UseMap(List<TarExtent> map, long realSize)
    {
        SparseMap.Check(map, realSize, _dataLeft, Entry);
        Entry.Size = realSize;
        Entry.Extents = map;
    }

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

        _input.Skip(TarHeader.Size);
        var meta = new byte[size];
        for (var done = 0; done < size;)
        {
            var piece = _input.TakeSome(size - done);
            piece.CopyTo(meta.AsSpan(done));
            done += piece.Length;
        }

        _input.Skip(-size & (TarHeader.Size - 1));
        return meta;
    }

    private ReadOnlySpan<byte> TakeData(int most)
    {
        if (_dataLeft == 0)
        {
            return default;
        }

        var piece = _input.TakeSome(Math.Min(_dataLeft, most));
        _dataLeft -= piece.Length;
        return piece;
    }

    private void SkipData()
    {
        _input.Skip(_dataLeft);

        // Docker's client leaves the padding of the last member out when it has put a Dockerfile from standard input into a context.
        _input.Skip(_padding, mayEnd: true);
        _dataLeft = 0;
        _padding = 0;
    }
}
