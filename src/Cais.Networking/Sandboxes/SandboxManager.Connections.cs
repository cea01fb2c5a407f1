using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Drivers;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Sandboxes;

/// <summary>Connecting and disconnecting containers that run.</summary>
internal sealed partial class SandboxManager
{
    /// <summary>Interfaces that have been taken from containers and that the kernel still has to delete.</summary>
    private readonly Dictionary<(string Container, string Interface), (string HostInterface, Task Deleted)> _leaving = [];

    public Endpoint Connect(string containerId, EndpointSpec spec)
    {
        var record = Get(containerId);
        var network = networks.Get(spec.Network);
        if (network.Network.Driver is "host" or "null" or "none" || record.Sandbox.NamespacePath is not { } path ||
            record.Sandbox.Endpoints.Any(e => e.NetworkName is "none"))
        {
            throw new NetworkException(
                NetworkError.Forbidden,
                network.Network.Name == "host"
                    ? "container cannot be disconnected from host network or connected to host network"
                    : "container cannot be connected to multiple networks with one of the networks in private (none) mode");
        }

        if (record.Sandbox.Endpoints.Any(e => e.NetworkId == network.Network.Id))
        {
            throw new NetworkException(
                NetworkError.Forbidden,
                $"endpoint with name {record.Spec.ContainerName} already exists in network {network.Network.Name}");
        }

        var driver = driverOf(network.Network)!;
        var names = record.Sandbox.Endpoints.Select(e => e.InterfaceName).OfType<string>().ToList();
        var endpoint = EndpointFactory.Create(network, spec, record.Spec, names);
        networks.Add(endpoint);
        IReadOnlyList<Endpoint> after = [.. record.Sandbox.Endpoints, endpoint];
        try
        {
            Replace(record, record.Sandbox with { Endpoints = after, Leaving = Leaving(containerId) }, () =>
            {
                using var target = SandboxNamespace.Open(host.Thread, path);
                AwaitName(containerId, endpoint.InterfaceName);
                JoinLive(after, endpoint, network, driver, target);
                StartNameServer(containerId, after, target);
            });
            return endpoint;
        }
        catch
        {
            networks.Remove(endpoint);
            driver.Leave(endpoint, host.Route);
            throw;
        }
    }

    public void Disconnect(string containerId, string networkNameOrId)
    {
        var record = Get(containerId);
        var network = networks.Get(networkNameOrId);
        if (record.Sandbox.Endpoints.FirstOrDefault(e => e.NetworkId == network.Network.Id) is not { } endpoint)
        {
            throw new NetworkException(NetworkError.Forbidden, $"container {containerId} is not connected to network {network.Network.Name}");
        }

        if (endpoint.InterfaceName is null)
        {
            throw new NetworkException(
                NetworkError.Forbidden,
                network.Network.Name == "host"
                    ? "container cannot be disconnected from host network or connected to host network"
                    : $"container {containerId} cannot be disconnected from network {network.Network.Name}");
        }

        IReadOnlyList<Endpoint> after = [.. record.Sandbox.Endpoints.Where(e => e.Id != endpoint.Id)];
        IReadOnlyList<string> leaving = driverOf(network.Network) is { HasHostEnd: true } ? [.. Leaving(containerId), endpoint.HostInterfaceName!] : Leaving(containerId);
        Replace(record, record.Sandbox with { Endpoints = after, Leaving = leaving }, () =>
        {
            using var target = SandboxNamespace.Open(host.Thread, record.Sandbox.NamespacePath!);
            Detach(containerId, endpoint, driverOf(network.Network), target);
            var inside = new RouteBatch();
            var links = target.Route.Links();
            AddDefaultRoutes(inside, after, e => links.FirstOrDefault(l => l.Name == e.InterfaceName)?.Index ?? 0);
            target.Route.Execute(inside);
        });
        networks.Remove(endpoint);
    }

    /// <summary>Takes an interface from a container that runs. None of its traffic passes when this returns.</summary>
    private void Detach(string containerId, Endpoint endpoint, INetworkDriver? driver, SandboxNamespace target)
    {
        var name = endpoint.InterfaceName!;
        var inside = new RouteBatch();
        if (driver is { HasHostEnd: true } && target.Route.FindLink(name) is { } pair)
        {
            // To delete a pair takes the kernel a while (it waits for all processors, twice). That it is down and has no addresses is enough for now;
            // should this process die before it is gone, the record tells the next.
            inside.SetUp(pair.Index, name, up: false);
            target.Route.Execute(inside, Errno.ENODEV);
            ContainerInterface.RemoveAddresses(inside, endpoint, pair.Index);
            target.Route.Execute(inside, Errno.EADDRNOTAVAIL);
            _leaving[(containerId, name)] = (endpoint.HostInterfaceName!, background.Thread.Run(() => driver.Leave(endpoint, background.Route)));
            return;
        }

        driver?.Leave(endpoint, host.Route);
        if (endpoint.Spec.Remote?.SourceInterface is { } source && target.Route.FindLink(name) is { } link)
        {
            // The plugin gets its interface back. The kernel needs the descriptor until it has done so.
            using var here = NetworkNamespace.OpenCurrent();
            inside.MoveLink(link.Index, name, here, source);
            target.Route.Execute(inside, Errno.ENODEV);
        }
        else
        {
            inside.DeleteLink(name);
            target.Route.Execute(inside, Errno.ENODEV);
        }
    }

    /// <summary>Waits until the interface that had this name is gone.</summary>
    private void AwaitName(string containerId, string? name)
    {
        if (name is not null && _leaving.Remove((containerId, name), out var leaving))
        {
            leaving.Deleted.GetAwaiter().GetResult();
        }
    }

    private List<string> Leaving(string containerId) =>
        [.. _leaving.Where(l => l.Key.Container == containerId && !l.Value.Deleted.IsCompletedSuccessfully).Select(l => l.Value.HostInterface)];

    /// <summary>Deletes what the process before this one had taken from a container and not deleted yet.</summary>
    private void FinishLeaving(Sandbox sandbox)
    {
        foreach (var name in sandbox.Leaving)
        {
            var batch = new RouteBatch();
            batch.DeleteLink(name);
            host.Route.Execute(batch, Errno.ENODEV);
        }
    }

    /// <summary>Adds one interface to a namespace that is in use.</summary>
    private static void JoinLive(IReadOnlyList<Endpoint> all, Endpoint endpoint, NetworkState network, INetworkDriver driver, SandboxNamespace target)
    {
        var inside = new RouteBatch();
        var index = Join(driver, network, endpoint, target, inside);
        var links = target.Route.Links();
        AddDefaultRoutes(inside, all, e => e.Id == endpoint.Id ? index : links.FirstOrDefault(l => l.Name == e.InterfaceName)?.Index ?? 0);
        target.Route.Execute(inside);
    }

    /// <summary>Changes who is where: record first, then kernel, then published ports, which may lead elsewhere now.</summary>
    private void Replace(SandboxRecord record, Sandbox sandbox, Action kernel)
    {
        var changed = record with { Sandbox = sandbox };
        store.Save(changed);
        _records[record.Sandbox.ContainerId] = changed;
        try
        {
            kernel();
        }
        catch
        {
            store.Save(record);
            _records[record.Sandbox.ContainerId] = record;
            throw;
        }

        var before = Published(record);
        var now = Published(changed);
        firewall.Unpublish([.. before.Except(now)]);
        firewall.Publish([.. now.Except(before)]);
        firewall.SetLinks(AllLinks());
    }
}
