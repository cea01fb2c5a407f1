using System.Runtime.InteropServices;

namespace Cais.Linux.FileSystem;

/// <summary>File system calls as sections 2 and 3 of the manual have them; private to this folder, whose classes check results.</summary>
internal static unsafe partial class FileSystemCalls
{
    private const string C = "libc";

    [LibraryImport(C, SetLastError = true)]
    internal static partial int openat(int dirfd, byte* path, int flags, uint mode);

    [LibraryImport(C, SetLastError = true)]
    internal static partial long syscall(long number, long a, long b, long c, long d);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int ioctl(int fd, nuint request, long* argument);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int mkdirat(int dirfd, byte* path, uint mode);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int mknodat(int dirfd, byte* path, uint mode, ulong device);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int symlinkat(byte* target, int dirfd, byte* path);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int linkat(int fromDirfd, byte* from, int toDirfd, byte* to, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int unlinkat(int dirfd, byte* path, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int renameat2(int fromDirfd, byte* from, int toDirfd, byte* to, uint flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fchownat(int dirfd, byte* path, uint uid, uint gid, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fchmod(int fd, uint mode);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fchmodat(int dirfd, byte* path, uint mode, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int utimensat(int dirfd, byte* path, TimeSpec* times, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int futimens(int fd, TimeSpec* times);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fsetxattr(int fd, byte* name, void* value, nuint size, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint fgetxattr(int fd, byte* name, void* value, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint flistxattr(int fd, void* list, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fremovexattr(int fd, byte* name);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int lsetxattr(byte* path, byte* name, void* value, nuint size, int flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint lgetxattr(byte* path, byte* name, void* value, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint llistxattr(byte* path, void* list, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int statx(int dirfd, byte* path, int flags, uint mask, StatxBuffer* buffer);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint readlinkat(int dirfd, byte* path, void* buffer, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int ftruncate(int fd, long length);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint write(int fd, void* buffer, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint pwrite(int fd, void* buffer, nuint size, long offset);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint pread(int fd, void* buffer, nuint size, long offset);

    [LibraryImport(C, SetLastError = true)]
    internal static partial long lseek(int fd, long offset, int whence);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fsync(int fd);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int fdatasync(int fd);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int syncfs(int fd);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int sync_file_range(int fd, long offset, long length, uint flags);

    [LibraryImport(C, SetLastError = true)]
    internal static partial nint getdents64(int fd, void* buffer, nuint size);

    [LibraryImport(C, SetLastError = true)]
    internal static partial int unshare(int flags);

    [LibraryImport(C)]
    internal static partial uint umask(uint mask);
}

/// <summary>struct timespec.</summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct TimeSpec(long Seconds, long Nanoseconds)
{
    /// <summary>utimensat(2): leave this time as it is.</summary>
    public static readonly TimeSpec Omit = new(0, (1L << 30) - 2);
}

/// <summary>struct statx of linux/stat.h, as far as it is read.</summary>
[StructLayout(LayoutKind.Explicit, Size = 256)]
internal struct StatxBuffer
{
    [FieldOffset(0)] public uint Mask;
    [FieldOffset(8)] public ulong Attributes;
    [FieldOffset(16)] public uint Links;
    [FieldOffset(20)] public uint Uid;
    [FieldOffset(24)] public uint Gid;
    [FieldOffset(28)] public ushort Mode;
    [FieldOffset(32)] public ulong Inode;
    [FieldOffset(40)] public ulong Size;
    [FieldOffset(48)] public ulong Blocks;
    [FieldOffset(64)] public long AccessSeconds;
    [FieldOffset(72)] public uint AccessNanoseconds;
    [FieldOffset(112)] public long ModifySeconds;
    [FieldOffset(120)] public uint ModifyNanoseconds;
    [FieldOffset(128)] public uint RdevMajor;
    [FieldOffset(132)] public uint RdevMinor;
    [FieldOffset(136)] public uint DevMajor;
    [FieldOffset(140)] public uint DevMinor;
}
