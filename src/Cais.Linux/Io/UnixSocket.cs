using System.Text;

namespace Cais.Linux.Io;

/// <summary>Stream sockets of the unix domain without <c>System.Net.Sockets</c>, and passing descriptors over them. See unix(7).</summary>
public static unsafe class UnixSocket
{
    private const int PathCapacity = 108;
    private const int MaxPassedDescriptors = 16;

    /// <summary>
    /// Listens at <paramref name="path"/>, non-blocking; the file must not exist. A leading <c>@</c> names an abstract socket. Longer paths
    /// than the kernel's 107 bytes work, by way of an open directory.
    /// </summary>
    /// <param name="path">Where.</param>
    /// <param name="backlog">Connections that may wait to be accepted.</param>
    /// <param name="mode">The file's permissions; null leaves what the umask gives. Set before anybody can connect.</param>
    public static FileDescriptor Listen(string path, int backlog = 128, uint? mode = null)
    {
        var socket = Create();
        try
        {
            WithAddress(path, (address, length) =>
                Check(IoCalls.bind(socket, (void*)address, length), $"listen on {path}"));
            if (mode is { } bits)
            {
                Check(IoCalls.chmod(path, bits), $"set the permissions of {path}");
            }

            Check(IoCalls.listen(socket, backlog), $"listen on {path}");
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Connects; a non-blocking unix socket connects at once or not at all.</summary>
    /// <param name="path">Where.</param>
    /// <param name="blocking">The socket waits: for room in the listener's queue, and later for data.</param>
    /// <exception cref="LinuxException">ENOENT or ECONNREFUSED: nobody listens. EAGAIN: the listener's queue is full.</exception>
    public static FileDescriptor Connect(string path, bool blocking = false)
    {
        var socket = Create(blocking);
        try
        {
            WithAddress(path, (address, length) =>
                Check(IoCalls.connect(socket, (void*)address, length), $"connect to {path}"));
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Whether the descriptor is a socket that listens.</summary>
    public static bool IsListening(FileDescriptor fd)
    {
        int value;
        uint length = sizeof(int);
        return IoCalls.getsockopt(fd, IoCalls.SOL_SOCKET, IoCalls.SO_ACCEPTCONN, &value, &length) == 0 && value == 1;
    }

    /// <summary>The next connection of a non-blocking listener, non-blocking itself, or null if none waits.</summary>
    public static FileDescriptor? TryAccept(FileDescriptor listener)
    {
        while (true)
        {
            var fd = IoCalls.accept4(listener, null, null, IoCalls.SOCK_CLOEXEC | IoCalls.SOCK_NONBLOCK);
            if (fd >= 0)
            {
                return new FileDescriptor(fd);
            }

            switch (IoCalls.LastError)
            {
                case Errno.EINTR or Errno.ECONNABORTED:
                    continue;
                case Errno.EAGAIN:
                    return null;
                case var errno:
                    throw new LinuxException(errno, "accept a connection");
            }
        }
    }

    /// <summary>Two connected, non-blocking sockets.</summary>
    public static (FileDescriptor First, FileDescriptor Second) CreatePair()
    {
        var fds = stackalloc int[2];
        var type = IoCalls.SOCK_STREAM | IoCalls.SOCK_CLOEXEC | IoCalls.SOCK_NONBLOCK;
        Check(IoCalls.socketpair(IoCalls.AF_UNIX, type, 0, fds), "make a pair of sockets");
        return (new FileDescriptor(fds[0]), new FileDescriptor(fds[1]));
    }

    /// <summary>Says that nothing more will be written; the other side reads its end.</summary>
    public static void ShutdownWrite(FileDescriptor socket) => _ = IoCalls.shutdown(socket, 1);

    /// <summary>Ends both directions: whoever reads or writes, on any thread, returns.</summary>
    public static void Shutdown(FileDescriptor socket) => _ = IoCalls.shutdown(socket, 2);

    /// <summary>Sends without SIGPIPE: the number of bytes taken, or <see cref="Descriptors.WouldBlock"/>.</summary>
    public static int TrySend(FileDescriptor socket, ReadOnlySpan<byte> data) => TrySend(socket, data, []);

    /// <summary>Sends bytes with copies of <paramref name="descriptors"/> attached to the first of them.</summary>
    public static int TrySend(FileDescriptor socket, ReadOnlySpan<byte> data, ReadOnlySpan<FileDescriptor> descriptors)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(descriptors.Length, MaxPassedDescriptors);
        var control = stackalloc byte[ControlSpace(MaxPassedDescriptors)];
        fixed (byte* start = data)
        {
            var vector = new IoCalls.IoVector { Base = start, Length = (nuint)data.Length };
            var message = new IoCalls.MessageHeader { Vectors = &vector, VectorCount = 1 };
            if (descriptors.Length > 0)
            {
                message.Control = control;
                message.ControlLength = (nuint)ControlSpace(descriptors.Length);
                *(IoCalls.ControlHeader*)control = new IoCalls.ControlHeader
                {
                    Length = (nuint)(sizeof(IoCalls.ControlHeader) + (sizeof(int) * descriptors.Length)),
                    Level = IoCalls.SOL_SOCKET,
                    Type = IoCalls.SCM_RIGHTS,
                };
                var numbers = (int*)(control + sizeof(IoCalls.ControlHeader));
                for (var i = 0; i < descriptors.Length; i++)
                {
                    numbers[i] = descriptors[i].Number;
                }
            }

            while (true)
            {
                var count = IoCalls.sendmsg(socket, &message, IoCalls.MSG_NOSIGNAL);
                if (count >= 0)
                {
                    return (int)count;
                }

                switch (IoCalls.LastError)
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return Descriptors.WouldBlock;
                    case var errno:
                        throw new LinuxException(errno, "send to a socket");
                }
            }
        }
    }

    /// <summary>
    /// Receives bytes and the descriptors that came with them: the number of bytes, 0 at the end, or <see cref="Descriptors.WouldBlock"/>.
    /// The descriptors are the caller's.
    /// </summary>
    public static int TryReceive(FileDescriptor socket, Span<byte> buffer, ICollection<FileDescriptor> descriptors)
    {
        var control = stackalloc byte[ControlSpace(MaxPassedDescriptors)];
        fixed (byte* start = buffer)
        {
            while (true)
            {
                var vector = new IoCalls.IoVector { Base = start, Length = (nuint)buffer.Length };
                var message = new IoCalls.MessageHeader
                {
                    Vectors = &vector,
                    VectorCount = 1,
                    Control = control,
                    ControlLength = (nuint)ControlSpace(MaxPassedDescriptors),
                };
                var count = IoCalls.recvmsg(socket, &message, IoCalls.MSG_CMSG_CLOEXEC | IoCalls.MSG_DONTWAIT);
                if (count >= 0)
                {
                    TakeDescriptors(control, (int)message.ControlLength, descriptors);
                    return (int)count;
                }

                switch (IoCalls.LastError)
                {
                    case Errno.EINTR:
                        continue;
                    case Errno.EAGAIN:
                        return Descriptors.WouldBlock;
                    case var errno:
                        throw new LinuxException(errno, "receive from a socket");
                }
            }
        }
    }

    private static void TakeDescriptors(byte* control, int length, ICollection<FileDescriptor> descriptors)
    {
        var offset = 0;
        while (offset + sizeof(IoCalls.ControlHeader) <= length)
        {
            var header = (IoCalls.ControlHeader*)(control + offset);
            var size = (int)header->Length;
            if (size < sizeof(IoCalls.ControlHeader) || offset + size > length)
            {
                return;
            }

            if (header->Level == IoCalls.SOL_SOCKET && header->Type == IoCalls.SCM_RIGHTS)
            {
                var numbers = (int*)(control + offset + sizeof(IoCalls.ControlHeader));
                for (var i = 0; i < (size - sizeof(IoCalls.ControlHeader)) / sizeof(int); i++)
                {
                    descriptors.Add(new FileDescriptor(numbers[i]));
                }
            }

            offset += (size + sizeof(nuint) - 1) & ~(sizeof(nuint) - 1);
        }
    }

    private static int ControlSpace(int descriptors) =>
        sizeof(IoCalls.ControlHeader) + (((sizeof(int) * descriptors) + sizeof(nuint) - 1) & ~(sizeof(nuint) - 1));

    private static FileDescriptor Create(bool blocking = false) => EventLoop.Own(
        IoCalls.socket(IoCalls.AF_UNIX, IoCalls.SOCK_STREAM | IoCalls.SOCK_CLOEXEC | (blocking ? 0 : IoCalls.SOCK_NONBLOCK), 0), "make a unix socket");

    private static void WithAddress(string path, Action<nint, uint> use)
    {
        var name = Encoding.UTF8.GetBytes(path);
        if (name.Length is 0 || name.AsSpan().Contains((byte)0))
        {
            throw new LinuxException(Errno.EINVAL, $"unix socket \"{path}\"");
        }

        var isAbstract = name[0] == (byte)'@';
        if (name.Length >= PathCapacity && !isAbstract)
        {
            using var directory = Descriptors.OpenDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            WithAddress($"{directory.ProcPath}/{Path.GetFileName(path)}", use);
            return;
        }

        if (name.Length > PathCapacity)
        {
            throw new LinuxException(Errno.ENAMETOOLONG, $"unix socket {path}");
        }

        // struct sockaddr_un: the family, then the path with its terminator, or a zero and the abstract name without one.
        var address = stackalloc byte[2 + PathCapacity];
        new Span<byte>(address, 2 + PathCapacity).Clear();
        *(ushort*)address = IoCalls.AF_UNIX;
        name.CopyTo(new Span<byte>(address + 2, PathCapacity));
        if (isAbstract)
        {
            address[2] = 0;
        }

        use((nint)address, (uint)(2 + name.Length + (isAbstract ? 0 : 1)));
    }

    private static void Check(int result, string operation)
    {
        if (result < 0)
        {
            throw new LinuxException(IoCalls.LastError, operation);
        }
    }
}
