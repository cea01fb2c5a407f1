using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Values;
using static Cais.Cli.Commands.Containers.ContainerFlags;

namespace Cais.Cli.Commands.Containers;

/// <summary>What a container's networks are told: from each <c>--network</c>, and for the first one from the flags of their own (<c>--ip</c>, <c>--network-alias</c> ...).</summary>
internal static class NetworkingBuilder
{
    /// <exception cref="FormatException">Something is said twice, or of a network that knows no such thing.</exception>
    public static NetworkingConfig? Build(ParsedFlags flags)
    {
        var networks = flags.Get(Network);
        var endpoints = new Dictionary<string, EndpointSettings>();
        var hasOwn = flags.Get(NetworkAlias).Count > 0 || flags.Get(Ip).Length > 0 || flags.Get(Ip6).Length > 0
            || flags.Get(MacAddress).Length > 0 || flags.Get(LinkLocalIp).Count > 0;
        for (var i = 0; i < networks.Count; i++)
        {
            var network = i == 0 ? WithFlags(networks[0], flags) : networks[i];
            if (networks.Count > 1 && !IsUserDefined(network.Target))
            {
                throw new FormatException(
                    $"conflicting options: cannot attach both user-defined and non-user-defined network-modes");
            }

            if (!endpoints.TryAdd(network.Target, Settings(network, i == 0 ? flags.Get(Link) : [])))
            {
                throw new FormatException($"network {GoQuote.Quote(network.Target)} is specified multiple times");
            }
        }

        if (networks.Count == 0 && hasOwn)
        {
            endpoints["default"] = Settings(WithFlags(new NetworkOption("default"), flags), flags.Get(Link));
        }

        return endpoints.Count > 0 ? new NetworkingConfig { EndpointsConfig = endpoints } : null;
    }

    private static NetworkOption WithFlags(NetworkOption network, ParsedFlags flags)
    {
        if (!IsUserDefined(network.Target) && flags.Get(NetworkAlias).Count > 0)
        {
            throw new FormatException("network-scoped aliases are only supported for user-defined networks");
        }

        return network with
        {
            Aliases = Once(network.Aliases, flags.Get(NetworkAlias), "--network-alias and per-network alias"),
            Ipv4 = Once(network.Ipv4, flags.Get(Ip), "--ip and per-network IPv4 address"),
            Ipv6 = Once(network.Ipv6, flags.Get(Ip6), "--ip6 and per-network IPv6 address"),
            MacAddress = Once(network.MacAddress, flags.Get(MacAddress), "--mac-address and per-network MAC address"),
            LinkLocalAddresses = Once(network.LinkLocalAddresses, flags.Get(LinkLocalIp), "--link-local-ip and per-network link-local IP addresses"),
        };
    }

    private static IReadOnlyList<string> Once(IReadOnlyList<string> own, IReadOnlyList<string> flag, string what) =>
        own.Count > 0 && flag.Count > 0 ? throw new FormatException($"conflicting options: cannot specify both {what}") : own.Count > 0 ? own : flag;

    private static string? Once(string? own, string flag, string what) =>
        own is not null && flag.Length > 0 ? throw new FormatException($"conflicting options: cannot specify both {what}") : own ?? (flag.Length > 0 ? flag : null);

    private static EndpointSettings Settings(NetworkOption network, IReadOnlyList<string> links) => new()
    {
        Aliases = network.Aliases.Count > 0 ? network.Aliases : null,
        Links = links.Count > 0 ? links : null,
        DriverOpts = network.DriverOptions.Count > 0 ? network.DriverOptions : null,
        MacAddress = network.MacAddress,
        GwPriority = network.GatewayPriority,
        IPAMConfig = network.Ipv4 is null && network.Ipv6 is null && network.LinkLocalAddresses.Count == 0
            ? null
            : new EndpointIPAMConfig
            {
                IPv4Address = network.Ipv4,
                IPv6Address = network.Ipv6,
                LinkLocalIPs = network.LinkLocalAddresses.Count > 0 ? network.LinkLocalAddresses : null,
            },
    };

    private static bool IsUserDefined(string network) =>
        network is not ("default" or "bridge" or "host" or "none") && !network.StartsWith("container:", StringComparison.Ordinal);
}
