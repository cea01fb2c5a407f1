using System.Runtime.InteropServices;

namespace Cais.Linux.Status;

/// <summary>What kind of thing a path names; the values are those of <c>st_mode</c>'s type bits.</summary>
public enum FileKind
{
    Unknown = 0,
    Fifo = 0x1000,
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    SymbolicLink = 0xa000,
    Socket = 0xc000,
}

/// <summary>What statx(2) says of a file.</summary>
/// <param name="Kind">Its kind.</param>
/// <param name="Permissions">The lower twelve bits of its mode.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Size">Bytes.</param>
/// <param name="Inode">Number in its file system.</param>
/// <param name="Links">How many names it has.</param>
/// <param name="Blocks">Units of 512 bytes it takes on the disk.</param>
/// <param name="DeviceMajor">For a device node: which device.</param>
/// <param name="DeviceMinor">For a device node: which device.</param>
/// <param name="FilesystemMajor">The file system it is on.</param>
/// <param name="FilesystemMinor">The file system it is on.</param>
/// <param name="Modified">When its content was last changed.</param>
/// <param name="Changed">When it or its attributes were last changed.</param>
public readonly record struct EntryStatus(
    FileKind Kind,
    uint Permissions,
    uint Uid,
    uint Gid,
    long Size,
    ulong Inode,
    uint Links,
    long Blocks,
    uint DeviceMajor,
    uint DeviceMinor,
    uint FilesystemMajor,
    uint FilesystemMinor,
    DateTimeOffset Modified,
    DateTimeOffset Changed)
{
    private const int NoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const uint BasicFields = 0x7ff;

    /// <summary>Of what <paramref name="path"/> names; null when there is nothing. A symbolic link is followed only if <paramref name="follow"/>.</summary>
    public static EntryStatus? Of(string path, bool follow = false) => Query(Files.CurrentDirectory, path, follow ? 0 : NoFollow);

    /// <summary>Of an open file.</summary>
    public static EntryStatus Of(FileDescriptor file)
    {
        ArgumentNullException.ThrowIfNull(file);
        return Query(file.Number, "", EmptyPath) ?? throw new LinuxException(Errno.ENOENT, $"statx descriptor {file.Number}");
    }

    private static unsafe EntryStatus? Query(int directory, string path, int flags)
    {
        // struct statx, by the offsets of linux/stat.h: the same on every architecture.
        var s = stackalloc byte[256];
        if (LibC.statx(directory, path, flags, BasicFields, s) != 0)
        {
            return (Errno)Marshal.GetLastPInvokeError() is Errno.ENOENT or Errno.ENOTDIR ? null : throw LinuxException.FromLastError($"statx {path}");
        }

        var mode = *(ushort*)(s + 28);
        return new EntryStatus(
            (FileKind)(mode & 0xf000),
            (uint)(mode & 0xfff),
            *(uint*)(s + 20),
            *(uint*)(s + 24),
            *(long*)(s + 40),
            *(ulong*)(s + 32),
            *(uint*)(s + 16),
            *(long*)(s + 48),
            *(uint*)(s + 128),
            *(uint*)(s + 132),
            *(uint*)(s + 136),
            *(uint*)(s + 140),
            Time(s + 112),
            Time(s + 96));
    }

    private static unsafe DateTimeOffset Time(byte* at)
    {
        // An image may carry any number: what .NET cannot say becomes the nearest it can.
        var seconds = Math.Clamp(*(long*)at, -62135596800L, 253402300799L);
        return DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(*(uint*)(at + 8) / 100);
    }
}
