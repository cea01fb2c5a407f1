using System.Net;
using System.Net.Sockets;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;
using Cais.Networking.Ports;
using Cais.Networking.State;

namespace Cais.Networking.Sandboxes;

/// <summary>Which host ports a container gets, and where they lead.</summary>
internal static class PublishPlan
{
    /// <summary>Takes host ports for all requests; on failure none are kept.</summary>
    public static List<HeldPort> Take(
        PortAllocator ports,
        SandboxSpec spec,
        IReadOnlyList<Endpoint> endpoints,
        NetworkTable networks,
        IPAddress? defaultBinding,
        bool relaysV6)
    {
        var taken = new List<HeldPort>();
        var (v4, v6) = Targets(endpoints, networks);
        var context = (v4 ?? v6) is { } target
            ? $"driver failed programming external connectivity on endpoint {spec.ContainerName} ({target.Id}): "
            : "";
        try
        {
            foreach (var request in spec.Ports)
            {
                var addresses = HostAddresses(request, v4, v6, networks, defaultBinding, relaysV6);
                if (addresses.Count > 0)
                {
                    taken.Add(ports.Take(request, addresses, context));
                }
            }

            return taken;
        }
        catch
        {
            taken.ForEach(ports.Release);
            throw;
        }
    }

    /// <summary>What the packet filter must do for the ports.</summary>
    public static List<PublishedPort> Resolve(
        IEnumerable<PortBinding> bindings,
        IReadOnlyList<PortRequest> requests,
        IReadOnlyList<Endpoint> endpoints,
        NetworkTable networks,
        bool allowDirect)
    {
        var (v4, v6) = Targets(endpoints, networks);
        var published = new List<PublishedPort>();
        foreach (var binding in bindings)
        {
            var ipv4 = binding.HostAddress.AddressFamily == AddressFamily.InterNetwork;
            if ((ipv4 ? v4?.IPv4Address : v6?.IPv6Address) is { } target)
            {
                var mode = Mode((ipv4 ? v4 : v6)!, networks, ipv4);
                published.Add(new PublishedPort(binding, target, Direct: allowDirect || mode == GatewayMode.NatUnprotected));
            }
        }

        foreach (var request in requests)
        {
            AddRouted(request, v4, v4?.IPv4Address, IPAddress.Any, ipv4: true);
            AddRouted(request, v6, v6?.IPv6Address, IPAddress.IPv6Any, ipv4: false);
        }

        return published;

        void AddRouted(PortRequest request, Endpoint? endpoint, IPAddress? target, IPAddress any, bool ipv4)
        {
            if (target is not null && Mode(endpoint!, networks, ipv4) == GatewayMode.Routed)
            {
                published.Add(new PublishedPort(new PortBinding(request.ContainerPort, request.Protocol, any, 0), target, Direct: true, Translated: false));
            }
        }
    }

    /// <summary>Where a port leads: inside the same family if there is such an address, else the other.</summary>
    public static IPEndPoint? Target(IReadOnlyList<Endpoint> endpoints, NetworkTable networks, PortBinding binding)
    {
        var (v4, v6) = Targets(endpoints, networks);
        var (same, other) = binding.HostAddress.AddressFamily == AddressFamily.InterNetwork
            ? (v4?.IPv4Address, v6?.IPv6Address)
            : (v6?.IPv6Address, v4?.IPv4Address);
        return (same ?? other) is { } address ? new IPEndPoint(address, binding.ContainerPort) : null;
    }

    /// <summary>The endpoints that published ports lead to: those by which the container reaches the world.</summary>
    private static (Endpoint? V4, Endpoint? V6) Targets(IReadOnlyList<Endpoint> endpoints, NetworkTable networks)
    {
        var bridged = endpoints.Where(e => networks.TryGet(e.NetworkId, out var state) && state.HasBridge).ToList();
        return (EndpointFactory.Gateway(bridged, AddressFamily.InterNetwork), EndpointFactory.Gateway(bridged, AddressFamily.InterNetworkV6));
    }

    private static bool CanRelay(PortRequest request, Endpoint? v4, Endpoint? v6, NetworkTable networks, bool relaysV6) =>
        relaysV6 && v6 is null && request.Protocol is PortProtocol.Tcp or PortProtocol.Udp && v4 is not null && Mode(v4, networks, ipv4: true) is not GatewayMode.Routed;

    private static GatewayMode Mode(Endpoint endpoint, NetworkTable networks, bool ipv4)
    {
        var settings = networks.Get(endpoint.NetworkId).Settings;
        return ipv4 ? settings.Mode4 : settings.Mode6;
    }

    private static List<IPAddress> HostAddresses(PortRequest request, Endpoint? v4, Endpoint? v6, NetworkTable networks, IPAddress? defaultBinding, bool relaysV6)
    {
        var addresses = new List<IPAddress>(2);
        var wanted = request.HostAddress ?? (v4 is null ? null : networks.Get(v4.NetworkId).Settings.HostBinding) ?? defaultBinding;
        if (request.HostAddress is null && wanted is not null && wanted.Equals(IPAddress.Any))
        {
            wanted = null;
        }

        if (v4 is not null && Mode(v4, networks, ipv4: true) is not GatewayMode.Routed &&
            (wanted is null || wanted.AddressFamily == AddressFamily.InterNetwork))
        {
            addresses.Add(wanted ?? IPAddress.Any);
        }

        // Without an IPv6 address inside, the holder of the port relays.
        var inside6 = v6 is not null && Mode(v6, networks, ipv4: false) is not GatewayMode.Routed;
        if ((inside6 || CanRelay(request, v4, v6, networks, relaysV6)) && (wanted is null || wanted.AddressFamily == AddressFamily.InterNetworkV6))
        {
            addresses.Add(wanted ?? IPAddress.IPv6Any);
        }

        return addresses;
    }
}
