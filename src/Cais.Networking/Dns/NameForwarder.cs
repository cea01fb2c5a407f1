using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Cais.Linux;

namespace Cais.Networking.Dns;

/// <summary>
/// Asks other servers, from the host's network: so servers on the host's loopback work too. Every question goes out under a random
/// identifier from a port of its own, and only an answer to that very question comes back (RFC 5452).
/// </summary>
/// <param name="open">Makes a socket in the host's namespace.</param>
internal sealed class NameForwarder(Func<AddressFamily, SocketType, ProtocolType, Task<Socket>> open)
{
    private const int DnsPort = 53;

    /// <summary>Two servers can fail before the asker, who waits five seconds by default (resolv.conf(5)), gives up.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    /// <summary>The first useful answer, under the asker's identifier; null when no server gave any.</summary>
    public async Task<byte[]?> AskAsync(DnsQuery query, IReadOnlyList<IPAddress> servers, bool stream, CancellationToken cancellationToken)
    {
        byte[]? failure = null;
        foreach (var server in servers)
        {
            using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            limit.CancelAfter(Patience);
            try
            {
                var answer = stream
                    ? await AskByStream(query, server, limit.Token).ConfigureAwait(false)
                    : await AskByDatagram(query, server, limit.Token).ConfigureAwait(false);
                BinaryPrimitives.WriteUInt16BigEndian(answer, query.Id);
                if ((DnsCode)(answer[3] & 0x0f) is not (DnsCode.ServerFailure or DnsCode.Refused or DnsCode.NotImplemented))
                {
                    return answer;
                }

                failure = answer;
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or EndOfStreamException)
            {
                cancellationToken.ThrowIfCancellationRequested();
            }
        }

        return failure;
    }

    private static (byte[] Message, ushort Id) Prepare(DnsQuery query)
    {
        var message = query.Message.ToArray();
        var id = (ushort)RandomBytes.Below(0x10000);
        BinaryPrimitives.WriteUInt16BigEndian(message, id);
        return (message, id);
    }

    private async Task<byte[]> AskByDatagram(DnsQuery query, IPAddress server, CancellationToken cancellationToken)
    {
        using var socket = await open(server.AddressFamily, SocketType.Dgram, ProtocolType.Udp).ConfigureAwait(false);
        await socket.ConnectAsync(new IPEndPoint(server, DnsPort), cancellationToken).ConfigureAwait(false);
        var (message, id) = Prepare(query);
        await socket.SendAsync(message, cancellationToken).ConfigureAwait(false);
        var buffer = new byte[4096];
        while (true)
        {
            var count = await socket.ReceiveAsync(buffer, cancellationToken).ConfigureAwait(false);
            if (query.IsAnsweredBy(buffer.AsSpan(0, count), id))
            {
                return buffer[..count];
            }
        }
    }

    private async Task<byte[]> AskByStream(DnsQuery query, IPAddress server, CancellationToken cancellationToken)
    {
        using var socket = await open(server.AddressFamily, SocketType.Stream, ProtocolType.Tcp).ConfigureAwait(false);
        await socket.ConnectAsync(new IPEndPoint(server, DnsPort), cancellationToken).ConfigureAwait(false);
        var (message, id) = Prepare(query);
        using var stream = new NetworkStream(socket, ownsSocket: false);
        await DnsStream.WriteAsync(stream, message, cancellationToken).ConfigureAwait(false);
        var answer = await DnsStream.ReadAsync(stream, cancellationToken).ConfigureAwait(false);
        return answer is not null && query.IsAnsweredBy(answer, id) ? answer : throw new EndOfStreamException();
    }
}

/// <summary>DNS messages over TCP: two bytes of length in front (RFC 1035 section 4.2.2).</summary>
internal static class DnsStream
{
    /// <summary>The next message; null at the end.</summary>
    public static async Task<byte[]?> ReadAsync(Stream stream, CancellationToken cancellationToken)
    {
        var length = new byte[2];
        if (await stream.ReadAtLeastAsync(length, 2, throwOnEndOfStream: false, cancellationToken).ConfigureAwait(false) < 2)
        {
            return null;
        }

        var message = new byte[BinaryPrimitives.ReadUInt16BigEndian(length)];
        await stream.ReadExactlyAsync(message, cancellationToken).ConfigureAwait(false);
        return message;
    }

    public static async Task WriteAsync(Stream stream, ReadOnlyMemory<byte> message, CancellationToken cancellationToken)
    {
        var framed = new byte[message.Length + 2];
        BinaryPrimitives.WriteUInt16BigEndian(framed, (ushort)message.Length);
        message.CopyTo(framed.AsMemory(2));
        await stream.WriteAsync(framed, cancellationToken).ConfigureAwait(false);
    }
}
