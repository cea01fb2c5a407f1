using System.Collections.Frozen;
using System.Globalization;
using System.Net;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Addresses;
using Cais.Networking.Dns;
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
    private readonly NetworkTable _networks = new();
    private readonly PeerNames _peerNames;
    private readonly HostKernel _host;
    private readonly HostKernel _background;
    private readonly NamespacePool _pool;
    private readonly SandboxManager _sandboxes;
    private readonly NetworkLifecycle _lifecycle;
    private readonly Reconciler _reconciler;
    private readonly RemoteNetworks _remote;
    private readonly RemoteDriver _remoteDriver;
    private readonly FrozenDictionary<string, INetworkDriver> _drivers;
    private bool _disposed;

    private NetworkController(NetworkStore store, string runDirectory, NetworkOptions options, HostKernel host, HostKernel background, PluginRegistry? plugins)
    {
        Options = options;
        _host = host;
        _background = background;
        _pool = new NamespacePool(background.Thread, Path.Combine(runDirectory, "netns"), SpareNamespaces, options.ContainerIds);
        var firewall = new FirewallKeeper(host, options);
        _peerNames = new PeerNames(_networks, host.Thread.OpenSocket);
        var bridge = new BridgeDriver(host, routeLoopback: options.UserlandProxy != true);
        _drivers = new Dictionary<string, INetworkDriver>
        {
            ["bridge"] = bridge,
            ["macvlan"] = new UpperDriver(host, "macvlan"),
            ["ipvlan"] = new UpperDriver(host, "ipvlan"),
            ["overlay"] = new OverlayDriver(host, bridge, _peerNames),
        }.ToFrozenDictionary();
        _remoteDriver = new RemoteDriver(host);
        _remote = new RemoteNetworks(plugins, store, _networks, job => Run(job, CancellationToken.None));
        var factory = new NetworkFactory(new SubnetPools(options.DefaultAddressPools), UniqueLocal(store));
        var ports = new PortAllocator(HeldPort.Bind, host.Thread.Run(EphemeralPorts).GetAwaiter().GetResult());
        _sandboxes = new SandboxManager(
            host,
            background,
            _pool,
            store,
            _networks,
            firewall,
            ports,
            DriverOf,
            _peerNames,
            options);
        _lifecycle = new NetworkLifecycle(host, store, _networks, factory, firewall, DriverOf, options);
        _reconciler = new Reconciler(host, store, _networks, factory, _lifecycle, firewall, _sandboxes, _pool, DriverOf, options, runDirectory);
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
        await Run(() => _reconciler.Start(containers), cancellationToken).ConfigureAwait(false);
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
            return await Run(() => _lifecycle.Create(spec, []), cancellationToken).ConfigureAwait(false);
        }

        var (filled, pools) = await _remote.RequestPoolsAsync(spec, cancellationToken).ConfigureAwait(false);
        Network? network = null;
        try
        {
            network = await Run(() => _lifecycle.Create(filled, pools), cancellationToken).ConfigureAwait(false);
            await _remote.CreateNetworkAsync(network, cancellationToken).ConfigureAwait(false);
            return network;
        }
        catch
        {
            if (network is not null)
            {
                await Run(() => _lifecycle.Remove(network.Id), CancellationToken.None).ConfigureAwait(false);
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
            await Run(() => _lifecycle.CheckRemovable(_networks.Get(network.Id)), cancellationToken).ConfigureAwait(false);
            await _remote.DeleteNetworkAsync(network).ConfigureAwait(false);
        }

        await Run(() => _lifecycle.Remove(network.Id), cancellationToken).ConfigureAwait(false);
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

    /// <summary>Changes whom a running container may reach by links; <see cref="SandboxSpec.LinkedPorts"/>.</summary>
    public Task SetLinksAsync(string containerId, IReadOnlyDictionary<string, IReadOnlyList<LinkedPort>> ports) =>
        Run(() => _sandboxes.SetLinks(containerId, ports), CancellationToken.None);

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
            _reconciler.Dispose();
            _host.Dispose();
            _background.Dispose();
            _pool.Dispose();
            _sandboxes.Dispose();
            _peerNames.Dispose();
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

    private INetworkDriver? DriverOf(Network network) =>
        _drivers.GetValueOrDefault(network.Driver) ?? (RemoteNetworks.IsRemoteDriver(network.Driver) ? _remoteDriver : null);

    /// <summary>The plugins are asked before the kernel thread's turn, with the namespace that they may want to see.</summary>
    private async Task<Sandbox> CreateRemoteSandbox(SandboxSpec spec, CancellationToken cancellationToken)
    {
        await DestroySandboxAsync(spec.ContainerId).ConfigureAwait(false);
        var target = await Run(() => _pool.Take(_host.Thread, spec), cancellationToken).ConfigureAwait(false);
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
}
