using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Drivers;

/// <summary>
/// A bridge on each of several hosts, joined by a VXLAN tunnel (RFC 7348) to the others, whose addresses are given. Every host needs the same
/// subnet and identifier, and a gateway and ip-range of its own.
/// </summary>
internal sealed class OverlayDriver(HostKernel host, BridgeDriver bridge) : INetworkDriver
{
    public const string IdentifierOption = "com.docker.network.driver.overlay.vxlanid_list";
    public const string PeersOption = "cais.network.overlay.peers";
    public const string LocalOption = "cais.network.overlay.local";
    public const string PortOption = "cais.network.overlay.port";

    /// <summary>1500 less what the tunnel adds over IPv4: Ethernet, IP, UDP and VXLAN headers.</summary>
    public const int DefaultMtu = 1450;

    private const ushort DefaultPort = 4789;
    private const uint DefaultIdentifier = 256;
    private static readonly PhysicalAddress Everyone = new(new byte[6]);

    public string HostInterface(Network network) => network.BridgeName!;

    public void Ensure(NetworkState network)
    {
        var settings = Parse(network.Network);
        bridge.Ensure(network);
        var name = TunnelName(network.Network);
        var link = host.Route.FindLink(name);
        if (link is null)
        {
            host.Batch.AddVxlan(name, settings.Identifier, settings.Local, settings.Port, network.BridgeIndex, network.Network.Mtu);
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

    public void Leave(Endpoint endpoint, RouteSocket route) => bridge.Leave(endpoint, route);

    public bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks) =>
        bridge.Verify(network, endpoint, hostLinks);

    private static string TunnelName(Network network) => $"vx-{network.Id[..12]}";

    private static NetworkException Invalid(string option, string value) =>
        new(NetworkError.InvalidParameter, $"invalid value for option {option}: \"{value}\"");

    private static (uint Identifier, IPAddress Local, ushort Port, IReadOnlyList<IPAddress> Peers) Parse(Network network)
    {
        var options = network.Spec.Options;
        var peers = new List<IPAddress>();
        foreach (var text in options.GetValueOrDefault(PeersOption, "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            peers.Add(IPAddress.TryParse(text, out var peer) ? peer : throw Invalid(PeersOption, text));
        }

        var identifier = DefaultIdentifier;
        if (options.TryGetValue(IdentifierOption, out var id) && (!uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out identifier) || identifier is 0 or >= 1 << 24))
        {
            throw Invalid(IdentifierOption, id);
        }

        var port = DefaultPort;
        if (options.TryGetValue(PortOption, out var number) && (!ushort.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out port) || port == 0))
        {
            throw Invalid(PortOption, number);
        }

        var local = options.GetValueOrDefault(LocalOption);
        return (identifier, local is null ? LocalAddress(peers) : IPAddress.TryParse(local, out var address) ? address : throw Invalid(LocalOption, local), port, peers);
    }

    /// <summary>This host's address towards the first peer.</summary>
    private static IPAddress LocalAddress(List<IPAddress> peers)
    {
        if (peers.Count == 0)
        {
            throw new NetworkException(
                NetworkError.InvalidParameter,
                $"an overlay network needs the addresses of the other hosts: --opt {PeersOption}=192.0.2.2,192.0.2.3");
        }

        // A datagram socket that is connected sends nothing; it knows by which address it would. The calling thread lives on the host.
        using var socket = new Socket(peers[0].AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Connect(peers[0], DefaultPort);
            return ((IPEndPoint)socket.LocalEndPoint!).Address;
        }
        catch (SocketException e)
        {
            throw new NetworkException(NetworkError.InvalidParameter, $"the overlay peer {peers[0]} cannot be reached: {e.Message}", e);
        }
    }
}
