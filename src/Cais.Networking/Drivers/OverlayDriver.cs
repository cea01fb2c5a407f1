using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Dns;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Drivers;

/// <summary>
/// A bridge on each of several hosts, joined by a VXLAN tunnel (RFC 7348) to the others, whose addresses are given. Every host needs the same
/// subnet and identifier, and a gateway and ip-range of its own.
/// </summary>
/// <param name="host">The host.</param>
/// <param name="bridge">For the bridge on this host.</param>
/// <param name="names">Answers the other hosts' questions for names.</param>
internal sealed class OverlayDriver(HostKernel host, BridgeDriver bridge, PeerNames names) : INetworkDriver
{
    /// <summary>1500 less what the tunnel adds over IPv4: Ethernet, IP, UDP and VXLAN headers.</summary>
    public const int DefaultMtu = 1450;

    private static readonly PhysicalAddress Everyone = new(new byte[6]);

    public string HostInterface(Network network) => network.BridgeName!;

    public void Ensure(NetworkState network)
    {
        var settings = OverlaySettings.Parse(network.Network);
        var local = settings.Local ?? LocalAddress(settings.Peers);
        names.Listen(local, settings.NamesPort);
        bridge.Ensure(network);
        var name = TunnelName(network.Network);
        var link = host.Route.FindLink(name);
        if (link is null)
        {
            host.Batch.AddVxlan(name, settings.Identifier, local, settings.Port, network.BridgeIndex, network.Network.Mtu);
            host.Route.Execute(host.Batch, Errno.EEXIST);
            link = host.Route.FindLink(name) ?? throw new NetworkException(NetworkError.Kernel, $"interface {name} vanished as it was created");
        }
        else if (link.Master != network.BridgeIndex)
        {
            host.Batch.SetMaster(link.Index, name, network.BridgeIndex);
        }

        foreach (var peer in settings.Peers)
        {
            host.Batch.AddTunnelPeer(link.Index, Everyone, peer);
        }

        host.Route.Execute(host.Batch, Errno.EEXIST);
    }

    public void Remove(NetworkState network)
    {
        host.Batch.DeleteLink(TunnelName(network.Network));
        host.Route.Execute(host.Batch, Errno.ENODEV);
        bridge.Remove(network);
    }

    public int Join(NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside) => bridge.Join(network, endpoint, target, inside);

    public bool HasHostEnd => true;

    public void Leave(Endpoint endpoint, RouteSocket route) => bridge.Leave(endpoint, route);

    public bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks) =>
        bridge.Verify(network, endpoint, hostLinks);

    private static string TunnelName(Network network) => $"vx-{network.Id[..12]}";

    /// <summary>This host's address towards the first peer.</summary>
    private static IPAddress LocalAddress(IReadOnlyList<IPAddress> peers)
    {
        const ushort anyPort = 4789;

        // A datagram socket that is connected sends nothing; it knows by which address it would. The calling thread lives on the host.
        using var socket = new Socket(peers[0].AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Connect(peers[0], anyPort);
            return ((IPEndPoint)socket.LocalEndPoint!).Address;
        }
        catch (SocketException e)
        {
            throw new NetworkException(NetworkError.InvalidParameter, $"the overlay peer {peers[0]} cannot be reached: {e.Message}", e);
        }
    }
}
