using System.Collections.Frozen;
using System.Globalization;
using System.Net;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Addresses;
using Cais.Networking.Drivers;
using Cais.Networking.Firewall;
using Cais.Networking.Kernel;
using Cais.Networking.Networks;
using Cais.Networking.Plugins;
using Cais.Networking.Ports;
using Cais.Networking.Sandboxes;
using Cais.Networking.State;
using Cais.Plugins;
using Cais.Storage;

namespace Cais.Networking;

/// <summary>
/// Networks, sandboxes and published ports of one daemon. State is in the database, the kernel follows it: <see cref="StartAsync"/> makes
/// the kernel what the database says, after a crash, a reboot or someone's clean-up by hand. Safe to call from any thread; changes happen
/// one after the other on a thread of its own, reads never wait.
/// </summary>
public sealed class NetworkController : IAsyncDisposable
{
    private const int SpareNamespaces = 2;
    private readonly string _namespaceDirectory;
    private readonly string _runDirectory;
    private readonly NetworkStore _store;
    private readonly NetworkTable _networks = new();
    private readonly HostKernel _host;
    private readonly HostKernel _background;
    private readonly NamespacePool _pool;
    private readonly FirewallKeeper _firewall;
    private readonly SandboxManager _sandboxes;
    private readonly NetworkFactory _factory;
    private readonly RemoteNetworks _remote;
    private readonly RemoteDriver _remoteDriver;
    private readonly FrozenDictionary<string, INetworkDriver> _drivers;
    private ChangeWatcher? _watcher;
    private int _repairing;
    private bool _disposed;

    private NetworkController(NetworkStore store, string runDirectory, NetworkOptions options, HostKernel host, HostKernel background, PluginRegistry? plugins)
    {
        Options = options;
        _store = store;
        _host = host;
        _background = background;
        _runDirectory = runDirectory;
        _namespaceDirectory = Path.Combine(runDirectory, "netns");
        _pool = new NamespacePool(background.Thread, _namespaceDirectory, SpareNamespaces);
        _firewall = new FirewallKeeper(host, options);
        var bridge = new BridgeDriver(host, routeLoopback: options.UserlandProxy != true);
        _drivers = new Dictionary<string, INetworkDriver>
        {
            ["bridge"] = bridge,
            ["macvlan"] = new UpperDriver(host, "macvlan"),
            ["ipvlan"] = new UpperDriver(host, "ipvlan"),
            ["overlay"] = new OverlayDriver(host, bridge),
        }.ToFrozenDictionary();
        _remoteDriver = new RemoteDriver(host);
        _remote = new RemoteNetworks(plugins, store, _networks, job => Run(job, CancellationToken.None));
        _factory = new NetworkFactory(new SubnetPools(options.DefaultAddressPools), UniqueLocal(store));
        var ports = new PortAllocator(HeldPort.Bind, host.Thread.Run(EphemeralPorts).GetAwaiter().GetResult());
        _sandboxes = new SandboxManager(
            host,
            background,
            _pool,
            store,
            _networks,
            _firewall,
            ports,
            DriverOf,
            options);
    }

    /// <summary>The daemon settings it runs with.</summary>
    public NetworkOptions Options { get; }

    /// <summary>Reads the state; changes nothing in the kernel.</summary>
    /// <param name="database">The engine's database; tables with the prefix <c>network_</c> are made in it.</param>
    /// <param name="runDirectory">For namespaces; made if missing. Gone after a reboot.</param>
    /// <param name="options">The daemon's settings.</param>
    /// <param name="plugins">Where network and address plugins are found; null for none.</param>
    /// <param name="hostNamespace">The network namespace that is "the host"; null is the caller's. Not owned, needed during this call only.</param>
    public static NetworkController Open(Database database, string runDirectory, NetworkOptions options, PluginRegistry? plugins = null, FileDescriptor? hostNamespace = null)
    {
        var store = new NetworkStore(database);
        var host = HostKernel.Open("cais-net", hostNamespace);
        HostKernel? background = null;
        try
        {
            background = HostKernel.Open("cais-net-later", hostNamespace);
            return new NetworkController(store, runDirectory, options, host, background, plugins);
        }
        catch
        {
            background?.Dispose();
            host.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Creates or repairs the default bridge, every other network and the packet filter's table; verifies the sandboxes of
    /// <paramref name="containers"/> (ids of those that still run) and frees all others. Call once, before anything else.
    /// </summary>
    /// <exception cref="NetworkException">The kernel refuses, or the default bridge cannot be.</exception>
    public async Task StartAsync(IReadOnlyCollection<string> containers, CancellationToken cancellationToken)
    {
        await Run(() => Start(containers), cancellationToken).ConfigureAwait(false);
        var held = _sandboxes.All.SelectMany(r => r.Sandbox.Endpoints).Select(e => e.Id).ToHashSet();

        // Plugins may start after the daemon, or never: nobody waits for them.
        _ = Task.Run(() => _remote.ReleaseAllBut(held), CancellationToken.None);
    }

    /// <summary>All networks, built-in ones included, by name.</summary>
    public IReadOnlyList<Network> List() => _networks.List();

    /// <summary>By id, name, or unambiguous start of the id, in this order.</summary>
    /// <exception cref="NetworkException">NotFound: <c>network x not found</c>; InvalidParameter: more than one.</exception>
    public Network Get(string nameOrId) => _networks.Get(nameOrId).Network;

    /// <summary>As <see cref="Get"/>; null when there is none.</summary>
    public Network? Find(string nameOrId) => _networks.TryGet(nameOrId, out var state) ? state.Network : null;

    /// <summary>Those who are in the network now.</summary>
    public IReadOnlyList<Endpoint> EndpointsOf(string networkId) => _networks.EndpointsOf(networkId);

    /// <summary>How full a network's subnets are now.</summary>
    /// <exception cref="NetworkException">NotFound.</exception>
    public Task<IReadOnlyList<SubnetUse>> SubnetsOfAsync(string networkId, CancellationToken cancellationToken) =>
        Run(() => _networks.Get(networkId).Use(), cancellationToken);

    /// <summary>Creates a user-defined network in database and kernel.</summary>
    /// <exception cref="NetworkException">Conflict: the name or subnet is taken; InvalidParameter; Exhausted: no subnet left; Unsupported.</exception>
    public async Task<Network> CreateAsync(NetworkSpec spec, CancellationToken cancellationToken)
    {
        spec = NetworkFactory.Resolve(spec, _networks.List());
        if (!RemoteNetworks.Concerns(spec))
        {
            return await Run(() => CreateNetwork(spec, []), cancellationToken).ConfigureAwait(false);
        }

        var (filled, pools) = await _remote.RequestPoolsAsync(spec, cancellationToken).ConfigureAwait(false);
        Network? network = null;
        try
        {
            network = await Run(() => CreateNetwork(filled, pools), cancellationToken).ConfigureAwait(false);
            await _remote.CreateNetworkAsync(network, cancellationToken).ConfigureAwait(false);
            return network;
        }
        catch
        {
            if (network is not null)
            {
                await Run(() => RemoveNetwork(network.Id), CancellationToken.None).ConfigureAwait(false);
            }

            await _remote.ReleasePoolsAsync(filled, pools).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Removes a user-defined network that nobody is in.</summary>
    /// <exception cref="NetworkException">Forbidden: built in, or <c>error while removing network: … has active endpoints</c>.</exception>
    public async Task RemoveAsync(string nameOrId, CancellationToken cancellationToken)
    {
        var network = Get(nameOrId);
        if (RemoteNetworks.Concerns(network.Spec))
        {
            await Run(() => CheckRemovable(_networks.Get(network.Id)), cancellationToken).ConfigureAwait(false);
            await _remote.DeleteNetworkAsync(network).ConfigureAwait(false);
        }

        await Run(() => RemoveNetwork(network.Id), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes the container's namespace with interfaces, addresses, routes and published ports. All or nothing: on failure nothing is kept.
    /// A sandbox that the container already has is destroyed first.
    /// </summary>
    /// <exception cref="PortAllocatedException">A host port is taken.</exception>
    /// <exception cref="NetworkException">As the kinds say.</exception>
    public async Task<Sandbox> CreateSandboxAsync(SandboxSpec spec, CancellationToken cancellationToken) =>
        _remote.Concerns(spec.Endpoints)
            ? await CreateRemoteSandbox(spec, cancellationToken).ConfigureAwait(false)
            : await Run(() => _sandboxes.Create(spec), cancellationToken).ConfigureAwait(false);

    /// <summary>
    /// The same, but answers as soon as it is known what the sandbox will be: whoever needs its namespace's path and addresses, and not yet its
    /// network, goes on while the kernel is told. <see cref="SandboxStart.Built"/> fails as this would have, and then nothing is kept either.
    /// </summary>
    public async Task<SandboxStart> BeginSandboxAsync(SandboxSpec spec, CancellationToken cancellationToken)
    {
        if (_remote.Concerns(spec.Endpoints))
        {
            return new SandboxStart(await CreateRemoteSandbox(spec, cancellationToken).ConfigureAwait(false), Task.CompletedTask);
        }

        var allocated = new TaskCompletionSource<Sandbox>(TaskCreationOptions.RunContinuationsAsynchronously);
        var built = Run(() => _sandboxes.Create(spec, allocated: sandbox => allocated.SetResult(sandbox)), cancellationToken);
        await Task.WhenAny(allocated.Task, built).ConfigureAwait(false);
        return new SandboxStart(allocated.Task.IsCompleted ? allocated.Task.Result : await built.ConfigureAwait(false), built);
    }

    /// <summary>
    /// Frees addresses and ports at once and drops the last reference to the namespace; the kernel takes it down in the background.
    /// Does nothing when there is none. The container's processes must be gone.
    /// </summary>
    public async Task DestroySandboxAsync(string containerId)
    {
        var remote = _sandboxes.Find(containerId)?.Sandbox.Endpoints.Where(e => e.Spec.Remote is not null).ToList();
        await Run(() => _sandboxes.Destroy(containerId), CancellationToken.None).ConfigureAwait(false);
        if (remote is { Count: > 0 })
        {
            await _remote.ReleaseAsync(remote).ConfigureAwait(false);
        }
    }

    /// <summary>The container's sandbox, or null. After a daemon restart: from the database, verified against the kernel.</summary>
    public Sandbox? GetSandbox(string containerId) => _sandboxes.Find(containerId)?.Sandbox;

    /// <summary>Puts a running container into one more network.</summary>
    public async Task<Endpoint> ConnectAsync(string containerId, EndpointSpec endpoint, CancellationToken cancellationToken)
    {
        if (!_remote.Concerns([endpoint]))
        {
            return await Run(() => _sandboxes.Connect(containerId, endpoint), cancellationToken).ConfigureAwait(false);
        }

        endpoint = await _remote.PrepareAsync(endpoint, GetSandbox(containerId)?.NamespacePath ?? "", cancellationToken).ConfigureAwait(false);
        try
        {
            return await Run(() => _sandboxes.Connect(containerId, endpoint), cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await _remote.ReleaseAsync([endpoint]).ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Takes a running container out of a network.</summary>
    /// <exception cref="NetworkException">Forbidden: it is not in that network.</exception>
    public async Task DisconnectAsync(string containerId, string networkNameOrId, CancellationToken cancellationToken)
    {
        var network = Get(networkNameOrId);
        var endpoint = GetSandbox(containerId)?.Endpoints.FirstOrDefault(e => e.NetworkId == network.Id);
        await Run(() => _sandboxes.Disconnect(containerId, network.Id), cancellationToken).ConfigureAwait(false);
        if (endpoint?.Spec.Remote is not null)
        {
            await _remote.ReleaseAsync([endpoint]).ConfigureAwait(false);
        }
    }

    /// <summary>A running container has another name now: name service follows.</summary>
    public Task RenameAsync(string containerId, string containerName) => Run(() => _sandboxes.Rename(containerId, containerName), CancellationToken.None);

    /// <summary>The container's <c>/etc/hosts</c>, for its present endpoints.</summary>
    /// <param name="containerId">A container with a sandbox.</param>
    /// <param name="extraHosts"><c>--add-host</c> entries as <c>name:address</c>; <c>host-gateway</c> is resolved.</param>
    /// <exception cref="NetworkException">NotFound; InvalidParameter: an entry has no sense.</exception>
    public string HostsFile(string containerId, IReadOnlyList<string> extraHosts)
    {
        var record = Record(containerId);
        var links = record.Spec.Links.SelectMany(link => LinkLines(link.Key, link.Value));
        return NameFiles.Hosts(record, [.. extraHosts.Select(entry => NameFiles.ParseExtraHost(entry, HostGateways())), .. links], Options);
    }

    /// <summary>The container's <c>/etc/resolv.conf</c>: the embedded server in user-defined networks, else the host's or the given ones.</summary>
    public string ResolvConf(string containerId)
    {
        var record = Record(containerId);
        return NameFiles.ResolvConf(record.Spec, Options, internalServer: record.Sandbox.Endpoints.Any(e => Get(e.NetworkId).HasNameService), inHostNetwork: record.Sandbox.NamespacePath is null);
    }

    /// <summary>Waits for what is still to be done in the background, and stops. Everything in the kernel stays as it is.</summary>
    public ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            _watcher?.Dispose();
            _host.Dispose();
            _background.Dispose();
            _pool.Dispose();
            _sandboxes.Dispose();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Waits until everything that was put off has been done.</summary>
    internal Task DrainAsync() => _background.Thread.Run(() => { });

    private static (ushort First, ushort Last) EphemeralPorts()
    {
        var range = Sysctl.Read("ipv4/ip_local_port_range")?.Split('\t', ' ');
        return range is [var first, var last] && ushort.TryParse(first, CultureInfo.InvariantCulture, out var from) &&
            ushort.TryParse(last, CultureInfo.InvariantCulture, out var to) && from > 0 && from <= to
                ? (from, to)
                : ((ushort)49153, (ushort)65535);
    }

    /// <summary>This machine's own IPv6 prefix (RFC 4193): 40 random bits, chosen once.</summary>
    private static IPNetwork UniqueLocal(NetworkStore store)
    {
        var text = store.Setting("unique-local", () => RandomBytes.Hex(5));
        var bytes = new byte[16];
        bytes[0] = 0xfd;
        Convert.FromHexString(text).CopyTo(bytes, 1);
        return new IPNetwork(new IPAddress(bytes), 48);
    }

    private SandboxRecord Record(string containerId) =>
        _sandboxes.Find(containerId) ?? throw new NetworkException(NetworkError.NotFound, $"container {containerId} has no network namespace");

    private IReadOnlyList<IPAddress> HostGateways()
    {
        if (Options.HostGatewayAddresses.Count > 0)
        {
            return Options.HostGatewayAddresses;
        }

        return Find("bridge") is { } bridge ? [.. bridge.Spec.Ipam.Select(p => p.Gateway).OfType<IPAddress>()] : [];
    }

    /// <summary>A linked container by its alias, and by its own names beside it.</summary>
    private IEnumerable<(string Name, IPAddress Address)> LinkLines(string alias, string containerId) =>
        _sandboxes.Find(containerId) is { } other && other.Sandbox.Endpoints.FirstOrDefault(e => e.NetworkName == "bridge")?.IPv4Address is { } address
            ? [(string.Join(' ', new[] { alias, other.Spec.Hostname, other.Spec.ContainerName }.Where(n => !string.IsNullOrEmpty(n)).Distinct()), address)]
            : [];

    private Task<T> Run<T>(Func<T> job, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _host.Thread.Run(() =>
        {
            try
            {
                return job();
            }
            catch (LinuxException e)
            {
                throw new NetworkException(NetworkError.Kernel, e.Message, e);
            }
        });
    }

    private Task<bool> Run(Action job, CancellationToken cancellationToken) => Run(
        () =>
        {
            job();
            return true;
        },
        cancellationToken);

    private void Start(IReadOnlyCollection<string> containers)
    {
        Directory.CreateDirectory(_namespaceDirectory);
        _sandboxes.Prepare();
        foreach (var network in _store.Networks())
        {
            _networks.Set(new NetworkState(network));
        }

        AddBuiltIn("host", "host");
        AddBuiltIn("none", "null");
        var held = containers.ToHashSet();
        var (kept, gone) = Split(_store.Sandboxes(), r => held.Contains(r.Sandbox.ContainerId));
        EnableForwarding();
        EnsureDefaultBridge(kept);
        EnsureNetworks();

        foreach (var record in kept)
        {
            if (!_sandboxes.Restore(record))
            {
                gone.Add(record);
            }
        }

        Clear(gone);
        var links = _host.Route.Links().ToDictionary(l => l.Name);
        foreach (var record in _sandboxes.All)
        {
            _sandboxes.Mend(record, links);
        }

        _firewall.Restore(_networks.States().Select(s => s.FirewallNetwork).OfType<FirewallNetwork>(), _sandboxes.AllPublished());
        _firewall.Rebuild();

        _watcher = ChangeWatcher.Start(OnChange);
        _pool.Fill();
    }

    /// <summary>On the watcher's thread: decides whether an event means that something of ours is gone.</summary>
    private void OnChange(NetworkEvent kind, string name, string? chain, uint portId)
    {
        var ours = kind switch
        {
            NetworkEvent.LinkDeleted => _networks.List().Any(n => n.BridgeName == name) || _sandboxes.HasInterface(name),
            NetworkEvent.FilterReduced => name == FirewallTable.Name && portId != _host.Filter.PortId &&
                chain is not (FirewallTable.UserPublished or FirewallTable.UserForward),
            _ => true,
        };

        // A deletion comes as a flood of events; one repair answers all that came before it.
        if (ours && Interlocked.Exchange(ref _repairing, 1) == 0)
        {
            try
            {
                _ = _host.Thread.Run(Repair);
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

        var links = _host.Route.Links().ToDictionary(l => l.Name);
        foreach (var record in _sandboxes.All)
        {
            _sandboxes.Mend(record, links);
        }

        _firewall.Rebuild();
    }

    /// <summary>
    /// A network that cannot be made now (its parent interface or its peers are not there yet, perhaps) keeps neither the daemon nor other
    /// networks from starting: it is tried again when a container joins. Without its default bridge there is no sense in a daemon.
    /// </summary>
    private void EnsureNetworks()
    {
        foreach (var state in _networks.States())
        {
            try
            {
                DriverOf(state.Network)?.Ensure(state);
                state.NeedsRepair = false;
            }
            catch (Exception e) when (!state.Network.IsBuiltIn && e is NetworkException or LinuxException)
            {
                _host.Batch.Clear();
                state.NeedsRepair = true;
            }
        }
    }

    private static (List<T> Yes, List<T> No) Split<T>(IEnumerable<T> items, Func<T, bool> test)
    {
        var groups = items.ToLookup(test);
        return ([.. groups[true]], [.. groups[false]]);
    }

    private INetworkDriver? DriverOf(Network network) =>
        _drivers.GetValueOrDefault(network.Driver) ?? (RemoteNetworks.IsRemoteDriver(network.Driver) ? _remoteDriver : null);

    /// <summary>The plugins are asked before the kernel thread's turn, with the namespace that they may want to see.</summary>
    private async Task<Sandbox> CreateRemoteSandbox(SandboxSpec spec, CancellationToken cancellationToken)
    {
        await DestroySandboxAsync(spec.ContainerId).ConfigureAwait(false);
        var target = await Run(() => _pool.Take(_host.Thread), cancellationToken).ConfigureAwait(false);
        var used = false;
        try
        {
            var prepared = await _remote.PrepareAsync(spec, target.Path, cancellationToken).ConfigureAwait(false);
            Sandbox sandbox;
            try
            {
                used = true;
                sandbox = await Run(() => _sandboxes.Create(prepared, target), cancellationToken).ConfigureAwait(false);
            }
            catch
            {
                await _remote.ReleaseAsync(prepared.Endpoints).ConfigureAwait(false);
                throw;
            }

            await _remote.PublishAsync(sandbox, cancellationToken).ConfigureAwait(false);
            return sandbox;
        }
        catch
        {
            if (used)
            {
                await DestroySandboxAsync(spec.ContainerId).ConfigureAwait(false);
            }
            else
            {
                target.Dispose();
                NetworkNamespace.Unbind(target.Path);
            }

            throw;
        }
    }

    private void AddBuiltIn(string name, string driver)
    {
        if (!_networks.TryGet(name, out _))
        {
            var network = new Network
            {
                Id = NetworkFactory.NewId(),
                Created = DateTimeOffset.UtcNow,
                Spec = new NetworkSpec { Name = name, Driver = driver },
            };
            _store.Save(network);
            _networks.Set(new NetworkState(network));
        }
    }

    private void EnsureDefaultBridge(List<SandboxRecord> running)
    {
        var present = _networks.TryGet("bridge", out var state) ? state.Network : null;
        if (Options.BridgeName == "none")
        {
            if (present is not null)
            {
                _store.DeleteNetwork(present.Id);
                _networks.Remove(present.Id);
            }

            return;
        }

        var link = _host.Route.FindLink(Options.BridgeName);
        var addresses = link is null ? [] : _host.Route.Addresses().Where(a => a.Index == link.Index).ToList();
        var network = DefaultBridge.Describe(Options, present, addresses, choose: family => _factory.Choose(family, _networks.List(), HostRoutes(Options.BridgeName)));

        // Running containers keep their addresses: then the bridge keeps its own too, until the last of them stops.
        if (present is not null && running.Any(r => r.Sandbox.Endpoints.Any(e => e.NetworkId == present.Id)))
        {
            network = network with { Spec = network.Spec with { Ipam = present.Spec.Ipam } };
        }

        _store.Save(network);
        _networks.Set(new NetworkState(network));
    }

    /// <summary>Subnets that the host reaches by itself, but for those behind its own bridges.</summary>
    private List<IPNetwork> HostRoutes(string? except = null)
    {
        var ours = _networks.List().Select(n => n.BridgeName).OfType<string>().Append(except).ToHashSet();
        var indexes = _host.Route.Links().Where(l => ours.Contains(l.Name)).Select(l => l.Index).ToHashSet();
        return [.. _host.Route.Routes().Where(r => r.Destination.PrefixLength > 0 && !indexes.Contains(r.Index)).Select(r => r.Destination)];
    }

    private void EnableForwarding()
    {
        if (!Options.IpForward)
        {
            return;
        }

        // Whether it was we who opened the machine for forwarding must outlive this process, as the setting does.
        var marker = Path.Combine(_runDirectory, "forwarding-enabled");
        if (Sysctl.Read("ipv4/ip_forward") == "0")
        {
            File.WriteAllText(marker, "");
            Sysctl.Write("ipv4/ip_forward", "1");
        }

        if (Options.IPv6 || _networks.List().Any(n => n.Spec.EnableIPv6))
        {
            Sysctl.Write("ipv6/conf/all/forwarding", "1");
        }

        _firewall.GuardForwarding = !Options.IpForwardNoDrop && File.Exists(marker);
    }

    /// <summary>Clears away sandboxes whose containers are gone, and namespaces that nobody knows (a crash behind the row's deletion).</summary>
    private void Clear(List<SandboxRecord> gone)
    {
        var links = _host.Route.Links().Select(l => l.Name).ToHashSet();
        foreach (var record in gone)
        {
            foreach (var endpoint in record.Sandbox.Endpoints)
            {
                if (endpoint.HostInterfaceName is { } name && links.Contains(name) && _networks.TryGet(endpoint.NetworkId, out var state))
                {
                    DriverOf(state.Network)?.Leave(endpoint, _host.Route);
                }
            }

            _store.DeleteSandbox(record.Sandbox.ContainerId);
        }

        var known = _sandboxes.All.Select(r => r.Sandbox.NamespacePath).ToHashSet();
        foreach (var path in Directory.EnumerateFiles(_namespaceDirectory).Where(path => !known.Contains(path)))
        {
            NetworkNamespace.Unbind(path);
        }
    }

    private Network CreateNetwork(NetworkSpec spec, IReadOnlyList<RemotePool> pools)
    {
        if (spec.Driver is "host" or "null" or "none" && !spec.ConfigOnly)
        {
            throw new NetworkException(NetworkError.Forbidden, $"only one instance of \"{spec.Driver}\" network is allowed");
        }

        var network = _factory.Create(spec, _networks.List(), HostRoutes(), Options.DefaultNetworkOptions.GetValueOrDefault(spec.Driver));
        network = network with { RemotePools = pools.Count > 0 ? pools : null };
        if (DriverOf(network) is not { } driver)
        {
            // A network of settings alone: the kernel has nothing of it.
            var settings = new NetworkState(network);
            _store.Save(network);
            _networks.Set(settings);
            return network;
        }

        network = network with { OwnsBridge = driver.HostInterface(network) is { Length: > 0 } name && _host.Route.FindLink(name) is null };
        var state = new NetworkState(network);
        _store.Save(network);
        try
        {
            driver.Ensure(state);
            if (network.Spec.EnableIPv6 && Options.IpForward)
            {
                Sysctl.Write("ipv6/conf/all/forwarding", "1");
            }

            if (state.FirewallNetwork is { } filter)
            {
                _firewall.Add(filter);
            }
        }
        catch
        {
            _store.DeleteNetwork(network.Id);
            if (network.OwnsBridge)
            {
                driver.Remove(state);
            }

            throw;
        }

        _networks.Set(state);
        return network;
    }

    private void CheckRemovable(NetworkState state)
    {
        var network = state.Network;
        if (network.Spec.ConfigOnly && _networks.List().FirstOrDefault(n => n.Spec.ConfigFrom == network.Name) is { } dependent)
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

    private void RemoveNetwork(string nameOrId)
    {
        var state = _networks.Get(nameOrId);
        var network = state.Network;
        CheckRemovable(state);
        if (state.FirewallNetwork is { } filter)
        {
            _firewall.Remove(filter);
        }

        if (network.OwnsBridge)
        {
            DriverOf(network)?.Remove(state);
        }

        _store.DeleteNetwork(network.Id);
        _networks.Remove(network.Id);
    }
}
