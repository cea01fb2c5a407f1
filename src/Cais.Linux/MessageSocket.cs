using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux;

/// <summary>Unix sockets that carry messages and descriptors between processes; unix(7). All close-on-exec.</summary>
public static unsafe class MessageSocket
{
    private const int Stream = 1;
    private const int Datagram = 2;
    private const int SequencedPacket = 5;
    private const int CloseOnExec = 0x80000;
    private const int PathOffset = 2;
    private const int PathLength = 108;

    /// <summary>Two connected sockets that keep message boundaries.</summary>
    public static (FileDescriptor, FileDescriptor) Pair()
    {
        var ends = stackalloc int[2];
        return LibC.socketpair(1, SequencedPacket | CloseOnExec, 0, ends) == 0
            ? (new FileDescriptor(ends[0]), new FileDescriptor(ends[1]))
            : throw LinuxException.FromLastError("socketpair");
    }

    /// <summary>Listens at <paramref name="path"/>, which only this user can connect to. Keeps message boundaries.</summary>
    public static FileDescriptor ListenForPackets(string path, int backlog = 8)
    {
        var socket = New(SequencedPacket);
        try
        {
            WithAddress(path, (address, length) =>
            {
                if (LibC.fchmod(socket.Number, 0x180) != 0 || LibC.bind(socket.Number, address, length) != 0 || LibC.listen(socket.Number, backlog) != 0)
                {
                    throw LinuxException.FromLastError($"listen on {path}");
                }
            });
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public static FileDescriptor ConnectForPackets(string path) => Connect(path, SequencedPacket);

    public static FileDescriptor ConnectStream(string path) => Connect(path, Stream);

    /// <summary>For services that take one message at a time and answer none, such as syslog's <c>/dev/log</c>.</summary>
    public static FileDescriptor ConnectForDatagrams(string path) => Connect(path, Datagram);

    /// <summary>Sends <paramref name="data"/> (at least a byte) and, with it, another descriptor for <paramref name="passed"/>'s open file.</summary>
    public static void SendDescriptor(FileDescriptor socket, ReadOnlySpan<byte> data, FileDescriptor passed)
    {
        var control = stackalloc nint[3];
        control[0] = 20;
        ((int*)control)[2] = 1; // SOL_SOCKET
        ((int*)control)[3] = 1; // SCM_RIGHTS
        ((int*)control)[4] = passed.Number;
        fixed (byte* start = data)
        {
            var part = new IoVector { Base = start, Length = (nuint)data.Length };
            var message = new MessageHeader { Parts = &part, PartCount = 1, Control = control, ControlLength = 24 };
            nint sent;
            do
            {
                sent = LibC.sendmsg(socket.Number, &message, 0x4000);
            }
            while (sent < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
            if (sent < 0)
            {
                throw LinuxException.FromLastError("send a descriptor");
            }
        }
    }

    /// <summary>Waits until there is a message or the end to receive; false once <paramref name="sender"/>, a process, has ended without either.</summary>
    public static bool AwaitMessage(FileDescriptor socket, FileDescriptor sender)
    {
        var watched = stackalloc PollFd[2];
        watched[0] = new PollFd { Fd = socket.Number, Events = 1 };
        watched[1] = new PollFd { Fd = sender.Number, Events = 1 };
        var patience = -1;
        while (true)
        {
            var n = LibC.poll(watched, 2, patience);
            if (n < 0 && Marshal.GetLastPInvokeError() != (int)Errno.EINTR)
            {
                throw LinuxException.FromLastError("wait for a message");
            }

            if (n >= 0 && watched[0].Returned != 0)
            {
                return true;
            }

            if (n >= 0 && watched[1].Returned != 0)
            {
                // It may have said something between the two looks: whoever has ended says no more, so the second look is the last.
                if (patience == 0)
                {
                    return false;
                }

                patience = 0;
            }
        }
    }

    /// <summary>Receives a message, or 0 at the end; <paramref name="passed"/> is a descriptor that came with it.</summary>
    public static int Receive(FileDescriptor socket, Span<byte> buffer, out FileDescriptor? passed)
    {
        var control = stackalloc nint[3];
        fixed (byte* start = buffer)
        {
            var part = new IoVector { Base = start, Length = (nuint)buffer.Length };
            var message = new MessageHeader { Parts = &part, PartCount = 1, Control = control, ControlLength = 24 };
            nint received;
            do
            {
                received = LibC.recvmsg(socket.Number, &message, 0x40000000);
            }
            while (received < 0 && Marshal.GetLastPInvokeError() == (int)Errno.EINTR);
            if (received < 0)
            {
                if (Marshal.GetLastPInvokeError() == (int)Errno.ECONNRESET)
                {
                    passed = null;
                    return 0;
                }

                throw LinuxException.FromLastError("receive a message");
            }

            passed = message.ControlLength >= 20 && ((int*)control)[2] == 1 && ((int*)control)[3] == 1 ? new FileDescriptor(((int*)control)[4]) : null;
            return (int)received;
        }
    }

    private static FileDescriptor Connect(string path, int type)
    {
        var socket = New(type);
        try
        {
            WithAddress(path, (address, length) =>
            {
                if (LibC.connect(socket.Number, address, length) != 0)
                {
                    throw LinuxException.FromLastError($"connect to {path}");
                }
            });
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static FileDescriptor New(int type)
    {
        var fd = LibC.socket(1, type | CloseOnExec, 0);
        return fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError("socket");
    }

    private delegate void AddressUser(byte* address, uint length);

    /// <summary>An address holds 107 bytes of path; a longer one is reached through its directory's descriptor.</summary>
    private static void WithAddress(string path, AddressUser use)
    {
        if (Encoding.UTF8.GetByteCount(path) < PathLength)
        {
            Encode(path, use);
            return;
        }

        using var directory = Files.Open(Path.GetDirectoryName(path) ?? "/", OpenFlags.Path | OpenFlags.Directory);
        Encode($"{directory.ProcPath}/{Path.GetFileName(path)}", use);
    }

    private static void Encode(string path, AddressUser use)
    {
        var address = stackalloc byte[PathOffset + PathLength];
        *(ushort*)address = 1;
        var length = Encoding.UTF8.GetBytes(path, new Span<byte>(address + PathOffset, PathLength - 1));
        address[PathOffset + length] = 0;
        use(address, (uint)(PathOffset + length + 1));
    }
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct IoVector
{
    public byte* Base;
    public nuint Length;
}

[StructLayout(LayoutKind.Sequential)]
internal unsafe struct MessageHeader
{
    public void* Name;
    public uint NameLength;
    public IoVector* Parts;
    public nuint PartCount;
    public void* Control;
    public nuint ControlLength;
    public int Flags;
}

internal static unsafe partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int socketpair(int domain, int type, int protocol, int* ends);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int bind(int fd, byte* address, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int connect(int fd, byte* address, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int listen(int fd, int backlog);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fchmod(int fd, uint mode);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint sendmsg(int fd, MessageHeader* message, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint recvmsg(int fd, MessageHeader* message, int flags);
}
