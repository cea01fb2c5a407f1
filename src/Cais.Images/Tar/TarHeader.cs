using System.Buffers.Binary;

namespace Cais.Images.Tar;

/// <summary>
/// The 512-byte header block: where its fields are and how its numbers are written (POSIX pax, "ustar Interchange Format"; GNU tar manual,
/// "Basic Tar Format"; star(4)).
/// </summary>
internal readonly ref struct TarHeader(ReadOnlySpan<byte> block)
{
    public const int Size = 512;

    private readonly ReadOnlySpan<byte> _block = block;

    public ReadOnlySpan<byte> Name => Text(_block[..100]);

    public ReadOnlySpan<byte> LinkName => Text(_block.Slice(157, 100));

    public byte TypeFlag => _block[156];

    /// <summary>POSIX ustar, which has a name prefix. GNU writes other things there.</summary>
    public bool IsUstar => _block.Slice(257, 8).SequenceEqual("ustar\000"u8) || (_block.Slice(257, 6).SequenceEqual("ustar\0"u8) && !IsGnu);

    public bool IsGnu => _block.Slice(257, 8).SequenceEqual("ustar  \0"u8);

    public bool IsStar => IsUstar && _block.Slice(508, 4).SequenceEqual("tar\0"u8);

    public ReadOnlySpan<byte> Prefix => !IsUstar ? default : IsStar ? Text(_block.Slice(345, 131)) : Text(_block.Slice(345, 155));

    public bool IsAllZero => _block.IndexOfAnyExcept((byte)0) < 0;

    public long Mode => Number(_block.Slice(100, 8), "mode");

    public long Uid => Number(_block.Slice(108, 8), "uid");

    public long Gid => Number(_block.Slice(116, 8), "gid");

    public long DataSize => Number(_block.Slice(124, 12), "size");

    public long Modified => Number(_block.Slice(136, 12), "mtime");

    public long DeviceMajor => Number(_block.Slice(329, 8), "devmajor");

    public long DeviceMinor => Number(_block.Slice(337, 8), "devminor");

    public long GnuRealSize => Number(_block.Slice(483, 12), "real size");

    /// <summary>Old GNU sparse: four extents in the header.</summary>
    public ReadOnlySpan<byte> GnuSparse => _block.Slice(386, 96);

    public bool GnuSparseContinues => _block[482] != 0;

    /// <summary>The sum of all bytes with the checksum's own eight taken as spaces. Old archivers summed signed bytes: both are accepted.</summary>
    public bool ChecksumHolds()
    {
        long stored;
        try
        {
            stored = Number(_block.Slice(148, 8), "checksum");
        }
        catch (TarFormatException)
        {
            return false;
        }

        var sum = 8 * ' ';
        var high = 0;
        foreach (var b in _block[..148])
        {
            sum += b;
            high += b >> 7;
        }

        foreach (var b in _block[156..])
        {
            sum += b;
            high += b >> 7;
        }

        return stored == sum || stored == sum - (high * 256);
    }

    /// <summary>Octal digits among spaces and NULs, or, if the first bit is set, a big-endian two's complement number (GNU base-256).</summary>
    public static long Number(ReadOnlySpan<byte> field, string what)
    {
        if ((field[0] & 0x80) != 0)
        {
            return Base256(field, what);
        }

        field = field.Trim(" \0"u8);
        var nul = field.IndexOf((byte)0);
        if (nul >= 0)
        {
            field = field[..nul].Trim((byte)' ');
        }

        long value = 0;
        foreach (var b in field)
        {
            if (b is < (byte)'0' or > (byte)'7')
            {
                throw new TarFormatException($"archive/tar: invalid tar header: {what} is no number");
            }

            value = checked((value << 3) | (uint)(b - '0'));
        }

        return value;
    }

    private static long Base256(ReadOnlySpan<byte> field, string what)
    {
        // The bit after the marker is the sign; only what fits 64 bits is accepted.
        var negative = (field[0] & 0x40) != 0;
        var fill = negative ? (byte)0xff : (byte)0;
        Span<byte> bytes = stackalloc byte[8];
        bytes.Fill(fill);
        var first = (byte)(negative ? field[0] | 0x80 : field[0] & 0x7f);
        for (var i = 0; i < field.Length; i++)
        {
            var b = i == 0 ? first : field[i];
            var at = i - (field.Length - 8);
            if (at < 0)
            {
                if (b != fill)
                {
                    throw new TarFormatException($"archive/tar: invalid tar header: {what} does not fit 64 bits");
                }
            }
            else
            {
                bytes[at] = b;
            }
        }

        var value = BinaryPrimitives.ReadInt64BigEndian(bytes);
        return value < 0 == negative ? value : throw new TarFormatException($"archive/tar: invalid tar header: {what} does not fit 64 bits");
    }

    private static ReadOnlySpan<byte> Text(ReadOnlySpan<byte> field)
    {
        var nul = field.IndexOf((byte)0);
        return nul < 0 ? field : field[..nul];
    }
}
