using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>As <see cref="PortRelay"/>, for UDP: every sender gets a socket of its own towards the container, until both are silent for a while.</summary>
/// <param name="target">Where the port leads now for that sender; null when nowhere.</param>
/// <param name="open">Makes a socket in the host's namespace.</param>
internal sealed class DatagramRelay(
    Func<PortBinding, IPAddress, IPEndPoint?> target, Func<AddressFamily, SocketType, ProtocolType, Task<Socket>> open)
{
    private const int LargestDatagram = 64 * 1024;

    /// <summary>Senders may be forged: so many are served at once, and no more.</summary>
    private const int MostFlows = 1024;

    /// <summary>As long as docker's proxy and the kernel's translation of streams of datagrams keep them.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly ConcurrentDictionary<IPEndPoint, Flow> _flows = new();

    /// <summary>Serves what arrives at one of the port's sockets, until the port is given up.</summary>
    public async Task ServeAsync(HeldPort held, Socket socket)
    {
        var peek = new byte[1];
        var any = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        try
        {
            while (true)
            {
                try
                {
                    // A port at which nothing arrives holds no buffer.
                    await socket.ReceiveFromAsync(peek, SocketFlags.Peek, any).ConfigureAwait(false);
                    await CarryAsync(held, socket, any).ConfigureAwait(false);
                }
                catch (SocketException e) when (e.SocketErrorCode is not (SocketError.OperationAborted or SocketError.NotSocket or SocketError.Interrupted))
                {
                    // One sender's trouble (ICMP, a datagram too large); the next.
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            foreach (var flow in _flows.Values)
            {
                flow.Dispose();
            }
        }
    }

    private async Task CarryAsync(HeldPort held, Socket socket, IPEndPoint any)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(LargestDatagram);
        try
        {
            var received = await socket.ReceiveFromAsync(buffer, any).ConfigureAwait(false);
            var sender = (IPEndPoint)received.RemoteEndPoint;
            if (!_flows.TryGetValue(sender, out var flow))
            {
                if (_flows.Count >= MostFlows || target(held.BindingFor(sender.Address), sender.Address) is not { } endpoint)
                {
                    return;
                }

                var server = await open(endpoint.AddressFamily, SocketType.Dgram, ProtocolType.Udp).ConfigureAwait(false);
                await server.ConnectAsync(endpoint).ConfigureAwait(false);
                _flows[sender] = flow = new Flow(server, Patience);
                _ = AnswerAsync(flow, socket, sender);
            }

            flow.Touch();
            await flow.Server.SendAsync(buffer.AsMemory(0, received.ReceivedBytes)).ConfigureAwait(false);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task AnswerAsync(Flow flow, Socket socket, IPEndPoint sender)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(LargestDatagram);
        try
        {
            while (true)
            {
                var count = await flow.Server.ReceiveAsync(buffer, flow.Silent).ConfigureAwait(false);
                flow.Touch();
                await socket.SendToAsync(buffer.AsMemory(0, count), sender).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // Silent for long, refused by the container, or the port was given up.
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            _flows.TryRemove(sender, out _);
            flow.Dispose();
        }
    }

    private sealed class Flow : IDisposable
    {
        private readonly CancellationTokenSource _silence = new();
        private readonly TimeSpan _patience;

        public Flow(Socket server, TimeSpan patience)
        {
            Server = server;
            Silent = _silence.Token;
            _patience = patience;
        }

        public Socket Server { get; }

        /// <summary>Fires when nothing has gone either way for long.</summary>
        public CancellationToken Silent { get; }

        /// <summary>Something went through.</summary>
        public void Touch()
        {
            try
            {
                _silence.CancelAfter(_patience);
            }
            catch (ObjectDisposedException)
            {
                // It has just ended; the send that follows finds its socket closed.
            }
        }

        public void Dispose()
        {
            Server.Dispose();
            _silence.Dispose();
        }
    }
}
