using System.Buffers;
using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>
/// Carries connections that packet translation cannot: from ::1, which the kernel lets no other interface see, and from IPv6 to containers
/// that have IPv4 only. They arrive at the socket that holds the port. Nothing else comes here, so it costs nothing else anything.
/// </summary>
/// <param name="target">Where the port leads now for that client; null when nowhere.</param>
/// <param name="open">Makes a socket in the host's namespace.</param>
internal sealed class PortRelay(Func<PortBinding, IPAddress, IPEndPoint?> target, Func<AddressFamily, SocketType, ProtocolType, Task<Socket>> open)
{
    private const int BufferSize = 64 * 1024;
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(100);

    /// <summary>Serves what arrives at one of the port's sockets, until the port is given up.</summary>
    public async Task ServeAsync(HeldPort held, Socket listener)
    {
        while (true)
        {
            try
            {
                _ = CarryAsync(await listener.AcceptAsync().ConfigureAwait(false), held);
            }
            catch (SocketException e) when (e.SocketErrorCode is SocketError.OperationAborted or SocketError.NotSocket or SocketError.Interrupted)
            {
                return;
            }
            catch (ObjectDisposedException)
            {
                return;
            }
            catch (SocketException)
            {
                // Out of descriptors, perhaps: those who wait must not make us spin.
                await Task.Delay(PauseAfterFailure).ConfigureAwait(false);
            }
        }
    }

    private static async Task CopyAsync(Socket from, Socket to)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            while (await from.ReceiveAsync(buffer).ConfigureAwait(false) is var count and > 0)
            {
                await to.SendAsync(buffer.AsMemory(0, count)).ConfigureAwait(false);
            }

            to.Shutdown(SocketShutdown.Send);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task CarryAsync(Socket client, HeldPort held)
    {
        using (client)
        {
            try
            {
                if (client.RemoteEndPoint is not IPEndPoint peer || target(held.BindingFor(peer.Address), peer.Address) is not { } endpoint)
                {
                    client.Close(0);
                    return;
                }

                using var server = await open(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp).ConfigureAwait(false);
                using (var limit = new CancellationTokenSource(ConnectPatience))
                {
                    await server.ConnectAsync(endpoint, limit.Token).ConfigureAwait(false);
                }

                client.NoDelay = server.NoDelay = true;
                var forth = CopyAsync(client, server);
                var back = CopyAsync(server, client);

                // One side may end before the other; one that fails takes the other with it.
                var first = await Task.WhenAny(forth, back).ConfigureAwait(false);
                await first.ConfigureAwait(false);
                await Task.WhenAll(forth, back).ConfigureAwait(false);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                // One of the two is gone; closing both tells the other.
                client.Close(0);
            }
        }
    }
}
