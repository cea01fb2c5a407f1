using System.Net;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Networking.Addresses;
using Cais.Networking.Drivers;
using Cais.Networking.Plugins;

namespace Cais.Networking.Networks;

/// <summary>Turns what was asked for into a network with every default filled in, or says what is wrong with it.</summary>
/// <param name="pools">Where subnets come from.</param>
/// <param name="uniqueLocal">This machine's IPv6 prefix of 48 bits.</param>
internal sealed class NetworkFactory(SubnetPools pools, IPNetwork uniqueLocal)
{
    /// <param name="spec">What was asked for.</param>
    /// <param name="others">All other networks.</param>
    /// <param name="hostRoutes">Subnets that the host reaches itself: automatic choice avoids them.</param>
    /// <param name="defaults">Driver options from the daemon's configuration.</param>
    public Network Create(
        NetworkSpec spec,
        IReadOnlyCollection<Network> others,
        IReadOnlyCollection<IPNetwork> hostRoutes,
        IReadOnlyDictionary<string, string>? defaults)
    {
        CheckName(spec.Name);
        if (others.Any(o => o.Name == spec.Name))
        {
            throw new NetworkException(NetworkError.Conflict, $"network with name {spec.Name} already exists");
        }

        if (spec.ConfigOnly)
        {
            return Configuration(spec);
        }

        if (!spec.EnableIPv4 && !spec.EnableIPv6 && spec.IpamDriver != "null")
        {
            throw new NetworkException(NetworkError.InvalidParameter, "IPv4 or IPv6 must be enabled");
        }

        var options = new Dictionary<string, string>(defaults ?? new Dictionary<string, string>());
        foreach (var (key, value) in spec.Options)
        {
            options[key] = value;
        }

        var settings = BridgeSettings.Parse(options);
        if (!spec.Internal && (settings.Mode4 == GatewayMode.Isolated || settings.Mode6 == GatewayMode.Isolated))
        {
            throw new NetworkException(NetworkError.InvalidParameter, "gateway mode 'isolated' can only be used for an internal network");
        }

        var id = NewId();
        var inUse = others.Where(o => !o.Spec.ConfigOnly).SelectMany(o => o.Spec.Ipam).Select(p => p.Subnet).OfType<IPNetwork>().ToList();
        var ipam = FillPools(spec, inUse, hostRoutes);
        var bridge = spec.Driver is "bridge" or "overlay" ? settings.BridgeName ?? $"br-{id[..12]}" : null;
        if (bridge is not null && others.FirstOrDefault(o => o.BridgeName == bridge) is { } owner)
        {
            throw new NetworkException(
                NetworkError.Forbidden,
                $"cannot create network {id} ({bridge}): conflicts with network {owner.Id} ({bridge}): networks have same bridge name");
        }

        return new Network
        {
            Id = id,
            Created = DateTimeOffset.UtcNow,
            Spec = spec with { Ipam = ipam, Options = options },
            BridgeName = bridge,
            Mtu = settings.Mtu is { } mtu and not 0 ? mtu : spec.Driver == "overlay" ? OverlayDriver.DefaultMtu : 1500,
        };
    }

    /// <summary>A network that is settings alone: kept as asked for, checked when another one takes them.</summary>
    private static Network Configuration(NetworkSpec spec)
    {
        if (spec.ConfigFrom is { Length: > 0 })
        {
            throw new NetworkException(NetworkError.Forbidden, "a configuration network cannot depend on another configuration network");
        }

        return spec.Internal || spec.Attachable
            ? throw new NetworkException(
                NetworkError.Forbidden,
                "configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.")
            : new Network { Id = NewId(), Created = DateTimeOffset.UtcNow, Spec = spec with { Driver = "null" } };
    }

    /// <summary>Takes the settings of the network that it names, if it names one.</summary>
    /// <exception cref="NetworkException">There is none of that name, or both say something.</exception>
    public static NetworkSpec Resolve(NetworkSpec spec, IReadOnlyCollection<Network> others) =>
        spec is { ConfigFrom: { Length: > 0 } source, ConfigOnly: false } ? Configured(spec, others.FirstOrDefault(o => o.Name == source || o.Id == source), source) : spec;

    private static NetworkSpec Configured(NetworkSpec spec, Network? source, string name)
    {
        if (source is null)
        {
            throw new NetworkException(NetworkError.NotFound, $"configuration network \"{name}\" does not exist");
        }

        if (!source.Spec.ConfigOnly)
        {
            throw new NetworkException(NetworkError.Forbidden, $"network \"{name}\" is not a configuration network");
        }

        if (spec.Options.Count > 0)
        {
            throw new NetworkException(NetworkError.Forbidden, "network driver options are not supported if the network depends on a configuration network");
        }

        if (spec.Ipam.Count > 0 || spec.IpamOptions.Count > 0 || spec.IpamDriver != "default" || spec.EnableIPv6 || !spec.EnableIPv4 || spec.Labels.Count > 0)
        {
            throw new NetworkException(NetworkError.Forbidden, "user specified configurations are not supported if the network depends on a configuration network");
        }

        return spec with
        {
            ConfigFrom = source.Name,
            EnableIPv4 = source.Spec.EnableIPv4,
            EnableIPv6 = source.Spec.EnableIPv6,
            IpamDriver = source.Spec.IpamDriver,
            IpamOptions = source.Spec.IpamOptions,
            Ipam = source.Spec.Ipam,
            Options = source.Spec.Options,
            Labels = source.Spec.Labels,
        };
    }

    /// <summary>64 random hexadecimal digits.</summary>
    public static string NewId() => RandomBytes.Hex(32);

    private static void CheckName(string name)
    {
        // Docker's restricted names.
        if (name.Length < 1 || !char.IsAsciiLetterOrDigit(name[0]) || !name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '-'))
        {
            throw new NetworkException(
                NetworkError.InvalidParameter,
                name.Length == 0 ? "network name cannot be empty" : $"{name} includes invalid characters for a network name, only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        }

        if (name is "bridge" or "host" or "none" or "default" or "container")
        {
            throw new NetworkException(NetworkError.Forbidden, $"operation is not permitted on predefined {name} network");
        }
    }

    private static IpamConfig CheckPool(IpamConfig pool)
    {
        var subnet = pool.Subnet!.Value;
        if (pool.Range is { } range && !subnet.Contains(range))
        {
            throw Invalid($"invalid ip-range {range}: it must be inside subnet {subnet}");
        }

        if (pool.Gateway is { } gateway && !subnet.Contains(gateway))
        {
            throw Invalid($"invalid gateway {gateway}: it must be inside subnet {subnet}");
        }

        foreach (var (name, address) in pool.AuxiliaryAddresses ?? new Dictionary<string, IPAddress>())
        {
            if (!subnet.Contains(address))
            {
                throw Invalid($"invalid auxiliary address {name}={address}: it must be inside subnet {subnet}");
            }
        }

        return pool;
    }

    private static NetworkException Invalid(string message) => new(NetworkError.InvalidParameter, $"invalid network config:\n{message}");

    /// <summary>The first address that containers could get becomes the gateway's.</summary>
    private static IpamConfig WithGateway(IpamConfig pool)
    {
        if (pool.Gateway is not null)
        {
            return pool;
        }

        var block = new AddressBlock(pool.Subnet!.Value, pool.Range);
        foreach (var address in pool.AuxiliaryAddresses?.Values ?? [])
        {
            block.TryTake(address);
        }

        return pool with { Gateway = block.TakeNext() ?? throw Invalid($"subnet {pool.Subnet} has no address for a gateway") };
    }

    private List<IpamConfig> FillPools(NetworkSpec spec, List<IPNetwork> inUse, IReadOnlyCollection<IPNetwork> hostRoutes)
    {
        if (spec.IpamDriver == "null" || spec.Driver is "host" or "none" or "null")
        {
            return [];
        }

        var result = new List<IpamConfig>();
        foreach (var asked in spec.Ipam)
        {
            var pool = asked;
            if (pool.Subnet is null)
            {
                pool = pool with { Subnet = Choose(AddressFamily.InterNetwork, [.. inUse, .. hostRoutes]) };
            }
            else if (!RemoteNetworks.IsRemoteAddresses(spec.IpamDriver) && inUse.Any(used => used.Overlaps(pool.Subnet.Value)))
            {
                throw new NetworkException(NetworkError.Forbidden, "invalid pool request: Pool overlaps with other one on this address space");
            }

            inUse.Add(pool.Subnet!.Value);
            result.Add(WithGateway(CheckPool(pool)));
        }

        Require(spec.EnableIPv4, AddressFamily.InterNetwork);
        Require(spec.EnableIPv6, AddressFamily.InterNetworkV6);
        return result;

        void Require(bool enabled, AddressFamily family)
        {
            if (enabled && !result.Any(p => p.Subnet!.Value.BaseAddress.AddressFamily == family))
            {
                var pool = new IpamConfig(Choose(family, [.. inUse, .. hostRoutes]));
                inUse.Add(pool.Subnet!.Value);
                result.Add(WithGateway(pool));
            }
        }
    }

    /// <summary>A free subnet.</summary>
    /// <exception cref="NetworkException">Exhausted.</exception>
    public IPNetwork Choose(AddressFamily family, IReadOnlyCollection<Network> others, IReadOnlyCollection<IPNetwork> hostRoutes) =>
        Choose(family, [.. others.Where(o => !o.Spec.ConfigOnly).SelectMany(o => o.Spec.Ipam).Select(p => p.Subnet).OfType<IPNetwork>(), .. hostRoutes]);

    private IPNetwork Choose(AddressFamily family, IReadOnlyCollection<IPNetwork> inUse) =>
        pools.Choose(family, inUse, uniqueLocal)
        ?? throw new NetworkException(NetworkError.Exhausted, "all predefined address pools have been fully subnetted");
}
