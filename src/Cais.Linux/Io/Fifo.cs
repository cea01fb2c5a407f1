namespace Cais.Linux.Io;

/// <summary>Named pipes, see fifo(7). All descriptors are close-on-exec.</summary>
public static class Fifo
{
    /// <summary>Makes a FIFO; one that is already there is fine. It belongs to this process, or to <paramref name="owner"/>.</summary>
    public static void Create(string path, uint mode = 0x180 /* 0600 */, (uint User, uint Group)? owner = null)
    {
        if (IoCalls.mkfifo(path, mode) < 0 && IoCalls.LastError != Errno.EEXIST)
        {
            throw new LinuxException(IoCalls.LastError, $"make fifo {path}");
        }

        if (owner is { } given)
        {
            Status.PathAttributes.ChangeOwner(path, given.User, given.Group);
        }
    }

    /// <summary>Opens the reading end, non-blocking: needs no writer. Until the first writer comes, reads return 0 but the descriptor is not ready.</summary>
    public static FileDescriptor OpenRead(string path) => Open(path, IoCalls.O_RDONLY | IoCalls.O_NONBLOCK, "reading");

    /// <summary>Opens the writing end, non-blocking.</summary>
    /// <exception cref="LinuxException">ENXIO: nobody has the reading end open.</exception>
    public static FileDescriptor OpenWrite(string path) => Open(path, IoCalls.O_WRONLY | IoCalls.O_NONBLOCK, "writing");

    /// <summary>
    /// Opens both ends in one descriptor, non-blocking: never waits and never fails for want of the other side, and keeps the pipe's content
    /// while it is open. Whoever holds it is a writer too, so readers see no end until it is closed.
    /// </summary>
    public static FileDescriptor OpenBoth(string path) => Open(path, IoCalls.O_RDWR | IoCalls.O_NONBLOCK, "reading and writing");

    /// <summary>Opens one end in blocking mode, as a program expects its standard streams. Waits for the other side unless somebody holds it.</summary>
    public static FileDescriptor OpenBlocking(string path, bool forWriting) =>
        Open(path, forWriting ? IoCalls.O_WRONLY : IoCalls.O_RDONLY, forWriting ? "writing" : "reading");

    private static FileDescriptor Open(string path, int flags, string purpose) =>
        EventLoop.Own(IoCalls.open(path, flags | IoCalls.O_CLOEXEC, 0), $"open fifo {path} for {purpose}");
}
