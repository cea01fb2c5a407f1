using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Dns;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;
using Cais.Networking.Kernel;
using Cais.Networking.Networks;
using Cais.Networking.Ports;
using Cais.Networking.State;

namespace Cais.Networking.Sandboxes;

/// <summary>
/// Containers' namespaces. All methods but <see cref="Find"/> run as jobs on the host's kernel thread. The row in the database comes before
/// anything in the kernel and goes before it too: whatever is in the kernel without a row is left over and is cleared away at the next start.
/// </summary>
internal sealed partial class SandboxManager(
    HostKernel host,
    HostKernel background,
    NamespacePool pool,
    NetworkStore store,
    NetworkTable networks,
    FirewallKeeper firewall,
    PortAllocator ports,
    Func<Network, INetworkDriver?> driverOf,
    PeerNames peerNames,
    NetworkOptions options) : IDisposable
{
    private readonly NameForwarder _forwarder = new(host.Thread.OpenSocket);
    private readonly Dictionary<string, NameServer> _nameServers = [];
    private NameResolver? _resolver;
    private bool _hostHasIPv6;
    private readonly ConcurrentDictionary<string, SandboxRecord> _records = [];
    private readonly Dictionary<string, List<HeldPort>> _held = [];

    private NameResolver Resolver => _resolver ??= new NameResolver(networks);

    public SandboxRecord? Find(string containerId) => _records.GetValueOrDefault(containerId);

    public ICollection<SandboxRecord> All => _records.Values;

    /// <summary>Whether a container that should run has this interface of the host.</summary>
    public bool HasInterface(string hostInterface) =>
        _records.Values.Any(r => r.Sandbox.Endpoints.Any(e => e.HostInterfaceName == hostInterface));

    /// <param name="spec">The container.</param>
    /// <param name="ready">A namespace for it, or null for one from the pool. Owned from here.</param>
    /// <param name="allocated">Told what the sandbox will be, before the kernel is.</param>
    public Sandbox Create(SandboxSpec spec, SandboxNamespace? ready = null, Action<Sandbox>? allocated = null)
    {
        Destroy(spec.ContainerId);
        var endpoints = new List<Endpoint>();
        var held = new List<HeldPort>();
        Sandbox? sandbox = null;
        try
        {
            foreach (var wanted in spec.Endpoints)
            {
                var network = networks.Get(wanted.Network);
                RefuseMixedModes(network.Network, spec);
                var endpoint = EndpointFactory.Create(network, wanted, spec, [.. endpoints.Select(e => e.InterfaceName).OfType<string>()]);
                networks.Add(endpoint);
                endpoints.Add(endpoint);
            }

            held = PublishPlan.Take(ports, spec, endpoints, networks, options.DefaultBindingAddress, _hostHasIPv6 && options.UserlandProxy != false);
            using var target = endpoints.Any(e => e.NetworkName == "host") ? null : ready ?? pool.Take(host.Thread, spec);
            sandbox = new Sandbox
            {
                Id = NetworkFactory.NewId(),
                ContainerId = spec.ContainerId,
                NamespacePath = target?.Path,
                Endpoints = endpoints,
                Ports = [.. held.SelectMany(h => h.Bindings)],
            };
            var record = new SandboxRecord(sandbox, spec);
            store.Save(record);
            _records[spec.ContainerId] = record;
            allocated?.Invoke(sandbox);
            if (target is not null)
            {
                Build(sandbox, spec, target);
            }
        }
        catch
        {
            _records.TryRemove(spec.ContainerId, out _);
            GiveUp(spec.ContainerId, endpoints, held, sandbox);
            throw;
        }

        firewall.SetLinks(AllLinks());
        _held[spec.ContainerId] = held;
        held.ForEach(h => Relay(spec.ContainerId, h));
        ForgetFlows(held);
        pool.Fill();
        return sandbox;
    }

    public void Destroy(string containerId)
    {
        if (!_records.TryRemove(containerId, out var record))
        {
            return;
        }

        _held.Remove(containerId, out var held);
        firewall.Unpublish(Published(record));
        firewall.SetLinks(AllLinks());
        GiveUp(containerId, record.Sandbox.Endpoints, held ?? [], record.Sandbox);
    }

    /// <summary>Looks at what the host can do. Before anything else.</summary>
    public void Prepare() => _hostHasIPv6 = Sysctl.Read("ipv6/conf/all/disable_ipv6") == "0";

    /// <summary>Takes over a sandbox from before this daemon began, if its namespace is still there; mends what is missing. False: it is gone.</summary>
    public bool Restore(SandboxRecord record)
    {
        var sandbox = record.Sandbox;
        if (sandbox.NamespacePath is not null)
        {
            try
            {
                NetworkNamespace.Open(sandbox.NamespacePath).Dispose();
            }
            catch (LinuxException)
            {
                return false;
            }
        }

        FinishLeaving(sandbox);
        foreach (var endpoint in sandbox.Endpoints)
        {
            if (networks.TryGet(endpoint.NetworkId, out var network))
            {
                networks.Restore(network, endpoint);
            }
        }

        List<HeldPort> held = [.. sandbox.Ports.GroupBy(b => (b.ContainerPort, b.Protocol, b.HostPort)).SelectMany(TogetherAsTaken).Select(ports.Restore)];
        _held[sandbox.ContainerId] = held;
        _records[sandbox.ContainerId] = record;
        held.ForEach(h => Relay(sandbox.ContainerId, h));
        return true;
    }

    /// <summary>What the packet filter should have for all sandboxes.</summary>
    public IEnumerable<PublishedPort> AllPublished() => _records.Values.SelectMany(Published);

    /// <summary>Between which containers there must be a way although their network has none.</summary>
    public IReadOnlySet<FirewallLink> AllLinks()
    {
        var links = new HashSet<FirewallLink>();
        foreach (var record in _records.Values)
        {
            foreach (var (other, ports) in record.Spec.LinkedPorts)
            {
                if (_records.TryGetValue(other, out var child) && AddressOf(record) is { } from && AddressOf(child) is { } to)
                {
                    links.UnionWith(ports.Select(p => new FirewallLink(p.Protocol, from, to, p.Port)));
                }
            }
        }

        return links;

        IPAddress? AddressOf(SandboxRecord record) => record.Sandbox.Endpoints.FirstOrDefault(
            e => networks.TryGet(e.NetworkId, out var state) && state.Network is { IsBuiltIn: true } && state.HasBridge && !state.Settings.InterContainer)?.IPv4Address;
    }

    /// <summary>Changes whom a running container may reach by links.</summary>
    public void SetLinks(string containerId, IReadOnlyDictionary<string, IReadOnlyList<LinkedPort>> ports)
    {
        if (Find(containerId) is { } record)
        {
            var changed = record with { Spec = record.Spec with { LinkedPorts = ports } };
            store.Save(changed);
            _records[containerId] = changed;
            firewall.SetLinks(AllLinks());
        }
    }

    /// <summary>Puts back interfaces that somebody deleted, and ports of a bridge that was made anew.</summary>
    public void Mend(SandboxRecord record, IReadOnlyDictionary<string, LinkInfo> hostLinks)
    {
        if (record.Sandbox.NamespacePath is { } path)
        {
            using var target = SandboxNamespace.Open(host.Thread, path);
            StartNameServer(record.Sandbox.ContainerId, record.Sandbox.Endpoints, target);
        }

        foreach (var endpoint in record.Sandbox.Endpoints)
        {
            if (networks.TryGet(endpoint.NetworkId, out var network) && driverOf(network.Network) is { } driver &&
                !driver.Verify(network, endpoint, hostLinks))
            {
                using var target = SandboxNamespace.Open(host.Thread, record.Sandbox.NamespacePath!);
                JoinLive(record.Sandbox.Endpoints, endpoint, network, driver, target);
            }
        }
    }

    public void Rename(string containerId, string containerName)
    {
        var record = Get(containerId);
        var spec = record.Spec with { ContainerName = containerName };
        var endpoints = record.Sandbox.Endpoints
            .Select(e => e with { ContainerName = containerName, DnsNames = EndpointFactory.DnsNames(e.Spec, spec) })
            .ToList();
        var changed = new SandboxRecord(record.Sandbox with { Endpoints = endpoints }, spec);
        store.Save(changed);
        endpoints.ForEach(networks.Add);
        _records[containerId] = changed;
    }

    /// <summary>Lets go of the sockets that hold ports and answer for names; everything else stays. The kernel thread must have ended.</summary>
    public void Dispose()
    {
        foreach (var server in _nameServers.Values)
        {
            server.Dispose();
        }

        foreach (var held in _held.Values.SelectMany(h => h))
        {
            held.Dispose();
        }
    }

    private static void RefuseMixedModes(Network network, SandboxSpec spec)
    {
        if (network.Driver is "host" or "null" or "none" && spec.Endpoints.Count > 1)
        {
            throw new NetworkException(
                NetworkError.InvalidParameter,
                "container cannot be connected to multiple networks with one of the networks in private (none) mode");
        }
    }

    private SandboxRecord Get(string containerId) =>
        Find(containerId) ?? throw new NetworkException(NetworkError.NotFound, $"container {containerId} has no network namespace");

    private void Build(Sandbox sandbox, SandboxSpec spec, SandboxNamespace target)
    {
        var inside = new RouteBatch();
        var indexes = new Dictionary<string, int>();
        foreach (var endpoint in sandbox.Endpoints)
        {
            var network = networks.Get(endpoint.NetworkId);
            if (driverOf(network.Network) is { } driver)
            {
                indexes[endpoint.Id] = Join(driver, network, endpoint, target, inside);
            }
        }

        AddDefaultRoutes(inside, sandbox.Endpoints, e => indexes[e.Id]);
        target.Route.Execute(inside);
        StartNameServer(sandbox.ContainerId, sandbox.Endpoints, target);
        firewall.Publish(PublishPlan.Resolve(sandbox.Ports, spec.Ports, sandbox.Endpoints, networks, options.AllowDirectRouting));
    }

    /// <summary>Gives the container the embedded server, if it is in a network that has names and has none yet.</summary>
    private void StartNameServer(string containerId, IReadOnlyList<Endpoint> endpoints, SandboxNamespace target)
    {
        if (_nameServers.ContainsKey(containerId) || !endpoints.Any(e => networks.TryGet(e.NetworkId, out var state) && state.Network.HasNameService))
        {
            return;
        }

        _nameServers[containerId] = NameServer.Start(host.Thread, target, () => Find(containerId), Resolver, peerNames, _forwarder, Upstream, socket => background.Thread.Run(socket.Dispose));
    }

    /// <summary>Containers that can reach nothing outside get no answers from there either.</summary>
    private IReadOnlyList<IPAddress> Upstream(SandboxRecord asker) =>
        asker.Sandbox.Endpoints.All(e => networks.TryGet(e.NetworkId, out var state) && state.Network.Spec.Internal)
            ? []
            : NameFiles.Upstream(asker.Spec, options);

    private static int Join(INetworkDriver driver, NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside)
    {
        if (network.NeedsRepair)
        {
            driver.Ensure(network);
            network.NeedsRepair = false;
        }

        return driver.Join(network, endpoint, target, inside);
    }

    private static void AddDefaultRoutes(RouteBatch inside, IReadOnlyList<Endpoint> endpoints, Func<Endpoint, int> indexOf)
    {
        foreach (var family in (ReadOnlySpan<AddressFamily>)[AddressFamily.InterNetwork, AddressFamily.InterNetworkV6])
        {
            if (EndpointFactory.Gateway(endpoints, family) is { } gateway && indexOf(gateway) is var index and not 0)
            {
                ContainerInterface.AddDefaultRoutes(inside, gateway, index, v4: family == AddressFamily.InterNetwork, v6: family == AddressFamily.InterNetworkV6);
            }
        }
    }

    /// <summary>Senders over UDP that never pause would otherwise go on to whoever had the port before, or to nobody, for ever.</summary>
    private void ForgetFlows(List<HeldPort> held)
    {
        var bindings = held.Where(h => h.Protocol == PortProtocol.Udp).SelectMany(h => h.Bindings).ToList();
        if (bindings.Count > 0)
        {
            background.Thread.Run(() =>
            {
                using var connections = ConntrackSocket.Open();
                bindings.ForEach(b => connections.Forget((byte)b.Protocol, b.HostPort, b.HostAddress));
            });
        }
    }

    /// <summary>A port that was asked for by no address is held on one of each family; one asked for by several addresses is several.</summary>
    private static IEnumerable<IReadOnlyList<PortBinding>> TogetherAsTaken(IEnumerable<PortBinding> bindings)
    {
        var (any, specific) = (new List<PortBinding>(2), new List<PortBinding>());
        foreach (var binding in bindings)
        {
            (binding.HostAddress.Equals(IPAddress.Any) || binding.HostAddress.Equals(IPAddress.IPv6Any) ? any : specific).Add(binding);
        }

        return any.Count > 0 ? [any, .. specific.Select(b => new[] { b })] : specific.Select(b => new[] { b });
    }

    /// <summary>Serves what arrives at the sockets that hold a port, for as long as it is held.</summary>
    private void Relay(string containerId, HeldPort held)
    {
        var relaysV4 = options.UserlandProxy == true || !options.FirewallV4;
        if (options.UserlandProxy == false)
        {
            return;
        }

        foreach (var socket in held.Sockets)
        {
            if (held.Protocol == PortProtocol.Tcp)
            {
                _ = new PortRelay((binding, client) => RelayTarget(containerId, binding, client), host.Thread.OpenSocket).ServeAsync(held, socket);
            }
            else if (socket.AddressFamily == AddressFamily.InterNetworkV6 || relaysV4)
            {
                _ = new DatagramRelay((binding, client) => RelayTarget(containerId, binding, client), host.Thread.OpenSocket).ServeAsync(held, socket);
            }
        }
    }

    /// <summary>What IPv4 brings to the socket although the packet filter translates had no business there, and is shut out.</summary>
    private IPEndPoint? RelayTarget(string containerId, PortBinding binding, IPAddress client)
    {
        client = client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client;
        var relayed = client.AddressFamily == AddressFamily.InterNetworkV6 || !options.FirewallV4 ||
            (options.UserlandProxy == true && IPAddress.IsLoopback(client));
        return relayed && Find(containerId) is { } record ? PublishPlan.Target(record.Sandbox.Endpoints, networks, binding) : null;
    }

    private List<PublishedPort> Published(SandboxRecord record) =>
        PublishPlan.Resolve(record.Sandbox.Ports, record.Spec.Ports, record.Sandbox.Endpoints, networks, options.AllowDirectRouting);

    /// <summary>Frees what is on record at once; the kernel's part happens on the other thread.</summary>
    private void GiveUp(string containerId, IReadOnlyList<Endpoint> endpoints, List<HeldPort> held, Sandbox? sandbox)
    {
        if (_nameServers.Remove(containerId, out var server))
        {
            server.Dispose();
        }

        foreach (var key in _leaving.Keys.Where(k => k.Container == containerId).ToList())
        {
            _leaving.Remove(key);
        }

        held.ForEach(ports.Release);
        var leaving = new List<(INetworkDriver Driver, Endpoint Endpoint)>();
        foreach (var endpoint in endpoints)
        {
            if (networks.TryGet(endpoint.NetworkId, out var network) && driverOf(network.Network) is { } driver)
            {
                leaving.Add((driver, endpoint));
            }

            networks.Remove(endpoint);
        }

        if (sandbox is null)
        {
            return;
        }

        store.DeleteSandbox(containerId);
        background.Thread.Run(() => Bury(leaving, sandbox.NamespacePath));
    }

    private void Bury(List<(INetworkDriver Driver, Endpoint Endpoint)> leaving, string? path)
    {
        // The path first: interfaces whose container is gone go with it. Those whose namespace somebody still holds must leave the
        // bridge all the same, for their addresses are free already.
        if (path is not null)
        {
            NetworkNamespace.Unbind(path);
        }

        foreach (var (driver, endpoint) in leaving)
        {
            driver.Leave(endpoint, background.Route);
        }
    }
}
