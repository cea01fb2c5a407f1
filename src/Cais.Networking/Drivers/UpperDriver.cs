using System.Globalization;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Drivers;

/// <summary>
/// The macvlan and ipvlan drivers: containers are machines on the network that an interface of the host is connected to. The host itself
/// cannot reach them that way; the kernel does not let it.
/// </summary>
/// <param name="host">The host.</param>
/// <param name="kind"><c>macvlan</c> or <c>ipvlan</c>.</param>
internal sealed class UpperDriver(HostKernel host, string kind) : INetworkDriver
{
    private const string ParentOption = "parent";

    /// <summary>The option <c>parent</c>, or an interface of the network's own when it is connected to nothing.</summary>
    public string HostInterface(Network network) =>
        network.Spec.Options.TryGetValue(ParentOption, out var parent) && parent.Length > 0 ? BridgeSettings.CheckedName(parent) : $"dm-{network.Id[..12]}";

    public void Ensure(NetworkState network)
    {
        _ = Mode(network);
        var name = HostInterface(network.Network);
        var link = host.Route.FindLink(name);
        if (link is null)
        {
            CreateParent(network.Network, name);
            link = host.Route.FindLink(name) ?? throw new NetworkException(NetworkError.Kernel, $"interface {name} vanished as it was created");
        }

        network.BridgeIndex = link.Index;
        Probe(link);
    }

    public void Remove(NetworkState network)
    {
        if (network.Network.OwnsBridge)
        {
            host.Batch.DeleteLink(HostInterface(network.Network));
            host.Route.Execute(host.Batch, Errno.ENODEV);
        }
    }

    public int Join(NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside)
    {
        Add(network.BridgeIndex, endpoint.InterfaceName!, target.Descriptor, network, endpoint);
        try
        {
            host.Route.Execute(host.Batch);
        }
        catch (LinuxException e) when (e.Errno is Errno.EBUSY)
        {
            throw new NetworkException(NetworkError.Conflict, $"the parent interface {HostInterface(network.Network)} is in use in a way that excludes {kind}", e);
        }

        var index = target.Route.FindLink(endpoint.InterfaceName!)?.Index
            ?? throw new NetworkException(NetworkError.Kernel, $"interface {endpoint.InterfaceName} vanished as it was created");
        ContainerInterface.Configure(host, endpoint, target, index, inside);
        return index;
    }

    /// <summary>Nothing of it is on the host.</summary>
    public bool HasHostEnd => false;

    public void Leave(Endpoint endpoint, RouteSocket route)
    {
    }

    public bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks) => true;

    private uint Mode(NetworkState network)
    {
        var option = $"{kind}_mode";
        return (kind, network.Network.Spec.Options.GetValueOrDefault(option)) switch
        {
            ("macvlan", null or "" or "bridge") => 4,
            ("macvlan", "private") => 1,
            ("macvlan", "vepa") => 2,
            ("macvlan", "passthru") => 8,
            ("ipvlan", null or "" or "l2") => 0,
            ("ipvlan", "l3") => 1,
            ("ipvlan", "l3s") => 2,
            (_, var other) => throw new NetworkException(NetworkError.InvalidParameter, $"requested {kind} mode '{other}' is not valid"),
        };
    }

    private void Add(int parent, string name, FileDescriptor target, NetworkState network, Endpoint endpoint)
    {
        var mtu = network.Settings.Mtu ?? 0;
        if (kind == "macvlan")
        {
            host.Batch.AddMacvlan(parent, name, target, Mode(network), endpoint.MacAddress!, mtu);
        }
        else
        {
            host.Batch.AddIpvlan(parent, name, target, (ushort)Mode(network), mtu);
        }
    }

    private void CreateParent(Network network, string name)
    {
        if (!network.Spec.Options.TryGetValue(ParentOption, out var asked) || asked.Length == 0)
        {
            // A cable plugged in at both ends leads nowhere and has a carrier, without which the interfaces on top would stay silent.
            using var here = NetworkNamespace.OpenCurrent();
            var otherEnd = $"dp-{network.Id[..12]}";
            host.Batch.AddVeth(name, 0, otherEnd, here, BridgeDriver.RandomAddress(), 1500);
            host.Route.Execute(host.Batch, Errno.EEXIST);
            host.Batch.SetUp(host.Route.FindLink(otherEnd)?.Index ?? 0, otherEnd);
            host.Route.Execute(host.Batch);
            return;
        }

        // eth0.50 is VLAN 50 of eth0, made on demand.
        var dot = name.LastIndexOf('.');
        if (dot <= 0 || host.Route.FindLink(name[..dot]) is not { } lower ||
            !ushort.TryParse(name.AsSpan(dot + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var identifier) || identifier is 0 or > 4094)
        {
            throw new NetworkException(NetworkError.InvalidParameter, $"the parent interface {name} of the {kind} network {network.Name} was not found on this host");
        }

        host.Batch.AddVlan(lower.Index, name, identifier);
        host.Route.Execute(host.Batch, Errno.EEXIST);
    }

    /// <summary>Tells at once, not at the first container's start, that the kernel cannot do it.</summary>
    private void Probe(LinkInfo parent)
    {
        if (kind != "ipvlan")
        {
            return;
        }

        var name = $"cais-try{Environment.ProcessId}";
        host.Batch.AddIpvlan(parent.Index, name[..Math.Min(15, name.Length)], null, 0, 0);
        try
        {
            host.Route.Execute(host.Batch);
            host.Batch.DeleteLink(name[..Math.Min(15, name.Length)]);
            host.Route.Execute(host.Batch);
        }
        catch (LinuxException e) when (e.Errno == Errno.EOPNOTSUPP)
        {
            throw new NetworkException(NetworkError.Unsupported, "this kernel has no ipvlan driver: load the module ipvlan, or use a macvlan network", e);
        }
    }
}
