using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Files by descriptor, without what .NET's own file classes add (locks, buffers, seeks, position bookkeeping).</summary>
public static class Files
{
    /// <summary>The current directory, where a directory's descriptor is asked for.</summary>
    public const int CurrentDirectory = -100;

    /// <summary>open(2); always close-on-exec.</summary>
    public static FileDescriptor Open(string path, int flags, uint mode = 0) => OpenAt(CurrentDirectory, path, flags, mode);

    public static FileDescriptor OpenAt(FileDescriptor directory, string path, int flags, uint mode = 0) =>
        OpenAt(directory.Number, path, flags, mode);

    /// <summary>As <see cref="Open"/>, or null where the file does not exist.</summary>
    public static FileDescriptor? TryOpen(string path, int flags, uint mode = 0)
    {
        var fd = LibC.openat(CurrentDirectory, path, flags | OpenFlags.CloseOnExec, mode);
        return fd >= 0 ? new FileDescriptor(fd)
            : Marshal.GetLastPInvokeError() == (int)Errno.ENOENT ? null
            : throw LinuxException.FromLastError($"open {path}");
    }

    private static FileDescriptor OpenAt(int directory, string path, int flags, uint mode)
    {
        int fd;
        do
        {
            fd = LibC.openat(directory, path, flags | OpenFlags.CloseOnExec, mode);
        }
        while (fd < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
        return fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError($"open {path}");
    }

    /// <summary>openat2(2): resolves <paramref name="path"/> as <paramref name="resolve"/> says, so that symbolic links cannot lead elsewhere.</summary>
    public static unsafe FileDescriptor OpenAt2(FileDescriptor directory, string path, int flags, ResolveFlags resolve, uint mode = 0)
    {
        var how = new OpenHow { Flags = (ulong)(uint)(flags | OpenFlags.CloseOnExec), Mode = mode, Resolve = (ulong)resolve };
        var text = Marshal.StringToCoTaskMemUTF8(path);
        try
        {
            long fd;
            do
            {
                // EAGAIN: a rename raced with the resolution and it could not be proven safe; trying again is what the manual advises.
                fd = SystemCall.Invoke(SystemCall.Openat2, directory.Number, text, (nint)(&how), sizeof(OpenHow));
            }
            while (fd < 0 && (Errno)Marshal.GetLastPInvokeError() is Errno.EAGAIN or Errno.EINTR);
            return fd >= 0 ? new FileDescriptor((int)fd) : throw LinuxException.FromLastError($"open {path}");
        }
        finally
        {
            Marshal.FreeCoTaskMem(text);
        }
    }

    /// <summary>Reads up to <paramref name="buffer"/>'s length; 0 is the end.</summary>
    public static unsafe int Read(FileDescriptor file, Span<byte> buffer)
    {
        fixed (byte* at = buffer)
        {
            nint n;
            do
            {
                n = LibC.read(file.Number, at, (nuint)buffer.Length);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
            return n >= 0 ? (int)n : throw LinuxException.FromLastError("read");
        }
    }

    /// <summary>Writes all of <paramref name="data"/>.</summary>
    public static unsafe void Write(FileDescriptor file, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            for (var done = 0; done < data.Length;)
            {
                var n = LibC.write(file.Number, start + done, (nuint)(data.Length - done));
                if (n >= 0)
                {
                    done += (int)n;
                }
                else if (Marshal.GetLastPInvokeError() != (int)Errno.EINTR)
                {
                    throw LinuxException.FromLastError("write");
                }
            }
        }
    }

    /// <summary>The whole of a small file such as those of /proc and cgroups, whose length is not known beforehand.</summary>
    public static byte[] ReadAll(string path)
    {
        using var file = Open(path, OpenFlags.ReadOnly);
        return ReadAll(file, path);
    }

    public static byte[] ReadAll(FileDescriptor file, string name)
    {
        var buffer = new byte[4096];
        var length = 0;
        while (true)
        {
            if (length == buffer.Length)
            {
                Array.Resize(ref buffer, buffer.Length * 2);
            }

            int n;
            try
            {
                n = Read(file, buffer.AsSpan(length));
            }
            catch (LinuxException e)
            {
                throw new LinuxException(e.Errno, $"read {name}");
            }

            if (n == 0)
            {
                Array.Resize(ref buffer, length);
                return buffer;
            }

            length += n;
        }
    }

    /// <summary>One write(2) to an existing file: how /proc, /sys and cgroup files want it.</summary>
    public static void WriteValue(string path, ReadOnlySpan<byte> value)
    {
        using var file = Open(path, OpenFlags.WriteOnly);
        WriteValue(file, path, value);
    }

    public static unsafe void WriteValue(FileDescriptor file, string name, ReadOnlySpan<byte> value)
    {
        fixed (byte* start = value)
        {
            nint n;
            do
            {
                n = LibC.write(file.Number, start, (nuint)value.Length);
            }
            while (n < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
            if (n < 0)
            {
                throw LinuxException.FromLastError($"write \"{System.Text.Encoding.UTF8.GetString(value).TrimEnd()}\" to {name}");
            }
        }
    }

    /// <summary>mkdir(2). False where it existed already.</summary>
    public static bool MakeDirectory(string path, uint mode) =>
        LibC.mkdir(path, mode) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.EEXIST ? false : throw LinuxException.FromLastError($"mkdir {path}"));

    public static void MakeFifo(string path, uint mode) => MakeNode(path, 0x1000 | mode, 0);

    /// <summary>mknod(2): <paramref name="mode"/> holds the type (S_IFCHR …) and the permissions.</summary>
    public static void MakeNode(string path, uint mode, ulong device)
    {
        if (LibC.mknod(path, mode, device) != 0)
        {
            throw LinuxException.FromLastError($"mknod {path}");
        }
    }

    /// <summary>A device number of the kernel's 64-bit form from its two halves; makedev(3).</summary>
    public static ulong DeviceNumber(uint major, uint minor) =>
        ((ulong)(major & 0xfffff000) << 32) | ((ulong)(major & 0xfff) << 8) | ((ulong)(minor & 0xffffff00) << 12) | (minor & 0xff);

    /// <summary>unlink(2). False where there was nothing.</summary>
    public static bool Unlink(string path) =>
        LibC.unlink(path) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.ENOENT ? false : throw LinuxException.FromLastError($"unlink {path}"));

    /// <summary>rmdir(2). False where there was nothing.</summary>
    public static bool RemoveDirectory(string path) =>
        LibC.rmdir(path) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.ENOENT ? false : throw LinuxException.FromLastError($"rmdir {path}"));

    /// <summary>rename(2): replaces the target in one step.</summary>
    public static void Rename(string from, string to)
    {
        if (LibC.rename(from, to) != 0)
        {
            throw LinuxException.FromLastError($"rename {from} to {to}");
        }
    }

    /// <summary>renameat2(2): the two change places in one step.</summary>
    public static void Exchange(string one, string other)
    {
        if (LibC.renameat2(CurrentDirectory, one, CurrentDirectory, other, 2) != 0)
        {
            throw LinuxException.FromLastError($"exchange {one} and {other}");
        }
    }

    public static void ChangeOwner(FileDescriptor file, uint uid, uint gid)
    {
        if (LibC.fchown(file.Number, uid, gid) != 0)
        {
            throw LinuxException.FromLastError("fchown");
        }
    }

    /// <summary>Of a name in a directory; of a symbolic link itself.</summary>
    public static void ChangeOwner(FileDescriptor directory, string name, uint uid, uint gid)
    {
        using var text = new Utf8(name);
        if (SystemCall.Invoke(SystemCall.Fchownat, directory.Number, text, (nint)uid, (nint)gid, 0x100) < 0)
        {
            throw LinuxException.FromLastError($"chown {name}");
        }
    }

    /// <summary>chmod(2): follows symbolic links.</summary>
    public static void ChangeMode(string path, uint mode)
    {
        using var text = new Utf8(path);
        if (SystemCall.Invoke(SystemCall.Fchmodat, CurrentDirectory, text, (nint)mode) < 0)
        {
            throw LinuxException.FromLastError($"chmod {path}");
        }
    }

    /// <summary>symlink(2).</summary>
    public static void SymbolicLink(string content, string path)
    {
        using var contentText = new Utf8(content);
        using var pathText = new Utf8(path);
        if (SystemCall.Invoke(SystemCall.Symlinkat, contentText, CurrentDirectory, pathText) < 0)
        {
            throw LinuxException.FromLastError($"symlink {path}");
        }
    }

    /// <summary>What a symbolic link holds that was opened as itself (O_PATH and O_NOFOLLOW).</summary>
    public static unsafe string ReadLink(FileDescriptor link)
    {
        var buffer = stackalloc byte[4096];
        var empty = (byte)0;
        var length = SystemCall.Invoke(SystemCall.Readlinkat, link.Number, (nint)(&empty), (nint)buffer, 4096);
        return length >= 0
            ? System.Text.Encoding.UTF8.GetString(buffer, (int)length) : throw LinuxException.FromLastError("read a symbolic link");
    }

    public static bool Exists(string path) => LibC.access(path, 0) == 0;

    /// <summary>What kind of filesystem <paramref name="path"/> is on: statfs(2)'s magic number. 0 where the path does not exist.</summary>
    public static unsafe long FilesystemType(string path)
    {
        var buffer = stackalloc long[32];
        return LibC.statfs(path, buffer) == 0 ? buffer[0] : 0;
    }

    /// <summary>A pipe's two ends, close-on-exec.</summary>
    public static unsafe (FileDescriptor Read, FileDescriptor Write) Pipe(int flags = 0)
    {
        var ends = stackalloc int[2];
        return LibC.pipe2(ends, flags | OpenFlags.CloseOnExec) == 0
            ? (new FileDescriptor(ends[0]), new FileDescriptor(ends[1]))
            : throw LinuxException.FromLastError("pipe");
    }

    /// <summary>An anonymous file in memory, close-on-exec; see memfd_create(2).</summary>
    public static FileDescriptor Memory(string name)
    {
        var fd = LibC.memfd_create(name, 3);
        return fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError("memfd_create");
    }

    public static void SeekToStart(FileDescriptor file)
    {
        if (LibC.lseek(file.Number, 0, 0) < 0)
        {
            throw LinuxException.FromLastError("lseek");
        }
    }

    /// <summary>Type and permissions (st_mode), owner, and device number of a special file, of an open file; fstat(2).</summary>
    public static unsafe OpenFileStatus Status(int fd)
    {
        // struct statx: mode at 28, uid 20, gid 24, ino 32, size 40, rdev 0x80.
        var buffer = stackalloc byte[256];
        var empty = (byte)0;
        return SystemCall.Invoke(SystemCall.Statx, fd, (nint)(&empty), 0x1000, 0x7ff, (nint)buffer) == 0
            ? new OpenFileStatus(
                *(ushort*)(buffer + 28), *(uint*)(buffer + 20), *(uint*)(buffer + 24), DeviceNumber(*(uint*)(buffer + 0x80), *(uint*)(buffer + 0x84)))
            : throw LinuxException.FromLastError($"stat {fd}");
    }

    /// <summary>Another descriptor for the same open file, close-on-exec.</summary>
    public static FileDescriptor Duplicate(FileDescriptor file, int atLeast = 0)
    {
        var fd = LibC.fcntl(file.Number, 1030, atLeast);
        return fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError($"dup {file.Number}");
    }
}

/// <summary>Part of what fstat(2) tells.</summary>
/// <param name="Mode">Type and permissions.</param>
/// <param name="Uid">Owner.</param>
/// <param name="Gid">Group.</param>
/// <param name="Device">Of a device node, which device.</param>
public readonly record struct OpenFileStatus(uint Mode, uint Uid, uint Gid, ulong Device)
{
    public bool IsCharacterDevice => (Mode & 0xf000) == 0x2000;

    public bool IsDirectory => (Mode & 0xf000) == 0x4000;

    public bool IsRegular => (Mode & 0xf000) == 0x8000;
}

[StructLayout(LayoutKind.Sequential)]
internal struct OpenHow
{
    public ulong Flags;
    public ulong Mode;
    public ulong Resolve;
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int openat(int directory, string path, int flags, uint mode);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mkdir(string path, uint mode);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mknod(string path, uint mode, ulong device);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int unlink(string path);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int rmdir(string path);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int rename(string from, string to);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int renameat2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fchown(int fd, uint uid, uint gid);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int access(string path, int mode);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int statfs(string path, long* buffer);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int pipe2(int* ends, int flags);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int memfd_create(string name, uint flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial long lseek(int fd, long offset, int whence);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fcntl(int fd, int command, int argument);
}
