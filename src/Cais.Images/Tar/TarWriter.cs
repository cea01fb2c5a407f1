using System.Buffers;
using System.Text;
using Cais.Linux.FileSystem;

namespace Cais.Images.Tar;

/// <summary>
/// Writes a tar archive: ustar where that suffices, with a pax header for what does not fit (long or non-ASCII names, large numbers, nanoseconds, extended
/// attributes). The same members always give the same bytes.
/// </summary>
public sealed class TarWriter(Stream to)
{
    private const long LargestOctal8 = 0x1FFFFF;
    private const long LargestOctal12 = 0x1FFFFFFFF;
    private static readonly byte[] Zeros = new byte[2 * TarHeader.Size];

    private readonly byte[] _header = new byte[TarHeader.Size];
    private readonly ArrayBufferWriter<byte> _pax = new(256);
    private long _dataLeft;
    private int _padding;

    /// <summary>Begins a member. For a file, exactly <see cref="TarEntry.Size"/> bytes of data must follow; extents are not written, holes are data.</summary>
    public void WriteEntry(TarEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        EndData();
        _pax.ResetWrittenCount();
        var name = entry.Name;
        var prefix = ReadOnlySpan<byte>.Empty;
        if (!Fits(name, 100) && !TrySplit(entry.Name, out prefix, out name))
        {
            AddRecord("path"u8, entry.Name);
            name = Cut(entry.Name);
            prefix = default;
        }

        if (!Fits(entry.LinkName, 100))
        {
            AddRecord("linkpath"u8, entry.LinkName);
        }

        var size = entry.Kind == TarEntryKind.File ? entry.Size : 0;
        AddNumber("size"u8, size, LargestOctal12);
        AddNumber("uid"u8, entry.Uid, LargestOctal8);
        AddNumber("gid"u8, entry.Gid, LargestOctal8);
        if (entry.Modified.Nanoseconds != 0 || entry.Modified.Seconds is < 0 or > LargestOctal12)
        {
            AddTime("mtime"u8, entry.Modified);
        }

        if (entry.Accessed is { } accessed)
        {
            AddTime("atime"u8, accessed);
        }

        foreach (var attribute in entry.Attributes.OrderBy(a => a.Name, ByteOrder.Instance))
        {
            AddRecord([.. "SCHILY.xattr."u8, .. attribute.Name], attribute.Value);
        }

        if (_pax.WrittenCount > 0)
        {
            Header("PaxHeaders.0/"u8, LastName(entry.Name), default, (byte)'x', 0x1A4, 0, 0, _pax.WrittenCount, 0, 0, 0);
            to.Write(_header);
            to.Write(_pax.WrittenSpan);
            to.Write(Zeros.AsSpan(0, -_pax.WrittenCount & (TarHeader.Size - 1)));
        }

        var seconds = entry.Modified.Seconds is >= 0 and <= LargestOctal12 ? entry.Modified.Seconds : 0;
        Header(
            default, name, prefix, TypeFlag(entry.Kind), entry.Mode & 0xFFF, Clamp(entry.Uid, LargestOctal8), Clamp(entry.Gid, LargestOctal8),
            Clamp(size, LargestOctal12), seconds, entry.DeviceMajor, entry.DeviceMinor);
        SetText(157, 100, Fits(entry.LinkName, 100) ? entry.LinkName : Cut(entry.LinkName));
        Seal();
        to.Write(_header);
        _dataLeft = size;
        _padding = (int)(-size & (TarHeader.Size - 1));
    }

    /// <summary>The current file's next bytes.</summary>
    public void WriteData(ReadOnlySpan<byte> data)
    {
        if (data.Length > _dataLeft)
        {
            throw new InvalidOperationException("more data than the tar member was announced to have");
        }

        to.Write(data);
        _dataLeft -= data.Length;
    }

    /// <summary>A hole, or the rest of a file that shrank: zeros.</summary>
    public void WriteZeros(long count)
    {
        for (; count > 0; count -= Math.Min(count, Zeros.Length))
        {
            WriteData(Zeros.AsSpan(0, (int)Math.Min(count, Zeros.Length)));
        }
    }

    /// <summary>A whole small file.</summary>
    public void WriteFile(string name, ReadOnlySpan<byte> content, uint mode = 0x1A4, TimeSpec modified = default)
    {
        var entry = new TarEntry { Kind = TarEntryKind.File, Mode = mode, Size = content.Length, Modified = modified };
        entry.SetName(Encoding.UTF8.GetBytes(name));
        WriteEntry(entry);
        WriteData(content);
    }

    /// <summary>Ends the archive: two blocks of zeros. The stream stays open.</summary>
    public void Finish()
    {
        EndData();
        to.Write(Zeros);
        to.Flush();
    }

    private void EndData()
    {
        if (_dataLeft != 0)
        {
            throw new InvalidOperationException("less data than the tar member was announced to have");
        }

        to.Write(Zeros.AsSpan(0, _padding));
        _padding = 0;
    }

    private static byte TypeFlag(TarEntryKind kind) => kind switch
    {
        TarEntryKind.HardLink => (byte)'1',
        TarEntryKind.SymbolicLink => (byte)'2',
        TarEntryKind.CharacterDevice => (byte)'3',
        TarEntryKind.BlockDevice => (byte)'4',
        TarEntryKind.Directory => (byte)'5',
        TarEntryKind.Fifo => (byte)'6',
        _ => (byte)'0',
    };

    private void Header(
        ReadOnlySpan<byte> before, ReadOnlySpan<byte> name, ReadOnlySpan<byte> prefix, byte type, uint mode, long uid, long gid, long size, long modified, uint major, uint minor)
    {
        Array.Clear(_header);
        before.CopyTo(_header);
        var room = 100 - before.Length;
        (name.Length > room ? name[..room] : name).CopyTo(_header.AsSpan(before.Length));
        SetOctal(100, 8, mode);
        SetOctal(108, 8, uid);
        SetOctal(116, 8, gid);
        SetOctal(124, 12, size);
        SetOctal(136, 12, modified);
        _header[156] = type;
        "ustar\000"u8.CopyTo(_header.AsSpan(257));
        if (type is (byte)'3' or (byte)'4')
        {
            SetOctal(329, 8, Clamp(major, LargestOctal8));
            SetOctal(337, 8, Clamp(minor, LargestOctal8));
        }

        SetText(345, 155, prefix);
        Seal();
    }

    private void Seal()
    {
        _header.AsSpan(148, 8).Fill((byte)' ');
        long sum = 0;
        foreach (var b in _header)
        {
            sum += b;
        }

        SetOctal(148, 7, sum);
        _header[155] = (byte)' ';
    }

    private void SetOctal(int at, int length, long value)
    {
        for (var i = length - 2; i >= 0; i--)
        {
            _header[at + i] = (byte)('0' + (value & 7));
            value >>= 3;
        }

        _header[at + length - 1] = 0;
    }

    private void SetText(int at, int length, ReadOnlySpan<byte> text)
    {
        _header.AsSpan(at, length).Clear();
        text.CopyTo(_header.AsSpan(at, length));
    }

    private static bool Fits(ReadOnlySpan<byte> text, int length) => text.Length <= length && text.IndexOfAnyExceptInRange((byte)1, (byte)0x7e) < 0;

    /// <summary>ustar's way of long names: prefix, a slash that is not written, and name.</summary>
    private static bool TrySplit(ReadOnlySpan<byte> path, out ReadOnlySpan<byte> prefix, out ReadOnlySpan<byte> name)
    {
        prefix = name = default;
        if (path.Length > 256 || path.IndexOfAnyExceptInRange((byte)1, (byte)0x7e) >= 0)
        {
            return false;
        }

        // A slash at the very end belongs to the name.
        var slash = path[..Math.Min(path.Length - 1, 156)].LastIndexOf((byte)'/');
        if (slash <= 0 || path.Length - slash - 1 > 100)
        {
            return false;
        }

        prefix = path[..slash];
        name = path[(slash + 1)..];
        return true;
    }

    private static byte[] Cut(ReadOnlySpan<byte> text)
    {
        var cut = text[..Math.Min(text.Length, 100)].ToArray();
        for (var i = 0; i < cut.Length; i++)
        {
            cut[i] = cut[i] is >= 1 and <= 0x7e ? cut[i] : (byte)'_';
        }

        return cut;
    }

    private static byte[] LastName(ReadOnlySpan<byte> path)
    {
        var trimmed = path.TrimEnd((byte)'/');
        return Cut(trimmed[(trimmed.LastIndexOf((byte)'/') + 1)..]);
    }

    private static long Clamp(long value, long largest) => value <= largest ? value : 0;

    private void AddNumber(ReadOnlySpan<byte> key, long value, long largest)
    {
        if (value > largest)
        {
            AddRecord(key, Encoding.ASCII.GetBytes(value.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        }
    }

    private void AddTime(ReadOnlySpan<byte> key, TimeSpec time)
    {
        // A negative time with a fraction is written as the decimal number that it is.
        var (seconds, nanoseconds) = time.Seconds < 0 && time.Nanoseconds > 0 ? (-(time.Seconds + 1), 1_000_000_000 - time.Nanoseconds) : (Math.Abs(time.Seconds), time.Nanoseconds);
        var fraction = nanoseconds == 0 ? "" : "." + nanoseconds.ToString("D9", System.Globalization.CultureInfo.InvariantCulture).TrimEnd('0');
        AddRecord(key, Encoding.ASCII.GetBytes($"{(time.Seconds < 0 ? "-" : "")}{seconds}{fraction}"));
    }

    /// <summary>The length in front counts itself.</summary>
    private void AddRecord(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var rest = key.Length + value.Length + 3;
        var length = rest + Digits(rest);
        if (Digits(length) != Digits(rest))
        {
            length = rest + Digits(length);
        }

        _pax.Write(Encoding.ASCII.GetBytes(length.ToString(System.Globalization.CultureInfo.InvariantCulture)));
        _pax.Write(" "u8);
        _pax.Write(key);
        _pax.Write("="u8);
        _pax.Write(value);
        _pax.Write("\n"u8);
    }

    private static int Digits(int value)
    {
        var digits = 1;
        for (; value >= 10; value /= 10)
        {
            digits++;
        }

        return digits;
    }

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static readonly ByteOrder Instance = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
