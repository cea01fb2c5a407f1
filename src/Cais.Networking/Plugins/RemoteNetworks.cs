using System.Net;
using System.Net.Sockets;
using Cais.Networking.Drivers;
using Cais.Networking.Networks;
using Cais.Networking.State;
using Cais.Plugins;

namespace Cais.Networking.Plugins;

/// <summary>On record before a plugin is asked for an endpoint, until it has been given back: so that a crash leaves nothing behind in the plugin.</summary>
/// <param name="NetworkId">The network.</param>
/// <param name="Endpoint">The endpoint, as far as it is known.</param>
internal sealed record RemoteLease(string NetworkId, RemoteEndpoint Endpoint);

/// <summary>
/// Asks the plugins of networks and addresses, before the kernel thread makes what they say, and after it has taken it away. No call is made on that
/// thread: a plugin that does not answer holds up its own containers and nobody else.
/// </summary>
internal sealed class RemoteNetworks(PluginRegistry? plugins, NetworkStore store, NetworkTable networks, Func<Action, Task> run)
{
    public static bool IsRemoteDriver(string driver) => driver is not ("bridge" or "host" or "none" or "null" or "macvlan" or "ipvlan" or "overlay");

    public static bool IsRemoteAddresses(string driver) => driver is not ("" or "default" or "null");

    public static bool Concerns(NetworkSpec spec) => !spec.ConfigOnly && (IsRemoteDriver(spec.Driver) || IsRemoteAddresses(spec.IpamDriver));

    /// <summary>Whether a plugin must be asked about any of the networks that a container joins.</summary>
    public bool Concerns(IReadOnlyList<EndpointSpec> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            if (networks.TryGet(endpoint.Network, out var state) && Concerns(state.Network.Spec))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Fills in the address pools of a new network, where a plugin has them.</summary>
    public async Task<(NetworkSpec Spec, IReadOnlyList<RemotePool> Pools)> RequestPoolsAsync(NetworkSpec spec, CancellationToken cancellation)
    {
        if (IsRemoteDriver(spec.Driver))
        {
            // Before anything is taken from another plugin.
            var driver = await Driver(spec.Driver, cancellation).ConfigureAwait(false);
            await Asked(driver.CheckAsync(cancellation)).ConfigureAwait(false);
        }

        if (!IsRemoteAddresses(spec.IpamDriver))
        {
            return (spec, []);
        }

        var addresses = await Addresses(spec.IpamDriver, cancellation).ConfigureAwait(false);
        var (pools, remote) = await Asked(addresses.RequestPoolsAsync(spec, cancellation)).ConfigureAwait(false);
        return (spec with { Ipam = pools }, remote);
    }

    public async Task CreateNetworkAsync(Network network, CancellationToken cancellation)
    {
        if (IsRemoteDriver(network.Driver))
        {
            var driver = await Driver(network.Driver, cancellation).ConfigureAwait(false);
            await Asked(driver.CreateNetworkAsync(network, cancellation)).ConfigureAwait(false);
        }
    }

    /// <summary>Takes a network from its plugins. One whose plugin is no longer there can be removed all the same.</summary>
    public async Task DeleteNetworkAsync(Network network)
    {
        if (IsRemoteDriver(network.Driver) && await Found(() => Driver(network.Driver, CancellationToken.None)).ConfigureAwait(false) is { } driver)
        {
            await Asked(driver.DeleteNetworkAsync(network.Id, CancellationToken.None)).ConfigureAwait(false);
        }

        await ReleasePoolsAsync(network.Spec, network.RemotePools ?? []).ConfigureAwait(false);
    }

    public async Task ReleasePoolsAsync(NetworkSpec spec, IReadOnlyList<RemotePool> pools)
    {
        if (pools.Count > 0 && await Found(() => Addresses(spec.IpamDriver, CancellationToken.None)).ConfigureAwait(false) is { } addresses)
        {
            await addresses.ReleasePoolsAsync(pools, spec.Ipam).ConfigureAwait(false);
        }
    }

    /// <summary>Asks the plugins of all networks that a container joins; on failure nothing is kept.</summary>
    public async Task<SandboxSpec> PrepareAsync(SandboxSpec spec, string sandboxKey, CancellationToken cancellation)
    {
        var endpoints = new List<EndpointSpec>();
        try
        {
            foreach (var endpoint in spec.Endpoints)
            {
                endpoints.Add(await PrepareAsync(endpoint, sandboxKey, cancellation).ConfigureAwait(false));
            }

            return spec with { Endpoints = endpoints };
        }
        catch
        {
            await ReleaseAsync(endpoints).ConfigureAwait(false);
            throw;
        }
    }

    public async Task<EndpointSpec> PrepareAsync(EndpointSpec spec, string sandboxKey, CancellationToken cancellation)
    {
        var network = networks.Get(spec.Network).Network;
        if (!Concerns(network.Spec))
        {
            return spec;
        }

        var endpoint = new RemoteEndpoint { EndpointId = NetworkFactory.NewId(), MacAddress = spec.MacAddress };
        store.Save(new RemoteLease(network.Id, endpoint));
        try
        {
            endpoint = await TakeAddresses(network, spec, endpoint, cancellation).ConfigureAwait(false);
            store.Save(new RemoteLease(network.Id, endpoint));
            endpoint = IsRemoteDriver(network.Driver)
                ? await Joined(network, endpoint, spec, sandboxKey, cancellation).ConfigureAwait(false)
                : endpoint with { IPv4Gateway = GatewayOf(network, endpoint.IPv4Address), IPv6Gateway = GatewayOf(network, endpoint.IPv6Address) };
            store.Save(new RemoteLease(network.Id, endpoint));
            return spec with { Remote = endpoint };
        }
        catch
        {
            await ReleaseUnused(network.Id, endpoint).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Tells the plugin of the network by which a container reaches the world about its ports.</summary>
    public async Task PublishAsync(Sandbox sandbox, CancellationToken cancellation)
    {
        if (sandbox.Ports.Count > 0 && sandbox.Endpoints.FirstOrDefault(e => e.Spec.Remote is not null && IsRemoteDriver(networks.Get(e.NetworkId).Network.Driver)) is { } endpoint)
        {
            var driver = await Driver(networks.Get(endpoint.NetworkId).Network.Driver, cancellation).ConfigureAwait(false);
            await Asked(driver.PublishAsync(endpoint, sandbox.Ports, cancellation)).ConfigureAwait(false);
        }
    }

    /// <summary>Gives back what was prepared for a container that did not come about.</summary>
    public async Task ReleaseAsync(IReadOnlyList<EndpointSpec> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            if (endpoint.Remote is { } remote && networks.TryGet(endpoint.Network, out var state))
            {
                await ReleaseUnused(state.Network.Id, remote).ConfigureAwait(false);
            }
        }
    }

    private async Task ReleaseUnused(string network, RemoteEndpoint endpoint)
    {
        await run(() =>
        {
            if (networks.TryGet(network, out var state))
            {
                state.GiveBack(endpoint.EndpointId);
            }
        }).ConfigureAwait(false);
        await ReleaseAsync(new RemoteLease(network, endpoint)).ConfigureAwait(false);
    }

    public async Task ReleaseAsync(IReadOnlyList<Endpoint> endpoints)
    {
        foreach (var endpoint in endpoints)
        {
            await ReleaseAsync(new RemoteLease(endpoint.NetworkId, endpoint.Spec.Remote!)).ConfigureAwait(false);
        }
    }

    /// <summary>After a start: gives back what no container has any more.</summary>
    public async Task ReleaseAllBut(IReadOnlySet<string> endpoints)
    {
        foreach (var lease in store.Leases().Where(l => !endpoints.Contains(l.Endpoint.EndpointId)))
        {
            await ReleaseAsync(lease).ConfigureAwait(false);
        }
    }

    /// <summary>The record goes last, and stays when a plugin does not answer: the next start tries again.</summary>
    private async Task ReleaseAsync(RemoteLease lease)
    {
        var endpoint = lease.Endpoint;
        if (networks.TryGet(lease.NetworkId, out var state))
        {
            var network = state.Network;
            try
            {
                if (IsRemoteDriver(network.Driver))
                {
                    var driver = await Driver(network.Driver, CancellationToken.None).ConfigureAwait(false);
                    await driver.LeaveAsync(network.Id, endpoint.EndpointId).ConfigureAwait(false);
                }
            }
            catch (NetworkException)
            {
                return;
            }
            catch (PluginException)
            {
                // It does not know the endpoint (any more).
            }

            if (IsRemoteAddresses(network.Spec.IpamDriver) && await Found(() => Addresses(network.Spec.IpamDriver, CancellationToken.None)).ConfigureAwait(false) is { } addresses)
            {
                foreach (var address in new[] { endpoint.IPv4Address, endpoint.IPv6Address }.OfType<IPAddress>())
                {
                    if (network.RemotePools?.FirstOrDefault(p => p.Subnet.Contains(address)) is { } pool)
                    {
                        await addresses.ReleaseAddressAsync(pool.Id, address).ConfigureAwait(false);
                    }
                }
            }
        }

        store.DeleteLease(endpoint.EndpointId);
    }

    private static IPAddress? GatewayOf(Network network, IPAddress? address) =>
        address is null || network.Spec.Internal ? null : network.Spec.Ipam.FirstOrDefault(p => p.Subnet is { } subnet && subnet.Contains(address))?.Gateway;

    private async Task<RemoteEndpoint> Joined(Network network, RemoteEndpoint endpoint, EndpointSpec spec, string sandboxKey, CancellationToken cancellation)
    {
        var driver = await Driver(network.Driver, cancellation).ConfigureAwait(false);
        return await Asked(driver.JoinAsync(network.Id, endpoint, spec, sandboxKey, cancellation)).ConfigureAwait(false);
    }

    private async Task<RemoteEndpoint> TakeAddresses(Network network, EndpointSpec spec, RemoteEndpoint endpoint, CancellationToken cancellation)
    {
        if (network.Spec.IpamDriver == "null")
        {
            return endpoint;
        }

        var addresses = IsRemoteAddresses(network.Spec.IpamDriver) ? await Addresses(network.Spec.IpamDriver, cancellation).ConfigureAwait(false) : null;
        if (addresses is not null && endpoint.MacAddress is null && await Asked(addresses.WantsMacAddressAsync(cancellation)).ConfigureAwait(false))
        {
            endpoint = endpoint with { MacAddress = BridgeDriver.RandomAddress() };
        }

        if (network.Spec.EnableIPv4)
        {
            var (address, prefix) = await Take(AddressFamily.InterNetwork, spec.IPv4Address).ConfigureAwait(false);
            endpoint = endpoint with { IPv4Address = address, IPv4PrefixLength = prefix };
        }

        if (network.Spec.EnableIPv6)
        {
            var (address, prefix) = await Take(AddressFamily.InterNetworkV6, spec.IPv6Address).ConfigureAwait(false);
            endpoint = endpoint with { IPv6Address = address, IPv6PrefixLength = prefix };
        }

        return endpoint;

        async Task<(IPAddress Address, int PrefixLength)> Take(AddressFamily family, IPAddress? wanted)
        {
            if (addresses is null)
            {
                (IPAddress, int) taken = default;
                await run(() => taken = networks.Get(network.Id).TakeFor(endpoint.EndpointId, family, wanted)).ConfigureAwait(false);
                return taken;
            }

            var pool = network.RemotePools?.FirstOrDefault(p => wanted is null ? p.Subnet.BaseAddress.AddressFamily == family : p.Subnet.Contains(wanted))
                ?? throw new NetworkException(
                    NetworkError.InvalidParameter, $"invalid config for network {network.Name}: invalid endpoint settings:\nno configured subnet contains IP address {wanted}");
            return await Asked(addresses.RequestAddressAsync(pool.Id, wanted, endpoint.MacAddress, false, cancellation)).ConfigureAwait(false);
        }
    }

    private async Task<NetworkPlugin> Driver(string name, CancellationToken cancellation) =>
        new(await Plugin(name, NetworkPlugin.Kind, $"could not find plugin {name} in v1 plugin registry", cancellation).ConfigureAwait(false));

    private async Task<AddressPlugin> Addresses(string name, CancellationToken cancellation) =>
        new(await Plugin(name, AddressPlugin.Kind, $"could not find ipam driver {name}", cancellation).ConfigureAwait(false));

    private async Task<Plugin> Plugin(string name, string kind, string what, CancellationToken cancellation)
    {
        try
        {
            return plugins is null
                ? throw new PluginException("plugin not found", notFound: true)
                : await plugins.GetAsync(name, kind, cancellation).ConfigureAwait(false);
        }
        catch (PluginException e)
        {
            throw new NetworkException(e.IsNotFound ? NetworkError.NotFound : NetworkError.Kernel, $"{what}: {(e.IsNotFound ? "plugin not found" : e.Message)}", e);
        }
    }

    private static async Task<T?> Found<T>(Func<Task<T>> find) where T : class
    {
        try
        {
            return await find().ConfigureAwait(false);
        }
        catch (NetworkException)
        {
            return null;
        }
    }

    private static async Task<T> Asked<T>(Task<T> answer)
    {
        try
        {
            return await answer.ConfigureAwait(false);
        }
        catch (PluginException e)
        {
            throw new NetworkException(NetworkError.Kernel, e.Message, e);
        }
    }

    private static async Task Asked(Task answer)
    {
        try
        {
            await answer.ConfigureAwait(false);
        }
        catch (PluginException e)
        {
            throw new NetworkException(NetworkError.Kernel, e.Message, e);
        }
    }
}
