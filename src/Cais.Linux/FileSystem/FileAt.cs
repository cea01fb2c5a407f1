using System.Runtime.InteropServices;

namespace Cais.Linux.FileSystem;

/// <summary>
/// File operations relative to an open directory, for code that makes or walks many files: names are bytes that end in NUL, directories are
/// descriptor numbers, and the result is the kernel's: 0 or more, or minus the error number. Nothing here follows a symbolic link in the
/// last component unless it says so. Callers turn failures into a <see cref="LinuxException"/> that names the file.
/// </summary>
public static unsafe class FileAt
{
    /// <summary>AT_FDCWD.</summary>
    public const int CurrentDirectory = -100;

    public const int ReadOnly = 0;
    public const int WriteOnly = 1;
    public const int ReadWrite = 2;
    public const int Create = 0x40;
    public const int Exclusive = 0x80;
    public const int Truncate = 0x200;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;
    public const int PathOnly = 0x200000;
    private const int RemoveDirectoryFlag = 0x200;
    private const int SymlinkNoFollow = 0x100;
    private const int EmptyPath = 0x1000;
    private const int EINTR = 4;
    private const long OpenAt2Number = 437;

    private static readonly bool IsArm64 = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    /// <summary>O_DIRECTORY, which is one of the few flags that differ between machines.</summary>
    public static int DirectoryOnly => IsArm64 ? 0x4000 : 0x10000;

    /// <summary>O_NOFOLLOW.</summary>
    public static int NoFollow => IsArm64 ? 0x8000 : 0x20000;

    /// <summary>openat(2) with O_CLOEXEC and O_NOFOLLOW: a descriptor number, or minus the error.</summary>
    public static int Open(int directory, ReadOnlySpan<byte> name, int flags, uint mode = 0)
    {
        fixed (byte* path = Terminated(name))
        {
            int fd;
            do
            {
                fd = Result(FileSystemCalls.openat(directory, path, flags | CloseOnExec | NoFollow, mode));
            }
            while (fd == -EINTR);
            return fd;
        }
    }

    /// <summary>open(2) with O_CLOEXEC of a path that we made ourselves, symbolic links and all.</summary>
    public static int OpenFollowing(ReadOnlySpan<byte> path, int flags)
    {
        fixed (byte* p = Terminated(path))
        {
            return Result(FileSystemCalls.openat(CurrentDirectory, p, flags | CloseOnExec, 0));
        }
    }

    /// <summary>
    /// openat2(2) with RESOLVE_IN_ROOT: <paramref name="root"/> is / for every symbolic link and every <c>..</c> in the path, so that nothing outside
    /// can be reached. With <paramref name="noSymlinks"/> a symbolic link anywhere is ELOOP; otherwise the last component is followed too unless
    /// <paramref name="flags"/> has <see cref="NoFollow"/>.
    /// </summary>
    public static int OpenInRoot(int root, ReadOnlySpan<byte> path, int flags, uint mode = 0, bool noSymlinks = false)
    {
        const ulong noMagicLinks = 2;
        const ulong noLinks = 4;
        const ulong inRoot = 0x10;
        var how = stackalloc ulong[3];
        how[0] = (uint)(flags | CloseOnExec);
        how[1] = (flags & Create) != 0 ? mode : 0;
        how[2] = inRoot | noMagicLinks | (noSymlinks ? noLinks : 0);
        fixed (byte* p = Terminated(path))
        {
            int fd;
            do
            {
                fd = Result((int)FileSystemCalls.syscall(OpenAt2Number, root, (long)p, (long)how, 24));
            }
            while (fd is -EINTR or -11);
            return fd;
        }
    }

    public static int MakeDirectory(int directory, ReadOnlySpan<byte> name, uint mode)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.mkdirat(directory, path, mode));
        }
    }

    /// <summary>mknodat(2): a device, FIFO or socket node.</summary>
    public static int MakeNode(int directory, ReadOnlySpan<byte> name, FileKind kind, uint permissions, uint major = 0, uint minor = 0)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.mknodat(directory, path, (uint)kind | permissions, MakeDevice(major, minor)));
        }
    }

    public static int MakeSymbolicLink(ReadOnlySpan<byte> target, int directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* to = Terminated(target))
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.symlinkat(to, directory, path));
        }
    }

    public static int MakeHardLink(int fromDirectory, ReadOnlySpan<byte> from, int toDirectory, ReadOnlySpan<byte> to)
    {
        fixed (byte* source = Terminated(from))
        fixed (byte* path = Terminated(to))
        {
            return Result(FileSystemCalls.linkat(fromDirectory, source, toDirectory, path, 0));
        }
    }

    public static int Unlink(int directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.unlinkat(directory, path, 0));
        }
    }

    public static int RemoveDirectory(int directory, ReadOnlySpan<byte> name)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.unlinkat(directory, path, RemoveDirectoryFlag));
        }
    }

    /// <summary>renameat2(2) with RENAME_NOREPLACE when <paramref name="replace"/> is false.</summary>
    public static int Rename(int fromDirectory, ReadOnlySpan<byte> from, int toDirectory, ReadOnlySpan<byte> to, bool replace)
    {
        fixed (byte* source = Terminated(from))
        fixed (byte* path = Terminated(to))
        {
            return Result(FileSystemCalls.renameat2(fromDirectory, source, toDirectory, path, replace ? 0u : 1u));
        }
    }

    /// <summary>renameat2(2) with RENAME_EXCHANGE: each gets the other's place, with no moment in between.</summary>
    public static int Exchange(int oneDirectory, ReadOnlySpan<byte> one, int otherDirectory, ReadOnlySpan<byte> other)
    {
        fixed (byte* source = Terminated(one))
        fixed (byte* path = Terminated(other))
        {
            return Result(FileSystemCalls.renameat2(oneDirectory, source, otherDirectory, path, 2));
        }
    }

    public static int ChangeOwner(int directory, ReadOnlySpan<byte> name, uint uid, uint gid)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.fchownat(directory, path, uid, gid, SymlinkNoFollow));
        }
    }

    public static int ChangeOwner(int fd, uint uid, uint gid)
    {
        byte none = 0;
        return Result(FileSystemCalls.fchownat(fd, &none, uid, gid, EmptyPath));
    }

    public static int ChangeMode(int fd, uint permissions) => Result(FileSystemCalls.fchmod(fd, permissions));

    /// <summary>fchmodat(2). Follows a symbolic link: not for names that may be one.</summary>
    public static int ChangeMode(int directory, ReadOnlySpan<byte> name, uint permissions)
    {
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.fchmodat(directory, path, permissions, 0));
        }
    }

    public static int SetTimes(int directory, ReadOnlySpan<byte> name, TimeSpec accessed, TimeSpec modified)
    {
        var times = stackalloc TimeSpec[2] { accessed, modified };
        fixed (byte* path = Terminated(name))
        {
            return Result(FileSystemCalls.utimensat(directory, path, times, SymlinkNoFollow));
        }
    }

    public static int SetTimes(int fd, TimeSpec accessed, TimeSpec modified)
    {
        var times = stackalloc TimeSpec[2] { accessed, modified };
        return Result(FileSystemCalls.futimens(fd, times));
    }

    public static int SetAttribute(int fd, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value)
    {
        fixed (byte* attribute = Terminated(name))
        fixed (byte* bytes = value)
        {
            return Result(FileSystemCalls.fsetxattr(fd, attribute, bytes, (nuint)value.Length, 0));
        }
    }

    /// <summary>fgetxattr(2): the value's length, which may exceed the buffer's only when that is empty; or minus the error.</summary>
    public static int GetAttribute(int fd, ReadOnlySpan<byte> name, Span<byte> value)
    {
        fixed (byte* attribute = Terminated(name))
        fixed (byte* bytes = value)
        {
            return Result((int)FileSystemCalls.fgetxattr(fd, attribute, bytes, (nuint)value.Length));
        }
    }

    /// <summary>flistxattr(2): names, each ending in NUL, one after the other; the length, which may exceed the buffer's only when that is empty; or minus the error.</summary>
    public static int ListAttributes(int fd, Span<byte> list)
    {
        fixed (byte* bytes = list)
        {
            return Result((int)FileSystemCalls.flistxattr(fd, bytes, (nuint)list.Length));
        }
    }

    public static int RemoveAttribute(int fd, ReadOnlySpan<byte> name)
    {
        fixed (byte* attribute = Terminated(name))
        {
            return Result(FileSystemCalls.fremovexattr(fd, attribute));
        }
    }

    /// <summary>lsetxattr(2) on a name in an open directory, by way of /proc/self/fd: there is no setxattrat in older kernels.</summary>
    public static int SetAttribute(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> attribute, ReadOnlySpan<byte> value)
    {
        fixed (byte* path = InProc(directory, name))
        fixed (byte* attributeName = Terminated(attribute))
        fixed (byte* bytes = value)
        {
            return Result(FileSystemCalls.lsetxattr(path, attributeName, bytes, (nuint)value.Length, 0));
        }
    }

    /// <summary>lgetxattr(2): the value's length, which may exceed the buffer's only when that is empty; or minus the error.</summary>
    public static int GetAttribute(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> attribute, Span<byte> value)
    {
        fixed (byte* path = InProc(directory, name))
        fixed (byte* attributeName = Terminated(attribute))
        fixed (byte* bytes = value)
        {
            return Result((int)FileSystemCalls.lgetxattr(path, attributeName, bytes, (nuint)value.Length));
        }
    }

    /// <summary>llistxattr(2): names, each ending in NUL, one after the other; the length or minus the error.</summary>
    public static int ListAttributes(int directory, ReadOnlySpan<byte> name, Span<byte> list)
    {
        fixed (byte* path = InProc(directory, name))
        fixed (byte* bytes = list)
        {
            return Result((int)FileSystemCalls.llistxattr(path, bytes, (nuint)list.Length));
        }
    }

    /// <summary>statx(2) of a name, which if a symbolic link is itself looked at; or of the descriptor itself if the name is empty (one NUL).</summary>
    public static int Status(int directory, ReadOnlySpan<byte> name, out FileStatus status)
    {
        StatxBuffer buffer = default;
        int result;
        fixed (byte* path = Terminated(name))
        {
            result = Result(FileSystemCalls.statx(directory, path, SymlinkNoFollow | (name.Length == 1 ? EmptyPath : 0), 0x7ff, &buffer));
        }

        status = result < 0 ? default : new FileStatus(
            (FileKind)(buffer.Mode & 0xF000),
            buffer.Mode & 0xFFFu,
            buffer.Uid,
            buffer.Gid,
            buffer.Links,
            buffer.Inode,
            (long)buffer.Size,
            (long)buffer.Blocks * 512,
            new TimeSpec(buffer.AccessSeconds, buffer.AccessNanoseconds),
            new TimeSpec(buffer.ModifySeconds, buffer.ModifyNanoseconds),
            buffer.RdevMajor,
            buffer.RdevMinor,
            MakeDevice(buffer.DevMajor, buffer.DevMinor))
        {
            IsMountRoot = (buffer.Attributes & 0x2000) != 0,
        };
        return result;
    }

    /// <summary>readlinkat(2): the target's length (truncated to the buffer), or minus the error.</summary>
    public static int ReadLink(int directory, ReadOnlySpan<byte> name, Span<byte> target)
    {
        fixed (byte* path = Terminated(name))
        fixed (byte* buffer = target)
        {
            return Result((int)FileSystemCalls.readlinkat(directory, path, buffer, (nuint)target.Length));
        }
    }

    public static int SetLength(int fd, long length) => Result(FileSystemCalls.ftruncate(fd, length));

    /// <summary>write(2) until all is written. 0, or minus the error.</summary>
    public static int Write(int fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            var at = start;
            var left = data.Length;
            while (left > 0)
            {
                var n = Result((int)FileSystemCalls.write(fd, at, (nuint)left));
                if (n >= 0)
                {
                    at += n;
                    left -= n;
                }
                else if (n != -EINTR)
                {
                    return n;
                }
            }

            return 0;
        }
    }

    /// <summary>pwrite(2) until all is written. 0, or minus the error.</summary>
    public static int Write(int fd, ReadOnlySpan<byte> data, long offset)
    {
        fixed (byte* start = data)
        {
            var done = 0;
            while (done < data.Length)
            {
                var n = Result((int)FileSystemCalls.pwrite(fd, start + done, (nuint)(data.Length - done), offset + done));
                if (n >= 0)
                {
                    done += n;
                }
                else if (n != -EINTR)
                {
                    return n;
                }
            }

            return 0;
        }
    }

    /// <summary>pread(2): the number of bytes read, 0 at the end, or minus the error.</summary>
    public static int Read(int fd, Span<byte> buffer, long offset)
    {
        fixed (byte* start = buffer)
        {
            int n;
            do
            {
                n = Result((int)FileSystemCalls.pread(fd, start, (nuint)buffer.Length, offset));
            }
            while (n == -EINTR);
            return n;
        }
    }

    /// <summary>lseek(2) with SEEK_DATA: where the next data is at or after <paramref name="offset"/>; minus ENXIO if there is none.</summary>
    public static long NextData(int fd, long offset) => Result(FileSystemCalls.lseek(fd, offset, 3));

    /// <summary>lseek(2) with SEEK_HOLE.</summary>
    public static long NextHole(int fd, long offset) => Result(FileSystemCalls.lseek(fd, offset, 4));

    /// <summary>lseek(2) with SEEK_SET.</summary>
    public static long Seek(int fd, long offset) => Result(FileSystemCalls.lseek(fd, offset, 0));

    public static int Sync(int fd) => Result(FileSystemCalls.fsync(fd));

    public static int SyncData(int fd) => Result(FileSystemCalls.fdatasync(fd));

    /// <summary>syncfs(2): everything of the file system that holds this file.</summary>
    public static int SyncFileSystem(int fd) => Result(FileSystemCalls.syncfs(fd));

    /// <summary>sync_file_range(2), SYNC_FILE_RANGE_WRITE: starts writing these pages to the disk and does not wait.</summary>
    public static int StartWriteback(int fd, long offset, long length) => Result(FileSystemCalls.sync_file_range(fd, offset, length, 2));

    /// <summary>
    /// Gives the calling thread a umask of its own, 0, so that modes of files it makes are exact. For a thread that its owner made: it must not
    /// go back to a pool.
    /// </summary>
    public static int ClearThreadUmask()
    {
        const int cloneFs = 0x200;
        var result = Result(FileSystemCalls.unshare(cloneFs));
        if (result == 0)
        {
            _ = FileSystemCalls.umask(0);
        }

        return result;
    }

    /// <summary>getdents64(2) into <paramref name="buffer"/>; see <see cref="DirectoryEntries"/>.</summary>
    internal static int ReadEntries(int fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            return Result((int)FileSystemCalls.getdents64(fd, start, (nuint)buffer.Length));
        }
    }

    /// <summary>
    /// FS_TOPDIR_FL (<c>chattr +T</c>): tells ext4 that the directory's subdirectories have nothing to do with each other, so that each gets a place of its own on the
    /// disk. File systems that do not know this say ENOTTY or EOPNOTSUPP.
    /// </summary>
    public static int SpreadSubdirectories(int directory)
    {
        const nuint getFlags = 0x80086601;
        const nuint setFlags = 0x40086602;
        const long topDirectory = 0x20000;
        long flags = 0;
        var result = Result(FileSystemCalls.ioctl(directory, getFlags, &flags));
        if (result < 0 || (flags & topDirectory) != 0)
        {
            return result;
        }

        flags |= topDirectory;
        return Result(FileSystemCalls.ioctl(directory, setFlags, &flags));
    }

    private static ulong MakeDevice(uint major, uint minor) =>
        (minor & 0xffUL) | ((major & 0xfffUL) << 8) | ((minor & ~0xffUL) << 12) | ((major & ~0xfffUL) << 32);

    private static ReadOnlySpan<byte> Terminated(ReadOnlySpan<byte> name) =>
        !name.IsEmpty && name[^1] == 0 ? name : throw new ArgumentException("a name for the kernel must end in NUL", nameof(name));

    private static byte[] InProc(int directory, ReadOnlySpan<byte> name)
    {
        if (directory == CurrentDirectory)
        {
            return Terminated(name).ToArray();
        }

        var prefix = System.Text.Encoding.ASCII.GetBytes($"/proc/self/fd/{directory}/");
        var path = new byte[prefix.Length + Terminated(name).Length];
        prefix.CopyTo(path, 0);
        name.CopyTo(path.AsSpan(prefix.Length));
        return path;
    }

    private static int Result(int value) => value < 0 ? -Marshal.GetLastPInvokeError() : value;

    private static long Result(long value) => value < 0 ? -Marshal.GetLastPInvokeError() : value;
}
