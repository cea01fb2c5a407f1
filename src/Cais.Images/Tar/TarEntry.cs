using Cais.Linux.FileSystem;

namespace Cais.Images.Tar;

/// <summary>What an archive member is, after the oddities of the formats have been settled.</summary>
public enum TarEntryKind
{
    File,
    HardLink,
    SymbolicLink,
    CharacterDevice,
    BlockDevice,
    Directory,
    Fifo,
}

/// <summary>An extended attribute: its name without NUL, and its value, both bytes.</summary>
public readonly record struct TarAttribute(byte[] Name, byte[] Value);

/// <summary>A piece of a sparse file that has data.</summary>
public readonly record struct TarExtent(long Offset, long Length);

/// <summary>
/// One member of a tar archive. A reader has one such object and overwrites it; names are bytes because Linux file names are. Times with
/// nanoseconds; <see cref="Accessed"/> is null if the archive does not say.
/// </summary>
public sealed class TarEntry
{
    private byte[] _name = new byte[256];
    private int _nameLength;
    private byte[] _link = new byte[128];
    private int _linkLength;

    public TarEntryKind Kind { get; set; }

    /// <summary>The path as written, without NUL.</summary>
    public ReadOnlySpan<byte> Name => _name.AsSpan(0, _nameLength);

    /// <summary>A hard or symbolic link's target, without NUL.</summary>
    public ReadOnlySpan<byte> LinkName => _link.AsSpan(0, _linkLength);

    /// <summary>The twelve permission bits.</summary>
    public uint Mode { get; set; }

    public uint Uid { get; set; }

    public uint Gid { get; set; }

    /// <summary>The file's length, holes included. 0 for everything that is not a file.</summary>
    public long Size { get; set; }

    public TimeSpec Modified { get; set; }

    public TimeSpec? Accessed { get; set; }

    public uint DeviceMajor { get; set; }

    public uint DeviceMinor { get; set; }

    public List<TarAttribute> Attributes { get; } = [];

    /// <summary>For a sparse file, its pieces with data, ascending; null for any other.</summary>
    public List<TarExtent>? Extents { get; set; }

    /// <summary>The path as text, for messages.</summary>
    public string DisplayName => TarText.Display(Name);

    public void SetName(ReadOnlySpan<byte> name) => Set(ref _name, ref _nameLength, name);

    public void SetLinkName(ReadOnlySpan<byte> name) => Set(ref _link, ref _linkLength, name);

    public void Clear()
    {
        (Kind, Mode, Uid, Gid, Size, Modified, Accessed) = (TarEntryKind.File, 0, 0, 0, 0, default, null);
        (DeviceMajor, DeviceMinor, Extents, _nameLength, _linkLength) = (0, 0, null, 0, 0);
        Attributes.Clear();
    }

    private static void Set(ref byte[] buffer, ref int length, ReadOnlySpan<byte> value)
    {
        if (buffer.Length < value.Length)
        {
            buffer = new byte[Math.Max(value.Length, buffer.Length * 2)];
        }

        value.CopyTo(buffer);
        length = value.Length;
    }
}

/// <summary>Names from archives, fit for messages.</summary>
internal static class TarText
{
    public static string Display(ReadOnlySpan<byte> name)
    {
        var text = System.Text.Encoding.UTF8.GetString(name.Length > 256 ? name[..256] : name);
        return text.AsSpan().IndexOfAnyInRange('\0', '\x1f') < 0 ? text : new string([.. text.Select(c => char.IsControl(c) ? '?' : c)]);
    }
}

/// <summary>The archive is damaged, cut off, or uses the format against its rules.</summary>
public sealed class TarFormatException(string message) : IOException(message);
