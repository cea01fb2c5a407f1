namespace Cais.Linux.Io;

/// <summary>Anonymous pipes, and moving bytes between pipes and other descriptors inside the kernel.</summary>
public static unsafe class Pipe
{
    /// <summary>A new pipe, close-on-exec.</summary>
    public static (FileDescriptor Reader, FileDescriptor Writer) Create(bool nonBlocking = false)
    {
        var fds = stackalloc int[2];
        if (IoCalls.pipe2(fds, IoCalls.O_CLOEXEC | (nonBlocking ? IoCalls.O_NONBLOCK : 0)) < 0)
        {
            throw new LinuxException(IoCalls.LastError, "make a pipe");
        }

        return (new FileDescriptor(fds[0]), new FileDescriptor(fds[1]));
    }

    /// <summary>
    /// Moves up to <paramref name="length"/> bytes, one of the two being a pipe: the number moved, 0 at the end, or
    /// <see cref="Descriptors.WouldBlock"/>, which does not say which side. See splice(2).
    /// </summary>
    /// <exception cref="LinuxException">EINVAL: this pair cannot be spliced.</exception>
    public static int TrySplice(FileDescriptor from, FileDescriptor to, int length) =>
        Moved(IoCalls.splice(from, null, to, null, (nuint)length, IoCalls.SPLICE_F_MOVE | IoCalls.SPLICE_F_NONBLOCK), "splice", from, to);

    /// <summary>Duplicates up to <paramref name="length"/> bytes from one pipe to another without consuming them. See tee(2).</summary>
    public static int TryTee(FileDescriptor from, FileDescriptor to, int length) =>
        Moved(IoCalls.tee(from, to, (nuint)length, IoCalls.SPLICE_F_NONBLOCK), "tee", from, to);

    private static int Moved(nint result, string operation, FileDescriptor from, FileDescriptor to)
    {
        if (result >= 0)
        {
            return (int)result;
        }

        var errno = IoCalls.LastError;
        return errno is Errno.EAGAIN or Errno.EINTR
            ? Descriptors.WouldBlock
            : throw new LinuxException(errno, $"{operation} descriptor {from.Number} to {to.Number}");
    }
}
