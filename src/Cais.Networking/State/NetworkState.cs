using System.Net;
using System.Net.Sockets;
using Cais.Networking.Addresses;
using Cais.Networking.Dns;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;

namespace Cais.Networking.State;

/// <summary>A network with what changes about it: who is in it and which addresses are given out. Belongs to the kernel thread.</summary>
internal sealed class NetworkState
{
    private readonly List<AddressBlock> _blocks = [];
    private readonly Dictionary<string, List<IPAddress>> _ahead = [];

    public NetworkState(Network network)
    {
        Network = network;
        Settings = BridgeSettings.Parse(network.Spec.Options);
        foreach (var pool in network.Spec.Ipam)
        {
            if (pool.Subnet is not { } subnet)
            {
                continue;
            }

            var block = new AddressBlock(subnet, pool.Range);
            _blocks.Add(block);
            if (pool.Gateway is not null)
            {
                block.TryTake(pool.Gateway);
            }

            foreach (var address in pool.AuxiliaryAddresses?.Values ?? [])
            {
                block.TryTake(address);
            }
        }
    }

    public Network Network { get; }

    public BridgeSettings Settings { get; }

    /// <summary>By endpoint id.</summary>
    public Dictionary<string, Endpoint> Endpoints { get; } = [];

    /// <summary>Who answers to which name.</summary>
    public NameIndex Names { get; } = new();

    /// <summary>Index of the bridge on the host; 0 until known.</summary>
    public int BridgeIndex { get; set; }

    /// <summary>Whether it could not be made in the kernel the last time.</summary>
    public bool NeedsRepair { get; set; }

    public bool HasBridge => Network.BridgeName is not null;

    public IEnumerable<AddressBlock> Blocks => _blocks;

    /// <summary>What the packet filter must know, or null for networks that it has nothing to do with.</summary>
    public FirewallNetwork? FirewallNetwork => Network.BridgeName is not { } bridge ? null : new FirewallNetwork(
        Network.IsBuiltIn ? "default" : Network.Id[..12],
        Network.Name,
        bridge,
        [.. _blocks.Select(b => b.Subnet)])
    {
        Internal = Network.Spec.Internal,
        InterContainer = Settings.InterContainer,
        Masquerade = Settings.Masquerade,
        Mode4 = Settings.Mode4,
        Mode6 = Settings.Mode6,
        Trusted = Settings.TrustedInterfaces,
    };

    /// <summary>The way out for that address: the bridge, or by an auxiliary address of Docker's name another machine. None from internal networks.</summary>
    public IPAddress? GatewayOf(IPAddress address)
    {
        var pool = Network.Spec.Ipam.FirstOrDefault(p => p.Subnet is { } subnet && subnet.Contains(address));
        var other = address.AddressFamily == AddressFamily.InterNetwork ? "DefaultGatewayIPv4" : "DefaultGatewayIPv6";
        return Network.Spec.Internal || pool is null ? null : pool.AuxiliaryAddresses?.GetValueOrDefault(other) ?? pool.Gateway;
    }

    /// <summary>Takes an address: the given one, or the next free one.</summary>
    /// <exception cref="NetworkException">Taken, outside, or none left.</exception>
    public (IPAddress Address, int PrefixLength) Take(AddressFamily family, IPAddress? wanted)
    {
        if (wanted is not null)
        {
            var block = _blocks.FirstOrDefault(b => b.Subnet.Contains(wanted)) ?? throw new NetworkException(
                NetworkError.InvalidParameter,
                $"invalid config for network {Network.Name}: invalid endpoint settings:\nno configured subnet contains IP address {wanted}");
            return block.TryTake(wanted)
                ? (wanted, block.Subnet.PrefixLength)
                : throw new NetworkException(NetworkError.Forbidden, $"Address already in use: {wanted}");
        }

        foreach (var block in _blocks.Where(b => b.Family == family))
        {
            if (block.TakeNext() is { } address)
            {
                return (address, block.Subnet.PrefixLength);
            }
        }

        var name = family == AddressFamily.InterNetwork ? "IPv4" : "IPv6";
        throw new NetworkException(NetworkError.Exhausted, $"no available {name} addresses on this network's address pools: {Network.Name} ({Network.Id})");
    }

    /// <summary>As <see cref="Take"/>, for an endpoint that is not there yet: until it is added, or <see cref="GiveBack"/>.</summary>
    public (IPAddress Address, int PrefixLength) TakeFor(string endpointId, AddressFamily family, IPAddress? wanted)
    {
        var taken = Take(family, wanted);
        (_ahead.TryGetValue(endpointId, out var addresses) ? addresses : _ahead[endpointId] = []).Add(taken.Address);
        return taken;
    }

    /// <summary>The endpoint did not come about.</summary>
    public void GiveBack(string endpointId)
    {
        if (_ahead.Remove(endpointId, out var addresses))
        {
            addresses.ForEach(Release);
        }
    }

    /// <summary>Notes an address that is in use already, at start.</summary>
    public void Restore(Endpoint endpoint)
    {
        Add(endpoint);
        foreach (var address in Addresses(endpoint))
        {
            _blocks.FirstOrDefault(b => b.Subnet.Contains(address))?.TryTake(address);
        }
    }

    /// <summary>Notes who is in the network, or what has changed about him; the addresses were taken before.</summary>
    public void Add(Endpoint endpoint)
    {
        if (Endpoints.Remove(endpoint.Id, out var before))
        {
            Names.Remove(before);
        }

        _ahead.Remove(endpoint.Id);
        Endpoints[endpoint.Id] = endpoint;
        Names.Add(endpoint);
    }

    /// <summary>How full the subnets are.</summary>
    public IReadOnlyList<SubnetUse> Use() => [.. _blocks.Select(b => new SubnetUse(b.Subnet, b.InUse, b.Available))];

    public void Release(IPAddress address) => _blocks.FirstOrDefault(b => b.Subnet.Contains(address))?.Release(address);

    public void Remove(Endpoint endpoint)
    {
        if (Endpoints.Remove(endpoint.Id, out var known))
        {
            Names.Remove(known);
            foreach (var address in Addresses(endpoint))
            {
                Release(address);
            }
        }
    }

    private static IEnumerable<IPAddress> Addresses(Endpoint endpoint) => new[] { endpoint.IPv4Address, endpoint.IPv6Address }.OfType<IPAddress>();
}
