using System.Net;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Networks;

/// <summary>Networks as users make and remove them, in database, kernel and packet filter. Runs on the host's kernel thread.</summary>
internal sealed class NetworkLifecycle(
    HostKernel host,
    NetworkStore store,
    NetworkTable networks,
    NetworkFactory factory,
    FirewallKeeper firewall,
    Func<Network, INetworkDriver?> driverOf,
    NetworkOptions options)
{
    public Network Create(NetworkSpec spec, IReadOnlyList<RemotePool> pools)
    {
        if (spec.Driver is "host" or "null" or "none" && !spec.ConfigOnly)
        {
            throw new NetworkException(NetworkError.Forbidden, $"only one instance of \"{spec.Driver}\" network is allowed");
        }

        var network = factory.Create(spec, networks.List(), HostRoutes(), options.DefaultNetworkOptions.GetValueOrDefault(spec.Driver));
        network = network with { RemotePools = pools.Count > 0 ? pools : null };
        if (driverOf(network) is not { } driver)
        {
            // A network of settings alone: the kernel has nothing of it.
            var settings = new NetworkState(network);
            store.Save(network);
            networks.Set(settings);
            return network;
        }

        network = network with { OwnsBridge = driver.HostInterface(network) is { Length: > 0 } name && host.Route.FindLink(name) is null };
        var state = new NetworkState(network);
        store.Save(network);
        try
        {
            driver.Ensure(state);
            if (network.Spec.EnableIPv6 && options.IpForward)
            {
                Sysctl.Write("ipv6/conf/all/forwarding", "1");
            }

            if (state.FirewallNetwork is { } filter)
            {
                firewall.Add(filter);
            }
        }
        catch
        {
            store.DeleteNetwork(network.Id);
            if (network.OwnsBridge)
            {
                driver.Remove(state);
            }

            throw;
        }

        networks.Set(state);
        return network;
    }

    public void CheckRemovable(NetworkState state)
    {
        var network = state.Network;
        if (network.Spec.ConfigOnly && networks.List().FirstOrDefault(n => n.Spec.ConfigFrom == network.Name) is { } dependent)
        {
            throw new NetworkException(NetworkError.Forbidden, $"configuration network \"{network.Name}\" is in use by network \"{dependent.Name}\"");
        }

        if (network.IsBuiltIn)
        {
            throw new NetworkException(NetworkError.Forbidden, $"{network.Name} is a pre-defined network and cannot be removed");
        }

        if (state.Endpoints.Count > 0)
        {
            var users = string.Join(", ", state.Endpoints.Values.Select(e => $"name:\"{e.ContainerName}\" id:\"{e.Id[..12]}\""));
            throw new NetworkException(NetworkError.Forbidden, $"error while removing network: network {network.Name} has active endpoints ({users})");
        }
    }

    public void Remove(string nameOrId)
    {
        var state = networks.Get(nameOrId);
        var network = state.Network;
        CheckRemovable(state);
        if (state.FirewallNetwork is { } filter)
        {
            firewall.Remove(filter);
        }

        if (network.OwnsBridge)
        {
            driverOf(network)?.Remove(state);
        }

        store.DeleteNetwork(network.Id);
        networks.Remove(network.Id);
    }

    /// <summary>Subnets that the host reaches by itself, but for those behind its own bridges.</summary>
    public List<IPNetwork> HostRoutes(string? except = null)
    {
        var ours = networks.List().Select(n => n.BridgeName).OfType<string>().Append(except).ToHashSet();
        var indexes = host.Route.Links().Where(l => ours.Contains(l.Name)).Select(l => l.Index).ToHashSet();
        return [.. host.Route.Routes().Where(r => r.Destination.PrefixLength > 0 && !indexes.Contains(r.Index)).Select(r => r.Destination)];
    }
}
