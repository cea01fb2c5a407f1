using System.Net;
using Cais.Api;
using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Networks;

/// <summary>Joins subnets, ranges, gateways and reserved addresses, which the command line gives separately, into address pools.</summary>
internal static class NetworkPools
{
    /// <exception cref="CommandException">Something belongs to no subnet, or a subnet gets two of what it has once.</exception>
    public static IReadOnlyList<IPAMConfig> Build(
        IReadOnlyList<string> subnets, IReadOnlyList<string> ranges, IReadOnlyList<string> gateways, IReadOnlyDictionary<string, string> auxiliary)
    {
        if (subnets.Count < ranges.Count || subnets.Count < gateways.Count)
        {
            throw new CommandException("every ip-range or gateway must have a corresponding subnet");
        }

        // What is no subnet at all is for the daemon to refuse; here it only contains nothing.
        var pools = subnets.Select(static s => (Network: TryParse(s), Config: new IPAMConfig { Subnet = s })).ToList();
        for (var i = 0; i < pools.Count; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (pools[i].Network is { } a && pools[j].Network is { } b && (a.Contains(b.BaseAddress) || b.Contains(a.BaseAddress)))
                {
                    throw new CommandException("multiple overlapping subnet configuration is not supported");
                }
            }
        }

        foreach (var range in ranges)
        {
            var index = Find(pools, (TryParse(range) ?? throw new CommandException($"invalid CIDR address: {range}")).BaseAddress) ?? throw new CommandException($"no matching subnet for range {range}");
            pools[index] = pools[index].Config.IPRange is null
                ? pools[index] with { Config = pools[index].Config with { IPRange = range } }
                : throw new CommandException($"cannot configure multiple ranges ({range}, {pools[index].Config.IPRange}) on the same subnet ({pools[index].Config.Subnet})");
        }

        foreach (var gateway in gateways)
        {
            var index = Find(pools, Address(gateway)) ?? throw new CommandException($"no matching subnet for gateway {gateway}");
            pools[index] = pools[index].Config.Gateway is null
                ? pools[index] with { Config = pools[index].Config with { Gateway = gateway } }
                : throw new CommandException($"cannot configure multiple gateways ({gateway}, {pools[index].Config.Gateway}) for the same subnet ({pools[index].Config.Subnet})");
        }

        foreach (var (name, address) in auxiliary)
        {
            var index = Find(pools, Address(address)) ?? throw new CommandException($"no matching subnet for aux-address {address}");
            var known = new Dictionary<string, string>(pools[index].Config.AuxiliaryAddresses ?? new Dictionary<string, string>()) { [name] = address };
            pools[index] = pools[index] with { Config = pools[index].Config with { AuxiliaryAddresses = known } };
        }

        return [.. pools.Select(static p => p.Config)];
    }

    private static int? Find(List<(IPNetwork? Network, IPAMConfig Config)> pools, IPAddress address)
    {
        var index = pools.FindIndex(p => p.Network?.Contains(address) == true);
        return index < 0 ? null : index;
    }

    private static IPNetwork? TryParse(string text)
    {
        var slash = text.IndexOf('/');
        if (slash > 0 && IPAddress.TryParse(text.AsSpan(0, slash), out var address) && int.TryParse(text.AsSpan(slash + 1), out var length)
            && length >= 0 && length <= address.GetAddressBytes().Length * 8)
        {
            // docker takes host bits in a subnet and masks them away.
            var bytes = address.GetAddressBytes();
            for (var bit = length; bit < bytes.Length * 8; bit++)
            {
                bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            }

            return new IPNetwork(new IPAddress(bytes), length);
        }

        return null;
    }

    private static IPAddress Address(string text) =>
        IPAddress.TryParse(text, out var address) ? address : throw new CommandException($"invalid IP address: {text}");
}
