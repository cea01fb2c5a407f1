using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json.Serialization.Metadata;
using Cais.Networking.Addresses;
using Cais.Plugins;

namespace Cais.Networking.Plugins;

/// <summary>A plugin that gives out addresses (<c>IpamDriver</c>).</summary>
internal sealed class AddressPlugin(Plugin plugin)
{
    public const string Kind = "IpamDriver";
    private const string GatewayKey = "com.docker.network.gateway";

    /// <summary>Takes pools for a new network; on failure none are kept.</summary>
    /// <returns>The pools as the network shall have them, and the plugin's names for them.</returns>
    public async Task<(IReadOnlyList<IpamConfig> Pools, IReadOnlyList<RemotePool> Remote)> RequestPoolsAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        var spaces = await Call("GetDefaultAddressSpaces", new Nothing(), RemoteJson.Default.Nothing, RemoteJson.Default.AddressSpaces, cancellation).ConfigureAwait(false);
        var wanted = spec.Ipam.Select(p => (Pool: p, V6: p.Subnet?.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6)).ToList();
        if (spec.EnableIPv4 && !wanted.Any(w => !w.V6))
        {
            wanted.Add((new IpamConfig(null), false));
        }

        if (spec.EnableIPv6 && !wanted.Any(w => w.V6))
        {
            wanted.Add((new IpamConfig(null), true));
        }

        var pools = new List<IpamConfig>();
        var remote = new List<RemotePool>();
        try
        {
            foreach (var (pool, v6) in wanted)
            {
                var answer = await Call(
                    "RequestPool",
                    new RequestPoolMessage
                    {
                        AddressSpace = spaces.LocalDefaultAddressSpace ?? "",
                        Pool = pool.Subnet?.ToString() ?? "",
                        SubPool = pool.Range?.ToString() ?? "",
                        Options = spec.IpamOptions,
                        V6 = v6,
                    },
                    RemoteJson.Default.RequestPoolMessage,
                    RemoteJson.Default.RequestPoolAnswer,
                    cancellation).ConfigureAwait(false);
                var (_, subnet) = Parse(answer.Pool, "pool");
                if (string.IsNullOrEmpty(answer.PoolID))
                {
                    throw Nonsense("a pool without an id");
                }

                remote.Add(new RemotePool(answer.PoolID, subnet));
                pools.Add(pool with { Subnet = subnet, Gateway = await Gateway(answer, pool, cancellation).ConfigureAwait(false) });
                foreach (var address in pool.AuxiliaryAddresses?.Values ?? [])
                {
                    await RequestAddressAsync(answer.PoolID, address, null, false, cancellation).ConfigureAwait(false);
                }
            }

            return (pools, remote);
        }
        catch
        {
            await ReleasePoolsAsync(remote, []).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Gives pools back with the addresses that belong to the network itself. What fails is the plugin's to sort out.</summary>
    public async Task ReleasePoolsAsync(IReadOnlyList<RemotePool> remote, IReadOnlyList<IpamConfig> pools)
    {
        foreach (var pool in remote)
        {
            var own = pools.FirstOrDefault(p => p.Subnet == pool.Subnet);
            foreach (var address in (own?.AuxiliaryAddresses?.Values ?? []).Append(own?.Gateway).OfType<IPAddress>())
            {
                await ReleaseAddressAsync(pool.Id, address).ConfigureAwait(false);
            }

            try
            {
                await Call("ReleasePool", new AddressMessage { PoolID = pool.Id }, RemoteJson.Default.AddressMessage, RemoteJson.Default.Nothing, CancellationToken.None).ConfigureAwait(false);
            }
            catch (PluginException)
            {
            }
        }
    }

    public async Task<bool> WantsMacAddressAsync(CancellationToken cancellation)
    {
        try
        {
            return (await Call("GetCapabilities", new Nothing(), RemoteJson.Default.Nothing, RemoteJson.Default.IpamCapabilities, cancellation).ConfigureAwait(false)).RequiresMACAddress;
        }
        catch (PluginException e) when (e.IsUnsupported)
        {
            return false;
        }
    }

    /// <summary>Takes an address: the given one, or the plugin's choice.</summary>
    public async Task<(IPAddress Address, int PrefixLength)> RequestAddressAsync(
        string pool, IPAddress? wanted, PhysicalAddress? mac, bool forGateway, CancellationToken cancellation)
    {
        var options = new Dictionary<string, string>();
        if (forGateway)
        {
            options["RequestAddressType"] = GatewayKey;
        }

        if (mac is not null)
        {
            options["com.docker.network.endpoint.macaddress"] = BitConverter.ToString(mac.GetAddressBytes()).Replace('-', ':').ToLowerInvariant();
        }

        var answer = await Call(
            "RequestAddress",
            new AddressMessage { PoolID = pool, Address = wanted?.ToString() ?? "", Options = options },
            RemoteJson.Default.AddressMessage,
            RemoteJson.Default.AddressAnswer,
            cancellation).ConfigureAwait(false);
        var (address, subnet) = Parse(answer.Address, "address");
        return (address, subnet.PrefixLength);
    }

    public async Task ReleaseAddressAsync(string pool, IPAddress address)
    {
        try
        {
            await Call(
                "ReleaseAddress",
                new AddressMessage { PoolID = pool, Address = address.ToString() },
                RemoteJson.Default.AddressMessage,
                RemoteJson.Default.Nothing,
                CancellationToken.None).ConfigureAwait(false);
        }
        catch (PluginException)
        {
        }
    }

    private async Task<IPAddress> Gateway(RequestPoolAnswer answer, IpamConfig pool, CancellationToken cancellation)
    {
        if (pool.Gateway is null && answer.Data?.GetValueOrDefault(GatewayKey) is { Length: > 0 } given)
        {
            return Parse(given, "gateway").Address;
        }

        return (await RequestAddressAsync(answer.PoolID!, pool.Gateway, null, true, cancellation).ConfigureAwait(false)).Address;
    }

    private (IPAddress Address, IPNetwork Network) Parse(string? text, string what) =>
        AddressNumber.TryParseInterface(text ?? "", out var address, out var network) ? (address, network) : throw Nonsense($"the {what} \"{text}\"");

    private PluginException Nonsense(string what) => new($"address plugin {plugin.Name} answers with {what}");

    private Task<TAnswer> Call<TMessage, TAnswer>(string method, TMessage message, JsonTypeInfo<TMessage> from, JsonTypeInfo<TAnswer> to, CancellationToken cancellation) =>
        plugin.CallAsync($"{Kind}.{method}", message, from, to, cancellation);
}
