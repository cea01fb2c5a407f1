using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Ports;

/// <summary>
/// One host port of a container's, on one address or one of each family, with the sockets that hold it, so that other programs see it as taken. Packets for
/// it are translated before they could reach a socket.
/// </summary>
/// <param name="bindings">At least one; they differ in the host's address only.</param>
/// <param name="sockets">None for SCTP, which the kernel can translate without being able to speak it.</param>
internal sealed class HeldPort(IReadOnlyList<PortBinding> bindings, params IReadOnlyList<Socket> sockets) : IDisposable
{
    public IReadOnlyList<PortBinding> Bindings { get; } = bindings;

    /// <summary>One for both families if it is all addresses of both: ten thousand ports are ten thousand descriptors then, not twice as many.</summary>
    public IReadOnlyList<Socket> Sockets { get; } = sockets;

    public PortProtocol Protocol => Bindings[0].Protocol;

    public ushort HostPort => Bindings[0].HostPort;

    /// <summary>Binds the port in the calling thread's network namespace.</summary>
    /// <exception cref="PortBindException">AddressAlreadyInUse, AddressNotAvailable, AddressFamilyNotSupported ...</exception>
    public static HeldPort Bind(IReadOnlyList<PortBinding> bindings)
    {
        if (bindings[0].Protocol == PortProtocol.Sctp)
        {
            return new HeldPort(bindings);
        }

        if (bindings.Count == 2 && bindings[0].HostAddress.Equals(IPAddress.Any) && bindings[1].HostAddress.Equals(IPAddress.IPv6Any))
        {
            try
            {
                return new HeldPort(bindings, Bind(bindings[1], bothFamilies: true));
            }
            catch (PortBindException e) when (e.Reason != SocketError.TooManyOpenSockets)
            {
                // One by one, to learn which of the two it is.
            }
        }

        var sockets = new List<Socket>(bindings.Count);
        try
        {
            sockets.AddRange(bindings.Select(binding => Bind(binding, bothFamilies: false)));
            return new HeldPort(bindings, sockets);
        }
        catch
        {
            sockets.ForEach(s => s.Dispose());
            throw;
        }
    }

    /// <summary>The binding by which a client of this address has come.</summary>
    public PortBinding BindingFor(IPAddress client)
    {
        var v4 = client.AddressFamily == AddressFamily.InterNetwork || client.IsIPv4MappedToIPv6;
        return Bindings.FirstOrDefault(b => b.HostAddress.AddressFamily == AddressFamily.InterNetwork == v4) ?? Bindings[0];
    }

    public void Dispose()
    {
        foreach (var socket in Sockets)
        {
            socket.Dispose();
        }
    }

    private static Socket Bind(PortBinding binding, bool bothFamilies)
    {
        var tcp = binding.Protocol == PortProtocol.Tcp;
        Socket? socket = null;
        try
        {
            socket = new Socket(binding.HostAddress.AddressFamily, tcp ? SocketType.Stream : SocketType.Dgram, tcp ? ProtocolType.Tcp : ProtocolType.Udp);
            if (binding.HostAddress.AddressFamily == AddressFamily.InterNetworkV6)
            {
                socket.DualMode = bothFamilies;
            }

            socket.Bind(new IPEndPoint(binding.HostAddress, binding.HostPort));
            if (tcp)
            {
                socket.Listen();
            }

            return socket;
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            throw new PortBindException(binding, e);
        }
    }
}
