namespace Cais.Linux.Io;

/// <summary>Reading and writing open descriptors without blocking and without a stream.</summary>
public static unsafe class Descriptors
{
    /// <summary>What <see cref="TryRead"/> and <see cref="TryWrite"/> return when the call would have blocked.</summary>
    public const int WouldBlock = -1;

    /// <summary>Reads what is there: the number of bytes, 0 at the end, <see cref="WouldBlock"/> if a non-blocking descriptor has nothing yet.</summary>
    /// <exception cref="LinuxException">The read failed. A pseudo-terminal whose other side is closed gives EIO, which is its end.</exception>
    public static int TryRead(FileDescriptor fd, Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var count = IoCalls.read(fd, start, (nuint)buffer.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (IoCalls.LastError)
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return WouldBlock;
                    case var errno:
                        throw new LinuxException(errno, $"read descriptor {fd.Number}");
                }
            }
        }
    }

    /// <summary>Writes what fits: the number of bytes, or <see cref="WouldBlock"/> if a non-blocking descriptor takes nothing now.</summary>
    /// <exception cref="LinuxException">The write failed (EPIPE: nobody will ever read it).</exception>
    public static int TryWrite(FileDescriptor fd, ReadOnlySpan<byte> data)
    {
        fixed (byte* start = data)
        {
            while (true)
            {
                var count = IoCalls.write(fd, start, (nuint)data.Length);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (IoCalls.LastError)
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return WouldBlock;
                    case var errno:
                        throw new LinuxException(errno, $"write descriptor {fd.Number}");
                }
            }
        }
    }

    /// <summary>Sets or clears O_NONBLOCK. It belongs to the open file, so everybody who shares it is affected.</summary>
    public static void SetNonBlocking(FileDescriptor fd, bool nonBlocking)
    {
        var flags = IoCalls.fcntl(fd, IoCalls.F_GETFL, 0);
        var wanted = nonBlocking ? flags | IoCalls.O_NONBLOCK : flags & ~IoCalls.O_NONBLOCK;
        if (flags < 0 || (flags != wanted && IoCalls.fcntl(fd, IoCalls.F_SETFL, wanted) < 0))
        {
            throw new LinuxException(IoCalls.LastError, $"fcntl on descriptor {fd.Number}");
        }
    }

    /// <summary>An event counter, see eventfd(2): readable after somebody has written to it; a read takes eight bytes. Non-blocking.</summary>
    public static FileDescriptor CreateEvent() =>
        EventLoop.Own(IoCalls.eventfd(0, IoCalls.O_CLOEXEC | IoCalls.O_NONBLOCK), "eventfd");

    /// <summary>Goes back to the beginning of a file.</summary>
    public static void Rewind(FileDescriptor file) => _ = IoCalls.lseek(file, 0, 0);

    /// <summary>Opens a directory to name files in it by short paths: <c>directory.ProcPath + "/name"</c>.</summary>
    public static FileDescriptor OpenDirectory(string path) =>
        EventLoop.Own(IoCalls.open(path, IoCalls.O_PATH | IoCalls.O_DIRECTORY | IoCalls.O_CLOEXEC, 0), $"open directory {path}");

    /// <summary>Keeps a descriptor that was inherited from being inherited further.</summary>
    public static void SetCloseOnExec(FileDescriptor fd)
    {
        if (IoCalls.fcntl(fd, IoCalls.F_SETFD, 1) < 0)
        {
            throw new LinuxException(IoCalls.LastError, $"fcntl on descriptor {fd.Number}");
        }
    }

    /// <summary>A second descriptor of the same open file, close-on-exec.</summary>
    public static FileDescriptor Duplicate(FileDescriptor fd) =>
        EventLoop.Own(IoCalls.fcntl(fd, IoCalls.F_DUPFD_CLOEXEC, 3), $"duplicate descriptor {fd.Number}");

    /// <summary>Whether it is a pipe or FIFO.</summary>
    public static bool IsPipe(FileDescriptor fd) => IoCalls.fcntl(fd, IoCalls.F_GETPIPE_SZ, 0) >= 0;

    /// <summary>What is ready on <paramref name="fd"/> now, without waiting.</summary>
    internal static bool IsReady(FileDescriptor fd, short events)
    {
        var poll = new IoCalls.PollFd { Fd = fd.Number, Events = events };
        return IoCalls.poll(&poll, 1, 0) > 0;
    }
}
