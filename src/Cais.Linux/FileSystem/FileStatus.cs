namespace Cais.Linux.FileSystem;

/// <summary>The kind of a file: the type bits of st_mode (inode(7)).</summary>
public enum FileKind
{
    Unknown = 0,
    Fifo = 0x1000,
    CharacterDevice = 0x2000,
    Directory = 0x4000,
    BlockDevice = 0x6000,
    Regular = 0x8000,
    SymbolicLink = 0xA000,
    Socket = 0xC000,
}

/// <summary>What statx(2) says of a file. <see cref="Permissions"/> has the twelve low mode bits, <see cref="Allocated"/> is in bytes.</summary>
public readonly record struct FileStatus(
    FileKind Kind,
    uint Permissions,
    uint Uid,
    uint Gid,
    uint Links,
    ulong Inode,
    long Size,
    long Allocated,
    TimeSpec Accessed,
    TimeSpec Modified,
    uint DeviceMajor,
    uint DeviceMinor,
    ulong FileSystem)
{
    /// <summary>Whether something is mounted here, this being its root (STATX_ATTR_MOUNT_ROOT, Linux 5.8).</summary>
    public bool IsMountRoot { get; init; }

    /// <summary>Overlay's mark for a deleted name: a character device 0/0 (kernel, filesystems/overlayfs.rst).</summary>
    public bool IsWhiteout => Kind == FileKind.CharacterDevice && DeviceMajor == 0 && DeviceMinor == 0;
}
