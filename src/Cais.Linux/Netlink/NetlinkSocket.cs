using System.Runtime.InteropServices;

namespace Cais.Linux.Netlink;

/// <summary>Protocols of linux/netlink.h.</summary>
public enum NetlinkProtocol
{
    /// <summary>Links, addresses, routes, neighbours: rtnetlink(7).</summary>
    Route = 0,

    /// <summary>nf_tables and connection tracking.</summary>
    Netfilter = 12,
}

/// <summary>What the kernel said to one message.</summary>
/// <param name="Sequence">The message's sequence number.</param>
/// <param name="Error">None for an acknowledgement.</param>
/// <param name="Explanation">The kernel's sentence (extended acknowledgement), or null.</param>
public readonly record struct NetlinkAck(uint Sequence, Errno Error, string? Explanation);

/// <summary>Takes one message of a reply.</summary>
public delegate void NetlinkMessageHandler(in NetlinkMessage message);

/// <summary>
/// A netlink socket in the network namespace of the thread that opened it; usable from any thread, by one at a time. The kernel works through
/// what is sent before the send returns, so all answers are there when the reading begins and no call waits.
/// </summary>
public sealed unsafe class NetlinkSocket : IDisposable
{
    /// <summary>What one receive takes: the kernel sends lists in pieces of at most 32 KiB.</summary>
    private const int ReceiveSize = 64 * 1024;

    /// <summary>wmem_default: larger sends need a larger buffer.</summary>
    private const int DefaultSendBuffer = 160 * 1024;

    private const int AckMessageAttribute = 1;
    private int _sendBuffer = DefaultSendBuffer;

    private NetlinkSocket(FileDescriptor descriptor) => Descriptor = descriptor;

    /// <summary>Made when something is received: many a socket is opened and never used, one for every container when the daemon starts.</summary>
    private byte[] Buffer => field ??= GC.AllocateUninitializedArray<byte>(ReceiveSize, pinned: true);

    internal FileDescriptor Descriptor { get; }

    /// <summary>The kernel's number for this socket, which events carry of whoever made the change.</summary>
    public uint PortId { get; private init; }

    /// <summary>Opens a socket in the calling thread's network namespace.</summary>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    public static NetlinkSocket Open(NetlinkProtocol protocol)
    {
        var number = NetworkNative.socket(NetworkNative.AF_NETLINK, NetworkNative.SOCK_RAW | NetworkNative.SOCK_CLOEXEC, (int)protocol);
        if (number < 0)
        {
            throw LinuxException.FromLastError($"open netlink socket ({protocol})");
        }

        var descriptor = new FileDescriptor(number);
        var socket = new NetlinkSocket(descriptor) { PortId = Bind(descriptor) };

        // Errors in words where the kernel has them; without repeating the whole request. Old kernels that know neither work too.
        socket.TrySetOption(NetworkNative.SOL_NETLINK, NetworkNative.NETLINK_EXT_ACK, 1);
        socket.TrySetOption(NetworkNative.SOL_NETLINK, NetworkNative.NETLINK_CAP_ACK, 1);
        return socket;
    }

    /// <summary>Joins a multicast group: changes made by anyone arrive as messages.</summary>
    public void Join(int group)
    {
        if (!TrySetOption(NetworkNative.SOL_NETLINK, NetworkNative.NETLINK_ADD_MEMBERSHIP, group))
        {
            throw LinuxException.FromLastError($"join netlink group {group}");
        }
    }

    /// <summary>
    /// Sends the messages and returns what the kernel answered: acknowledgements to those that asked for one, errors to those that failed.
    /// </summary>
    /// <param name="messages">Finished messages.</param>
    /// <param name="reply">Gets other messages that arrive (echoes).</param>
    public List<NetlinkAck> Send(ReadOnlySpan<byte> messages, NetlinkMessageHandler? reply = null)
    {
        SendOnly(messages);
        var acks = new List<NetlinkAck>(1);
        while (Receive(wait: false) is var received && received >= 0)
        {
            var reader = new NetlinkReader(Buffer.AsSpan(0, received));
            while (reader.TryRead(out var message))
            {
                if (message.Type == NetlinkMessage.ErrorType)
                {
                    acks.Add(ParseAck(message));
                }
                else
                {
                    reply?.Invoke(message);
                }
            }
        }

        return acks;
    }

    /// <summary>Sends one request that lists something and hands over each entry.</summary>
    /// <param name="request">One finished message with <see cref="NetlinkFlags.Dump"/>.</param>
    /// <param name="operation">For the error message: <c>list links</c>.</param>
    /// <param name="entry">Gets the entries.</param>
    /// <exception cref="LinuxException">The kernel refuses.</exception>
    public void Dump(ReadOnlySpan<byte> request, string operation, NetlinkMessageHandler entry)
    {
        var sequence = MemoryMarshal.Read<uint>(request[8..]);
        SendOnly(request);
        while (true)
        {
            var received = Receive(wait: true);
            var reader = new NetlinkReader(Buffer.AsSpan(0, received));
            while (reader.TryRead(out var message))
            {
                if (message.Sequence != sequence)
                {
                    continue;
                }

                if (message.Type == NetlinkMessage.DoneType)
                {
                    ThrowIfFailed(message, operation);
                    return;
                }

                if (message.Type == NetlinkMessage.ErrorType)
                {
                    var ack = ParseAck(message);
                    if (ack.Error != Errno.None)
                    {
                        throw Failure(ack, operation);
                    }

                    return;
                }

                entry(message);
            }
        }
    }

    /// <summary>The exception for a refused message: the operation, the kernel's own words in brackets, the error.</summary>
    public static LinuxException Failure(NetlinkAck ack, string operation) =>
        new(ack.Error, ack.Explanation is { Length: > 0 } words ? $"{operation} ({words})" : operation);

    /// <summary>Hands over the messages of the next datagram of a multicast group, if there is one.</summary>
    /// <exception cref="LinuxException">ENOBUFS: some were lost because nobody read them in time.</exception>
    public void ReceiveEvents(NetlinkMessageHandler handler)
    {
        var received = Receive(wait: false);
        if (received < 0)
        {
            return;
        }

        var reader = new NetlinkReader(Buffer.AsSpan(0, received));
        while (reader.TryRead(out var message))
        {
            handler(message);
        }
    }

    public void Dispose() => Descriptor.Dispose();

    /// <summary>Reads an NLMSG_ERROR message (netlink(7), struct nlmsgerr and what follows it).</summary>
    internal static NetlinkAck ParseAck(in NetlinkMessage message)
    {
        if (message.Payload.Length < 20)
        {
            throw new NetlinkFormatException($"netlink acknowledgement has {message.Payload.Length} bytes, fewer than its header");
        }

        var error = (Errno)(-MemoryMarshal.Read<int>(message.Payload));
        string? explanation = null;
        if (message.Flags.HasFlag(NetlinkFlags.ExtendedAck))
        {
            // Behind the error stands the request's header alone (capped) or the whole request.
            var request = message.Flags.HasFlag(NetlinkFlags.Capped) ? 16 : (int)Math.Min(MemoryMarshal.Read<uint>(message.Payload[4..]), int.MaxValue - 8);
            var offset = 4 + NetlinkBuffer.Align(request);
            if (offset < 0 || offset > message.Payload.Length)
            {
                throw new NetlinkFormatException($"netlink acknowledgement says that it repeats {request} bytes; {message.Payload.Length - 4} are there");
            }

            var attributes = new NetlinkAttributes(message.Payload[offset..]);
            if (attributes.TryFind(AckMessageAttribute, out var text))
            {
                explanation = text.AsString();
            }
        }

        return new NetlinkAck(message.Sequence, error, explanation);
    }

    private static void ThrowIfFailed(in NetlinkMessage done, string operation)
    {
        if (MemoryMarshal.TryRead<int>(done.Payload, out var code) && code < 0)
        {
            throw new LinuxException((Errno)(-code), operation);
        }
    }

    /// <summary>Lets the kernel choose a port identifier (struct sockaddr_nl: family, padding, port, groups).</summary>
    private static uint Bind(FileDescriptor descriptor)
    {
        var address = stackalloc byte[12];
        new Span<byte>(address, 12).Clear();
        *(ushort*)address = NetworkNative.AF_NETLINK;
        var length = 12u;
        if (NetworkNative.bind(descriptor, address, length) != 0 || NetworkNative.getsockname(descriptor, address, &length) != 0)
        {
            var failure = LinuxException.FromLastError("bind netlink socket");
            descriptor.Dispose();
            throw failure;
        }

        return *(uint*)(address + 4);
    }

    private void SendOnly(ReadOnlySpan<byte> messages)
    {
        if (messages.Length > _sendBuffer)
        {
            _sendBuffer = messages.Length * 2;
            TrySetOption(NetworkNative.SOL_SOCKET, NetworkNative.SO_SNDBUFFORCE, _sendBuffer);
        }

        fixed (byte* start = messages)
        {
            while (NetworkNative.send(Descriptor, start, (nuint)messages.Length, 0) < 0)
            {
                if ((Errno)Marshal.GetLastPInvokeError() is var errno && errno != Errno.EINTR)
                {
                    throw new LinuxException(errno, $"send {messages.Length} bytes of netlink messages");
                }
            }
        }
    }

    /// <summary>One datagram; -1 when there is none and <paramref name="wait"/> is false.</summary>
    private int Receive(bool wait)
    {
        fixed (byte* start = Buffer)
        {
            while (true)
            {
                var count = NetworkNative.recv(Descriptor, start, ReceiveSize, (wait ? 0 : NetworkNative.MSG_DONTWAIT) | NetworkNative.MSG_TRUNC);
                if (count > ReceiveSize)
                {
                    throw new NetlinkFormatException($"a netlink datagram of {count} bytes does not fit into {ReceiveSize}");
                }

                if (count >= 0)
                {
                    return (int)count;
                }

                var errno = (Errno)Marshal.GetLastPInvokeError();
                if (errno == Errno.EAGAIN && !wait)
                {
                    return -1;
                }

                if (errno != Errno.EINTR)
                {
                    throw new LinuxException(errno, "receive from netlink socket");
                }
            }
        }
    }

    internal bool TrySetOption(int level, int option, int value) =>
        NetworkNative.setsockopt(Descriptor, level, option, &value, sizeof(int)) == 0;
}
