using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Drivers;

/// <summary>
/// A bridge on the host, one veth pair per container. The kernel is asked for everything a container needs in three sends: the pair with its
/// far end already in the namespace, the bridge's forwarding entry, and addresses inside.
/// </summary>
/// <param name="host">The host.</param>
/// <param name="routeLoopback">Whether 127.0.0.1 leads to published ports in the kernel; if not, somebody relays.</param>
internal sealed class BridgeDriver(HostKernel host, bool routeLoopback) : INetworkDriver
{
    public string HostInterface(Network network) => network.BridgeName!;

    public void Ensure(NetworkState network)
    {
        var name = network.Network.BridgeName!;
        var link = host.Route.FindLink(name);
        if (link is null)
        {
            host.Batch.AddBridge(name, RandomAddress(), network.Network.Mtu);
            host.Route.Execute(host.Batch, Errno.EEXIST);
            link = host.Route.FindLink(name) ?? throw new NetworkException(NetworkError.Kernel, $"bridge {name} vanished as it was created");
        }

        if (link.Kind != "bridge")
        {
            throw new NetworkException(
                NetworkError.Conflict,
                $"cannot create network {network.Network.Id} ({name}): the interface {name} exists and is not a bridge: remove it, or choose another bridge name");
        }

        network.BridgeIndex = link.Index;
        var hasIPv6 = network.Blocks.Any(b => b.Family == AddressFamily.InterNetworkV6);
        if (Sysctl.Read($"ipv6/conf/{name}/disable_ipv6") is not null)
        {
            // Without addresses of its own the bridge would still get a link-local one, by which containers reach the host unasked.
            Sysctl.Write($"ipv6/conf/{name}/disable_ipv6", hasIPv6 ? "0" : "1");
            Sysctl.Write($"ipv6/conf/{name}/accept_ra", "0");
        }

        // For connections from 127.0.0.1 to published ports; the packet filter keeps the way back closed.
        Sysctl.Write($"ipv4/conf/{name}/route_localnet", routeLoopback ? "1" : "0");
        if (!network.Settings.InterContainer)
        {
            // Isolated ports do not even hear each other's questions for addresses: the bridge answers for all, so that what is for a neighbour is routed, and meets the
            // packet filter, which lets links through.
            Sysctl.Write($"ipv4/conf/{name}/proxy_arp_pvlan", "1");
            Sysctl.Write($"ipv4/neigh/{name}/proxy_delay", "0");
            Sysctl.Write($"ipv4/conf/{name}/send_redirects", "0");
        }
        else
        {
            Sysctl.Write($"ipv4/conf/{name}/proxy_arp_pvlan", "0");
        }

        if (!link.IsUp)
        {
            host.Batch.SetUp(link.Index, name);
        }

        if (link.Mtu != network.Network.Mtu)
        {
            host.Batch.SetMtu(link.Index, name, network.Network.Mtu);
        }

        EnsureAddresses(network, link);
        host.Route.Execute(host.Batch);
    }

    public void Remove(NetworkState network)
    {
        host.Batch.DeleteLink(network.Network.BridgeName!);
        host.Route.Execute(host.Batch, Errno.ENODEV);
    }

    public int Join(NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside)
    {
        var (port, peer) = CreatePair(network, endpoint, target);
        host.Batch.AddForwarding(port, endpoint.MacAddress!);

        // Isolated ports talk to the bridge only: that holds without br_netfilter too. With br_netfilter, what a container sends to its own
        // published port is translated within the bridge and has to leave by the port it came from.
        var hairpin = Sysctl.Read("bridge/bridge-nf-call-iptables") == "1" || Sysctl.Read("bridge/bridge-nf-call-ip6tables") == "1";
        if (hairpin || !network.Settings.InterContainer)
        {
            host.Batch.SetBridgePort(port, endpoint.HostInterfaceName!, isolated: !network.Settings.InterContainer, hairpin);
        }

        host.Route.Execute(host.Batch);
        ContainerInterface.Configure(host, endpoint, target, peer, inside);
        return peer;
    }

    public bool HasHostEnd => true;

    public void Leave(Endpoint endpoint, RouteSocket route)
    {
        var batch = new RouteBatch();
        batch.DeleteLink(endpoint.HostInterfaceName!);
        route.Execute(batch, Errno.ENODEV);
    }

    public bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks)
    {
        if (!hostLinks.TryGetValue(endpoint.HostInterfaceName!, out var link))
        {
            return false;
        }

        if (link.Master != network.BridgeIndex)
        {
            host.Batch.SetMaster(link.Index, link.Name, network.BridgeIndex);
        }

        if (!link.IsUp)
        {
            host.Batch.SetUp(link.Index, link.Name);
        }

        host.Route.Execute(host.Batch);
        return true;
    }

    /// <summary>A locally administered address in Docker's prefix.</summary>
    internal static PhysicalAddress RandomAddress()
    {
        Span<byte> bytes = stackalloc byte[6];
        RandomBytes.Fill(bytes);
        bytes[0] = 0x02;
        bytes[1] = 0x42;
        return new PhysicalAddress(bytes.ToArray());
    }

    private (int Port, int Peer) CreatePair(NetworkState network, Endpoint endpoint, SandboxNamespace target)
    {
        for (var attempt = 0; ; attempt++)
        {
            host.Batch.AddVeth(
                endpoint.HostInterfaceName!,
                network.BridgeIndex,
                endpoint.InterfaceName!,
                target.Descriptor,
                endpoint.MacAddress!,
                network.Network.Mtu);
            try
            {
                var echoed = host.Route.Execute(host.Batch);

                // Kernels before 6.3 do not echo a new link.
                var link = (echoed is [var first, ..] ? first : host.Route.FindLink(endpoint.HostInterfaceName!))
                    ?? throw new NetworkException(NetworkError.Kernel, $"interface {endpoint.HostInterfaceName} vanished as it was created");
                return (link.Index, link.Peer);
            }
            catch (LinuxException e) when (attempt == 0 && e.Errno is Errno.ENODEV or Errno.EINVAL)
            {
                // Somebody deleted the bridge by hand: make it again, and this interface with it.
                host.Batch.DeleteLink(endpoint.HostInterfaceName!);
                host.Route.Execute(host.Batch, Errno.ENODEV);
                Ensure(network);
            }
            catch (LinuxException e) when (e.Errno == Errno.EXFULL)
            {
                throw new NetworkException(
                    NetworkError.Exhausted,
                    $"network {network.Network.Name} is full: a Linux bridge has no more than 1023 ports; create another network",
                    e);
            }
        }
    }

    private void EnsureAddresses(NetworkState network, LinkInfo link)
    {
        var wanted = new List<(IPAddress Address, int Prefix)>();
        foreach (var pool in network.Network.Spec.Ipam)
        {
            if (pool is not { Subnet: { } subnet, Gateway: { } gateway })
            {
                continue;
            }

            var v4 = gateway.AddressFamily == AddressFamily.InterNetwork;
            var mode = v4 ? network.Settings.Mode4 : network.Settings.Mode6;
            if (mode != GatewayMode.Isolated && !(v4 && network.Settings.InhibitIPv4))
            {
                wanted.Add((gateway, subnet.PrefixLength));
            }
        }

        var present = host.Route.Addresses().Where(a => a.Index == link.Index).ToList();
        foreach (var (address, prefix) in wanted)
        {
            if (!present.Any(p => p.Address.Equals(address) && p.PrefixLength == prefix))
            {
                host.Batch.AddAddress(link.Index, link.Name, address, prefix);
            }
        }

        // Old addresses of ours go; a bridge that belongs to the user keeps what it has.
        if (network.Network.OwnsBridge)
        {
            foreach (var stale in present.Where(p => !p.Address.IsIPv6LinkLocal && !wanted.Any(w => w.Address.Equals(p.Address) && w.Prefix == p.PrefixLength)))
            {
                host.Batch.DeleteAddress(link.Index, link.Name, stale.Address, stale.PrefixLength);
            }
        }
    }
}
