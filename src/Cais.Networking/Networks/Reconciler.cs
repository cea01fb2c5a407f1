using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;
using Cais.Networking.Kernel;
using Cais.Networking.Sandboxes;
using Cais.Networking.State;

namespace Cais.Networking.Networks;

/// <summary>
/// Makes the kernel what the database says: all of it at start, after a crash, a reboot or an update, and again whenever somebody deletes what is ours. Runs on the host's
/// kernel thread, but for <see cref="OnChange"/>.
/// </summary>
internal sealed class Reconciler(
    HostKernel host,
    NetworkStore store,
    NetworkTable networks,
    NetworkFactory factory,
    NetworkLifecycle lifecycle,
    FirewallKeeper firewall,
    SandboxManager sandboxes,
    NamespacePool pool,
    Func<Network, INetworkDriver?> driverOf,
    NetworkOptions options,
    string runDirectory) : IDisposable
{
    private readonly string _namespaceDirectory = Path.Combine(runDirectory, "netns");
    private ChangeWatcher? _watcher;
    private int _repairing;

    /// <summary>Takes over what is there for these containers, clears away the rest, and watches from then on.</summary>
    public void Start(IReadOnlyCollection<string> containers)
    {
        Directory.CreateDirectory(_namespaceDirectory);
        sandboxes.Prepare();
        foreach (var network in store.Networks())
        {
            networks.Set(new NetworkState(network));
        }

        AddBuiltIn("host", "host");
        AddBuiltIn("none", "null");
        var held = containers.ToHashSet();
        var (kept, gone) = Split(store.Sandboxes(), r => held.Contains(r.Sandbox.ContainerId));
        EnableForwarding();
        EnsureDefaultBridge(kept);
        EnsureNetworks();

        foreach (var record in kept)
        {
            if (!sandboxes.Restore(record))
            {
                gone.Add(record);
            }
        }

        Clear(gone);
        MendSandboxes();

        firewall.Restore(networks.States().Select(s => s.FirewallNetwork).OfType<FirewallNetwork>(), sandboxes.AllPublished(), sandboxes.AllLinks());
        firewall.Rebuild();

        _watcher = ChangeWatcher.Start(OnChange);
        pool.Fill();
    }

    /// <summary>On the watcher's thread: decides whether an event means that something of ours is gone.</summary>
    private void OnChange(NetworkEvent kind, string name, string? chain, int index, uint portId)
    {
        var ours = kind switch
        {
            NetworkEvent.LinkDeleted => networks.List().Any(n => n.BridgeName == name) || sandboxes.HasInterface(name),
            NetworkEvent.AddressDeleted => portId != host.Route.PortId && networks.States().Any(s => s.BridgeIndex == index),
            NetworkEvent.FilterReduced => name == FirewallTable.Name && portId != host.Filter.PortId &&
                chain is not (FirewallTable.UserPublished or FirewallTable.UserForward),
            _ => true,
        };

        // A deletion comes as a flood of events; one repair answers all that came before it.
        if (ours && Interlocked.Exchange(ref _repairing, 1) == 0)
        {
            try
            {
                _ = host.Thread.Run(Repair);
            }
            catch (ObjectDisposedException)
            {
                // The next start repairs.
            }
        }
    }

    /// <summary>Puts back what somebody deleted. What cannot be put back now is for the next change or start.</summary>
    private void Repair()
    {
        Volatile.Write(ref _repairing, 0);
        EnsureNetworks();

        MendSandboxes();

        firewall.Rebuild();
    }

    /// <summary>One container that cannot be mended keeps neither the daemon nor the others from going on: the next change or start tries again.</summary>
    private void MendSandboxes()
    {
        var links = host.Route.Links().ToDictionary(l => l.Name);
        foreach (var record in sandboxes.All)
        {
            try
            {
                sandboxes.Mend(record, links);
            }
            catch (Exception e) when (e is NetworkException or LinuxException)
            {
                host.Batch.Clear();
            }
        }
    }

    /// <summary>
    /// A network that cannot be made now (its parent interface or its peers are not there yet, perhaps) keeps neither the daemon nor other
    /// networks from starting: it is tried again when a container joins. Without its default bridge there is no sense in a daemon.
    /// </summary>
    private void EnsureNetworks()
    {
        foreach (var state in networks.States())
        {
            try
            {
                driverOf(state.Network)?.Ensure(state);
                state.NeedsRepair = false;
            }
            catch (Exception e) when (!state.Network.IsBuiltIn && e is NetworkException or LinuxException)
            {
                host.Batch.Clear();
                state.NeedsRepair = true;
            }
        }
    }

    private static (List<T> Yes, List<T> No) Split<T>(IEnumerable<T> items, Func<T, bool> test)
    {
        var groups = items.ToLookup(test);
        return ([.. groups[true]], [.. groups[false]]);
    }

    private void AddBuiltIn(string name, string driver)
    {
        if (!networks.TryGet(name, out _))
        {
            var network = new Network
            {
                Id = NetworkFactory.NewId(),
                Created = DateTimeOffset.UtcNow,
                Spec = new NetworkSpec { Name = name, Driver = driver },
            };
            store.Save(network);
            networks.Set(new NetworkState(network));
        }
    }

    private void EnsureDefaultBridge(List<SandboxRecord> running)
    {
        var present = networks.TryGet("bridge", out var state) ? state.Network : null;
        if (options.BridgeName == "none")
        {
            if (present is not null)
            {
                store.DeleteNetwork(present.Id);
                networks.Remove(present.Id);
            }

            return;
        }

        var link = host.Route.FindLink(options.BridgeName);
        var addresses = link is null ? [] : host.Route.Addresses().Where(a => a.Index == link.Index).ToList();
        var network = DefaultBridge.Describe(options, present, addresses, choose: family => factory.Choose(family, networks.List(), lifecycle.HostRoutes(options.BridgeName)));

        // Running containers keep their addresses: then the bridge keeps its own too, until the last of them stops.
        if (present is not null && running.Any(r => r.Sandbox.Endpoints.Any(e => e.NetworkId == present.Id)))
        {
            network = network with { Spec = network.Spec with { Ipam = present.Spec.Ipam } };
        }

        store.Save(network);
        networks.Set(new NetworkState(network));
    }

    private void EnableForwarding()
    {
        if (!options.IpForward)
        {
            return;
        }

        // Whether it was we who opened the machine for forwarding must outlive this process, as the setting does.
        var marker = Path.Combine(runDirectory, "forwarding-enabled");
        if (Sysctl.Read("ipv4/ip_forward") == "0")
        {
            File.WriteAllText(marker, "");
            Sysctl.Write("ipv4/ip_forward", "1");
        }

        if (options.IPv6 || networks.List().Any(n => n.Spec.EnableIPv6))
        {
            Sysctl.Write("ipv6/conf/all/forwarding", "1");
        }

        firewall.GuardForwarding = !options.IpForwardNoDrop && File.Exists(marker);
    }

    /// <summary>Clears away sandboxes whose containers are gone, and namespaces that nobody knows (a crash behind the row's deletion).</summary>
    private void Clear(List<SandboxRecord> gone)
    {
        var links = host.Route.Links().Select(l => l.Name).ToHashSet();
        foreach (var record in gone)
        {
            foreach (var endpoint in record.Sandbox.Endpoints)
            {
                if (endpoint.HostInterfaceName is { } name && links.Contains(name) && networks.TryGet(endpoint.NetworkId, out var state))
                {
                    driverOf(state.Network)?.Leave(endpoint, host.Route);
                }
            }

            store.DeleteSandbox(record.Sandbox.ContainerId);
        }

        var known = sandboxes.All.Select(r => r.Sandbox.NamespacePath).ToHashSet();
        foreach (var path in Directory.EnumerateFiles(_namespaceDirectory).Where(path => !known.Contains(path)))
        {
            NetworkNamespace.Unbind(path);
        }
    }

    /// <summary>Watches no longer. Before the kernel thread ends.</summary>
    public void Dispose() => _watcher?.Dispose();
}
