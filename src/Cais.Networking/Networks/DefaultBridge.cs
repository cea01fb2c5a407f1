using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cais.Linux.Netlink;
using Cais.Networking.Addresses;
using Cais.Networking.Drivers;

namespace Cais.Networking.Networks;

/// <summary>What the network named <c>bridge</c> should be, from the daemon's settings and what is there already.</summary>
internal static class DefaultBridge
{
    public const string Name = "docker0";

    /// <param name="options">The daemon's settings.</param>
    /// <param name="present">As it was before, or null.</param>
    /// <param name="addresses">Those that the interface has now.</param>
    /// <param name="choose">Finds a free subnet.</param>
    public static Network Describe(NetworkOptions options, Network? present, IReadOnlyList<AddressInfo> addresses, Func<AddressFamily, IPNetwork> choose)
    {
        var (gateway4, subnet4) = Address(AddressFamily.InterNetwork, options.BridgeAddress, "bip", present, addresses, choose);
        var pools = new List<IpamConfig>
        {
            Pool(gateway4, subnet4, options.FixedCidr, options.DefaultGateway, "DefaultGatewayIPv4", "fixed-cidr"),
        };
        if (options.IPv6)
        {
            var wanted = options.BridgeAddressV6 ?? (options.FixedCidrV6 is { PrefixLength: <= 126 } cidr ? $"{(cidr.First() + 1).ToAddress(AddressFamily.InterNetworkV6)}/{cidr.PrefixLength}" : null);
            var (gateway6, subnet6) = Address(AddressFamily.InterNetworkV6, wanted, "bip6", present, addresses, choose);
            pools.Add(Pool(gateway6, subnet6, options.FixedCidrV6, options.DefaultGatewayV6, "DefaultGatewayIPv6", "fixed-cidr-v6"));
        }

        return new Network
        {
            Id = present?.Id ?? NetworkFactory.NewId(),
            Created = present?.Created ?? DateTimeOffset.UtcNow,
            BridgeName = BridgeSettings.CheckedName(options.BridgeName),
            OwnsBridge = options.BridgeName == Name,
            Mtu = options.Mtu == 0 ? 1500 : options.Mtu,
            Spec = new NetworkSpec
            {
                Name = "bridge",
                EnableIPv6 = options.IPv6,
                Ipam = pools,
                Options = new Dictionary<string, string>
                {
                    [BridgeSettings.DefaultOption] = "true",
                    [BridgeSettings.InterContainerOption] = Text(options.InterContainerCommunication),
                    [BridgeSettings.MasqueradeOption] = Text(options.IpMasquerade),
                    [BridgeSettings.BindingOption] = (options.DefaultBindingAddress ?? IPAddress.Any).ToString(),
                    [BridgeSettings.NameOption] = options.BridgeName,
                    [BridgeSettings.MtuOption] = options.Mtu.ToString(CultureInfo.InvariantCulture),
                },
            },
        };
    }

    private static string Text(bool value) => value ? "true" : "false";

    /// <summary>The setting, else the address that is there, else the one of before, else a new one.</summary>
    private static (IPAddress Gateway, IPNetwork Subnet) Address(
        AddressFamily family,
        string? setting,
        string settingName,
        Network? present,
        IReadOnlyList<AddressInfo> addresses,
        Func<AddressFamily, IPNetwork> choose)
    {
        if (!string.IsNullOrEmpty(setting))
        {
            return AddressNumber.TryParseInterface(setting, out var address, out var network) && address.AddressFamily == family
                ? (address, network)
                : throw new NetworkException(NetworkError.InvalidParameter, $"invalid value for option {settingName}: \"{setting}\" is not an address with a prefix length");
        }

        if (addresses.FirstOrDefault(a => a.Address.AddressFamily == family && !a.Address.IsIPv6LinkLocal) is { } found)
        {
            return (found.Address, AddressNumber.Mask(found.Address, found.PrefixLength));
        }

        if (present?.Spec.Ipam.FirstOrDefault(p => p.Subnet is { } s && s.BaseAddress.AddressFamily == family) is { Gateway: { } gateway, Subnet: { } before })
        {
            return (gateway, before);
        }

        var chosen = choose(family);
        return ((chosen.First() + 1).ToAddress(family), chosen);
    }

    private static IpamConfig Pool(IPAddress gateway, IPNetwork subnet, IPNetwork? range, IPAddress? other, string otherName, string rangeSetting)
    {
        if (range is { } r && !subnet.Contains(r))
        {
            throw new NetworkException(NetworkError.InvalidParameter, $"invalid value for option {rangeSetting}: {r} is not inside the bridge's subnet {subnet}");
        }

        return new IpamConfig(
            subnet,
            range == subnet ? null : range,
            gateway,
            other is null ? null : new Dictionary<string, IPAddress> { [otherName] = other });
    }
}
