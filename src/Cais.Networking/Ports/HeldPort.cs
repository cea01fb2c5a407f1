using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>
/// A published port with the socket that holds it on the host, so that other programs see it as taken. Packets for it are translated before
/// they could reach the socket.
/// </summary>
internal sealed class HeldPort(PortBinding binding, Socket? socket) : IDisposable
{
    public PortBinding Binding { get; } = binding;

    /// <summary>Null for SCTP, which the kernel can translate without being able to speak it.</summary>
    public Socket? Socket { get; } = socket;

    /// <summary>Binds the port in the calling thread's network namespace.</summary>
    /// <exception cref="SocketException">AddressAlreadyInUse, AddressNotAvailable, AddressFamilyNotSupported ...</exception>
    public static HeldPort Bind(PortBinding binding)
    {
        if (binding.Protocol == PortProtocol.Sctp)
        {
            return new HeldPort(binding, null);
        }

        var tcp = binding.Protocol == PortProtocol.Tcp;
        var socket = new Socket(binding.HostAddress.AddressFamily, tcp ? SocketType.Stream : SocketType.Dgram, tcp ? ProtocolType.Tcp : ProtocolType.Udp);
        try
        {
            if (binding.HostAddress.AddressFamily == AddressFamily.InterNetworkV6)
            {
                // The IPv4 side has a socket of its own.
                socket.DualMode = false;
            }

            socket.Bind(new IPEndPoint(binding.HostAddress, binding.HostPort));
            if (tcp)
            {
                socket.Listen();
            }

            return new HeldPort(binding, socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    public void Dispose() => Socket?.Dispose();
}
