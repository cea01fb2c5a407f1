using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Networking.Drivers;
using Cais.Networking.Networks;
using Cais.Networking.State;

namespace Cais.Networking.Sandboxes;

/// <summary>Plans a container's place in a network: addresses, names, routes out. Asks the kernel nothing.</summary>
internal static class EndpointFactory
{
    /// <summary>Takes addresses; on failure none are kept.</summary>
    /// <param name="network">The network to join.</param>
    /// <param name="spec">How.</param>
    /// <param name="sandbox">The container.</param>
    /// <param name="interfaces">Names that are in use inside already.</param>
    public static Endpoint Create(NetworkState network, EndpointSpec spec, SandboxSpec sandbox, IReadOnlyCollection<string> interfaces)
    {
        if (network.Network.Spec.ConfigOnly)
        {
            throw new NetworkException(NetworkError.Forbidden, $"cannot create endpoint on configuration-only network {network.Network.Name}");
        }

        var endpoint = new Endpoint
        {
            Id = spec.Remote?.EndpointId ?? NetworkFactory.NewId(),
            NetworkId = network.Network.Id,
            NetworkName = network.Network.Name,
            ContainerId = sandbox.ContainerId,
            ContainerName = sandbox.ContainerName,
            DnsNames = DnsNames(spec, sandbox),
            Spec = spec,
        };
        if (network.Network.Driver is "host" or "null" or "none")
        {
            return endpoint;
        }

        RefuseFixedAddressesInDefaultBridge(network, spec);
        if (spec.Remote is { } remote)
        {
            return WithRemote(network, remote, endpoint, interfaces);
        }

        endpoint = TakeAddresses(network, spec, endpoint);
        return endpoint with
        {
            InterfaceName = FreeName(spec, network.Settings.InterfacePrefix, interfaces),
            HostInterfaceName = NewHostInterface(),
            MacAddress = spec.MacAddress ?? MacFor(endpoint.IPv4Address),
        };
    }

    /// <summary>The endpoint whose network leads out, for one family: highest priority, then first name.</summary>
    public static Endpoint? Gateway(IEnumerable<Endpoint> endpoints, AddressFamily family) => endpoints
        .Where(e => (family == AddressFamily.InterNetwork ? e.IPv4Gateway : e.IPv6Gateway) is not null)
        .OrderByDescending(e => e.Spec.GatewayPriority)
        .ThenBy(e => e.NetworkName, StringComparer.Ordinal)
        .FirstOrDefault();

    /// <summary>02:42 and the four bytes of the IPv4 address: the same address always has the same one, so that no neighbour's table is ever wrong.</summary>
    internal static PhysicalAddress MacFor(IPAddress? address) =>
        address is null ? BridgeDriver.RandomAddress() : new PhysicalAddress([0x02, 0x42, .. address.GetAddressBytes()]);

    internal static List<string> DnsNames(EndpointSpec spec, SandboxSpec sandbox)
    {
        var names = new List<string> { sandbox.ContainerName };
        names.AddRange(spec.Aliases);
        names.Add(sandbox.ContainerId[..Math.Min(12, sandbox.ContainerId.Length)]);
        if (!string.IsNullOrEmpty(sandbox.Hostname))
        {
            names.Add(sandbox.Hostname);
        }

        return [.. names.Where(n => n.Length > 0).Distinct(StringComparer.OrdinalIgnoreCase)];
    }

    private static string NewHostInterface() => $"veth{RandomBytes.Hex(4)[..7]}";

    /// <summary>Addresses and names are the plugins' where they have said something.</summary>
    private static Endpoint WithRemote(NetworkState network, RemoteEndpoint remote, Endpoint endpoint, IReadOnlyCollection<string> interfaces)
    {
        var isBridge = network.HasBridge;
        if (remote.InterfaceName is { } name && interfaces.Contains(name))
        {
            throw new NetworkException(NetworkError.Conflict, $"interface name {name} is in use in the container already");
        }

        return endpoint with
        {
            IPv4Address = remote.IPv4Address,
            IPv4PrefixLength = remote.IPv4PrefixLength,
            IPv4Gateway = remote.IPv4Gateway,
            IPv6Address = remote.IPv6Address,
            IPv6PrefixLength = remote.IPv6PrefixLength,
            IPv6Gateway = remote.IPv6Gateway,
            InterfaceName = remote.InterfaceName ?? FreeName(endpoint.Spec, remote.InterfacePrefix ?? network.Settings.InterfacePrefix, interfaces),
            HostInterfaceName = isBridge ? NewHostInterface() : null,
            MacAddress = remote.MacAddress ?? MacFor(remote.IPv4Address),
        };
    }

    private static void RefuseFixedAddressesInDefaultBridge(NetworkState network, EndpointSpec spec)
    {
        if (network.Network.IsDefaultBridge && (spec.IPv4Address ?? spec.IPv6Address) is not null)
        {
            throw new NetworkException(
                NetworkError.InvalidParameter,
                "invalid config for network bridge: invalid endpoint settings:\nuser specified IP address is supported on user defined networks only");
        }
    }

    private static Endpoint TakeAddresses(NetworkState network, EndpointSpec spec, Endpoint endpoint)
    {
        if (network.Network.Spec.EnableIPv4)
        {
            var (address, prefix) = network.Take(AddressFamily.InterNetwork, spec.IPv4Address);
            endpoint = endpoint with { IPv4Address = address, IPv4PrefixLength = prefix, IPv4Gateway = network.GatewayOf(address) };
        }

        if (network.Network.Spec.EnableIPv6)
        {
            try
            {
                var (address, prefix) = network.Take(AddressFamily.InterNetworkV6, spec.IPv6Address);
                endpoint = endpoint with { IPv6Address = address, IPv6PrefixLength = prefix, IPv6Gateway = network.GatewayOf(address) };
            }
            catch
            {
                if (endpoint.IPv4Address is { } taken)
                {
                    network.Release(taken);
                }

                throw;
            }
        }

        return endpoint;
    }

    private static string FreeName(EndpointSpec spec, string prefix, IReadOnlyCollection<string> interfaces)
    {
        if (spec.Options.TryGetValue("com.docker.network.endpoint.ifname", out var wanted) && wanted.Length > 0)
        {
            return !interfaces.Contains(BridgeSettings.CheckedName(wanted))
                ? wanted
                : throw new NetworkException(NetworkError.Conflict, $"interface name {wanted} is in use in the container already");
        }

        return Enumerable.Range(0, int.MaxValue).Select(n => $"{prefix}{n}").First(name => !interfaces.Contains(name));
    }
}
