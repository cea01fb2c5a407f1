using System.Buffers.Text;
using Cais.Linux.FileSystem;

namespace Cais.Images.Tar;

/// <summary>
/// The extended header records of one member (POSIX pax, "pax Extended Header"): <c>LENGTH KEY=VALUE\n</c>. Values that matter are kept;
/// everything else is checked for form and dropped.
/// </summary>
internal sealed class PaxRecords
{
    public byte[]? Path { get; private set; }

    public byte[]? LinkPath { get; private set; }

    public long? Size { get; private set; }

    public long? Uid { get; private set; }

    public long? Gid { get; private set; }

    public TimeSpec? Modified { get; private set; }

    public TimeSpec? Accessed { get; private set; }

    public List<TarAttribute> Attributes { get; } = [];

    /// <summary>GNU.sparse.name: the real name of a sparse file.</summary>
    public byte[]? SparseName { get; private set; }

    public long? SparseRealSize { get; private set; }

    public int SparseMajor { get; private set; }

    public int SparseMinor { get; private set; }

    /// <summary>Extents of format 0.0 and 0.1; null if there were none. Format 1.0 keeps them in the data.</summary>
    public List<TarExtent>? SparseMap { get; private set; }

    public bool IsSparse => SparseMap is not null || SparseMajor == 1;

    public static PaxRecords Parse(ReadOnlySpan<byte> block)
    {
        var records = new PaxRecords();
        long? pendingOffset = null;
        while (!block.IsEmpty)
        {
            var space = block.IndexOf((byte)' ');
            if (space is <= 0 or > 10 || !Utf8Parser.TryParse(block[..space], out int length, out var used) || used != space
                || length <= space + 2 || length > block.Length || block[length - 1] != '\n')
            {
                throw Bad("a record's length is wrong");
            }

            var record = block[(space + 1)..(length - 1)];
            block = block[length..];
            var equals = record.IndexOf((byte)'=');
            if (equals <= 0)
            {
                throw Bad("a record has no key");
            }

            records.Take(record[..equals], record[(equals + 1)..], ref pendingOffset);
        }

        return pendingOffset is null ? records : throw Bad("a sparse map ends in the middle");
    }

    private void Take(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value, ref long? pendingOffset)
    {
        if (key.IndexOf((byte)0) >= 0)
        {
            throw Bad("a key contains NUL");
        }

        switch (key)
        {
            case var k when k.SequenceEqual("path"u8):
                Path = NameOrNull(value);
                break;
            case var k when k.SequenceEqual("linkpath"u8):
                LinkPath = NameOrNull(value);
                break;
            case var k when k.SequenceEqual("size"u8):
                Size = value.IsEmpty ? null : Number(value);
                break;
            case var k when k.SequenceEqual("uid"u8):
                Uid = value.IsEmpty ? null : Number(value);
                break;
            case var k when k.SequenceEqual("gid"u8):
                Gid = value.IsEmpty ? null : Number(value);
                break;
            case var k when k.SequenceEqual("mtime"u8):
                Modified = value.IsEmpty ? null : Time(value);
                break;
            case var k when k.SequenceEqual("atime"u8):
                Accessed = value.IsEmpty ? null : Time(value);
                break;
            case var k when k.StartsWith("SCHILY.xattr."u8):
                if (key.Length > "SCHILY.xattr.".Length)
                {
                    Attributes.Add(new TarAttribute(key["SCHILY.xattr.".Length..].ToArray(), value.ToArray()));
                }

                break;
            case var k when k.SequenceEqual("GNU.sparse.name"u8):
                SparseName = NameOrNull(value);
                break;
            case var k when k.SequenceEqual("GNU.sparse.size"u8) || k.SequenceEqual("GNU.sparse.realsize"u8):
                SparseRealSize = Number(value);
                break;
            case var k when k.SequenceEqual("GNU.sparse.major"u8):
                SparseMajor = checked((int)Math.Min(Number(value), 1000));
                break;
            case var k when k.SequenceEqual("GNU.sparse.minor"u8):
                SparseMinor = checked((int)Math.Min(Number(value), 1000));
                break;
            case var k when k.SequenceEqual("GNU.sparse.offset"u8):
                pendingOffset = pendingOffset is null ? Number(value) : throw Bad("a sparse map has two offsets in a row");
                break;
            case var k when k.SequenceEqual("GNU.sparse.numbytes"u8):
                (SparseMap ??= []).Add(new TarExtent(pendingOffset ?? throw Bad("a sparse map has a length without offset"), Number(value)));
                pendingOffset = null;
                break;
            case var k when k.SequenceEqual("GNU.sparse.map"u8):
                SparseMap = Map(value);
                break;
        }
    }

    private static List<TarExtent> Map(ReadOnlySpan<byte> text)
    {
        var map = new List<TarExtent>();
        long? offset = null;
        foreach (var range in text.Split((byte)','))
        {
            if (text[range].IsEmpty)
            {
                continue;
            }

            var number = Number(text[range]);
            if (offset is null)
            {
                offset = number;
            }
            else
            {
                map.Add(new TarExtent(offset.Value, number));
                offset = null;
            }
        }

        return offset is null ? map : throw Bad("a sparse map ends in the middle");
    }

    private static byte[]? NameOrNull(ReadOnlySpan<byte> value) =>
        value.IsEmpty ? null : value.IndexOf((byte)0) < 0 ? value.ToArray() : throw Bad("a name contains NUL");

    internal static long Number(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out long value, out var used) && used == text.Length && value >= 0 ? value : throw Bad("a number is none");

    /// <summary>Decimal seconds with any number of decimals, perhaps negative; what is finer than a nanosecond is cut off.</summary>
    private static TimeSpec Time(ReadOnlySpan<byte> text)
    {
        var negative = text.StartsWith("-"u8);
        var digits = negative ? text[1..] : text;
        var dot = digits.IndexOf((byte)'.');
        var whole = dot < 0 ? digits : digits[..dot];
        var fraction = dot < 0 ? default : digits[(dot + 1)..];
        if (whole.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0 || fraction.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
        {
            throw Bad("a time is none");
        }

        var seconds = whole.IsEmpty ? 0 : Number(whole);
        long nanoseconds = 0;
        for (var i = 0; i < 9; i++)
        {
            nanoseconds = (nanoseconds * 10) + (i < fraction.Length ? fraction[i] - '0' : 0);
        }

        return !negative ? new TimeSpec(seconds, nanoseconds)
            : nanoseconds == 0 ? new TimeSpec(-seconds, 0)
            : new TimeSpec(-seconds - 1, 1_000_000_000 - nanoseconds);
    }

    private static TarFormatException Bad(string why) => new($"archive/tar: invalid extended header: {why}");
}
