using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Cais.Linux.Netlink;

/// <summary>
/// Changes to links, addresses, routes and neighbours, sent to the kernel in one call (rtnetlink(7)). The kernel applies them in order and
/// goes on behind one that fails; a batch is not a transaction.
/// </summary>
public sealed class RouteBatch
{
    private const uint Up = 1;
    private const ushort Permanent = 0x80;
    private const ushort NoArp = 0x40;
    private const byte SelfFlag = 0x02;
    private const byte MasterFlag = 0x04;

    /// <summary>A frame from elsewhere with that source address does not move the entry, as it would even a static one (bridge(8), "sticky").</summary>
    private const byte StickyFlag = 0x40;
    private readonly List<string> _operations = [];
    private int _lastMessage;

    internal NetlinkBuffer Buffer { get; } = new();

    internal IReadOnlyList<string> Operations => _operations;

    internal int LastMessage => _lastMessage;

    public bool IsEmpty => Buffer.Count == 0;

    public void Clear()
    {
        Buffer.Clear();
        _operations.Clear();
    }

    /// <summary>Creates a bridge, up. With a hardware address of its own it keeps it, whatever ports come and go.</summary>
    public void AddBridge(string name, PhysicalAddress mac, int mtu)
    {
        ArgumentNullException.ThrowIfNull(mac);
        Begin(RouteMessage.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive, $"create bridge {name}");
        Buffer.Header(new LinkHeader { Flags = Up, Change = Up });
        Buffer.PutString(LinkAttribute.Name, name);
        Buffer.Put(LinkAttribute.Address, mac.GetAddressBytes());
        Buffer.PutInt32(LinkAttribute.Mtu, mtu);
        var info = Buffer.BeginNested(LinkAttribute.Info);
        Buffer.PutString(LinkAttribute.InfoKind, "bridge");
        Buffer.EndNested(info);
    }

    /// <summary>
    /// Creates a pair of connected interfaces: one here, up, as a port of <paramref name="bridge"/>; the other in another namespace, down, for
    /// the kernel cannot open it before it has its partner. The kernel echoes the one here, so that both indexes are known.
    /// </summary>
    /// <param name="name">The name here.</param>
    /// <param name="bridge">Index of the bridge, or 0 for none.</param>
    /// <param name="peer">The name there.</param>
    /// <param name="peerNamespace">The other namespace.</param>
    /// <param name="mac">The hardware address there.</param>
    /// <param name="mtu">Of both, in bytes.</param>
    public void AddVeth(string name, int bridge, string peer, FileDescriptor peerNamespace, PhysicalAddress mac, int mtu)
    {
        ArgumentNullException.ThrowIfNull(peerNamespace);
        ArgumentNullException.ThrowIfNull(mac);
        Begin(RouteMessage.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive | NetlinkFlags.Echo, $"create interface pair {name} and {peer}");
        Buffer.Header(new LinkHeader { Flags = Up, Change = Up });
        Buffer.PutString(LinkAttribute.Name, name);
        Buffer.PutInt32(LinkAttribute.Mtu, mtu);
        if (bridge != 0)
        {
            Buffer.PutInt32(LinkAttribute.Master, bridge);
        }

        var info = Buffer.BeginNested(LinkAttribute.Info);
        Buffer.PutString(LinkAttribute.InfoKind, "veth");
        var data = Buffer.BeginNested(LinkAttribute.InfoData);
        var other = Buffer.BeginNested(LinkAttribute.VethPeer);
        Buffer.Header(default(LinkHeader));
        Buffer.PutString(LinkAttribute.Name, peer);
        Buffer.PutInt32(LinkAttribute.Mtu, mtu);
        Buffer.Put(LinkAttribute.Address, mac.GetAddressBytes());
        Buffer.PutInt32(LinkAttribute.NamespaceFd, peerNamespace.Number);
        Buffer.EndNested(other);
        Buffer.EndNested(data);
        Buffer.EndNested(info);
    }

    /// <summary>Creates an interface with a hardware address of its own on top of a parent, in another namespace.</summary>
    /// <param name="parent">Index of the parent here.</param>
    /// <param name="name">The name there.</param>
    /// <param name="target">The other namespace, or null for this one.</param>
    /// <param name="mode">MACVLAN_MODE_…: 1 private, 2 vepa, 4 bridge, 8 passthru.</param>
    /// <param name="mac">The hardware address.</param>
    /// <param name="mtu">In bytes; 0 for the parent's.</param>
    public void AddMacvlan(int parent, string name, FileDescriptor? target, uint mode, PhysicalAddress mac, int mtu)
    {
        ArgumentNullException.ThrowIfNull(mac);
        BeginUpper("macvlan", parent, name, target, mtu);
        Buffer.Put(LinkAttribute.Address, mac.GetAddressBytes());
        Kind("macvlan", () => Buffer.PutUInt32(LinkAttribute.MacvlanMode, mode));
    }

    /// <summary>Creates an interface that shares its parent's hardware address, in another namespace.</summary>
    /// <param name="parent">Index of the parent here.</param>
    /// <param name="name">The name there.</param>
    /// <param name="target">The other namespace, or null for this one.</param>
    /// <param name="mode">IPVLAN_MODE_…: 0 L2, 1 L3, 2 L3S.</param>
    /// <param name="mtu">In bytes; 0 for the parent's.</param>
    public void AddIpvlan(int parent, string name, FileDescriptor? target, ushort mode, int mtu)
    {
        BeginUpper("ipvlan", parent, name, target, mtu);
        Kind("ipvlan", () => Buffer.PutUInt16(LinkAttribute.IpvlanMode, mode));
    }

    /// <summary>Creates an interface for one VLAN (IEEE 802.1Q) of a parent, in this namespace, up.</summary>
    public void AddVlan(int parent, string name, ushort identifier)
    {
        Begin(RouteMessage.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive, $"create vlan interface {name}");
        Buffer.Header(new LinkHeader { Flags = Up, Change = Up });
        Buffer.PutString(LinkAttribute.Name, name);
        Buffer.PutInt32(LinkAttribute.Link, parent);
        Kind("vlan", () => Buffer.PutUInt16(LinkAttribute.VlanId, identifier));
    }

    /// <summary>Creates a tunnel that carries Ethernet frames in UDP, up, as a port of a bridge.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="identifier">The network identifier (VNI), 24 bits.</param>
    /// <param name="local">This host's address for the tunnel.</param>
    /// <param name="port">The UDP port.</param>
    /// <param name="bridge">Index of the bridge.</param>
    /// <param name="mtu">In bytes.</param>
    public void AddVxlan(string name, uint identifier, IPAddress local, ushort port, int bridge, int mtu)
    {
        ArgumentNullException.ThrowIfNull(local);
        Begin(RouteMessage.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive, $"create vxlan interface {name}");
        Buffer.Header(new LinkHeader { Flags = Up, Change = Up });
        Buffer.PutString(LinkAttribute.Name, name);
        Buffer.PutInt32(LinkAttribute.Mtu, mtu);
        Buffer.PutInt32(LinkAttribute.Master, bridge);
        var info = Buffer.BeginNested(LinkAttribute.Info);
        Buffer.PutString(LinkAttribute.InfoKind, "vxlan");
        var data = Buffer.BeginNested(LinkAttribute.InfoData);
        Buffer.PutUInt32(LinkAttribute.VxlanId, identifier);
        Buffer.Put(local.AddressFamily == AddressFamily.InterNetwork ? LinkAttribute.VxlanLocal : LinkAttribute.VxlanLocal6, local.GetAddressBytes());
        Buffer.PutUInt16BigEndian(LinkAttribute.VxlanPort, port);
        Buffer.PutByte(LinkAttribute.VxlanLearning, 1);
        Buffer.EndNested(data);
        Buffer.EndNested(info);
    }

    public void SetUp(int index, string name, bool up = true)
    {
        Begin(RouteMessage.NewLink, NetlinkFlags.None, $"set interface {name} {(up ? "up" : "down")}");
        Buffer.Header(new LinkHeader { Index = index, Flags = up ? Up : 0, Change = Up });
    }

    /// <summary>
    /// Moves an interface to another namespace under a name there, which may end in <c>%d</c> for a free number. It arrives down and without addresses.
    /// </summary>
    public void MoveLink(int index, string name, FileDescriptor target, string newName)
    {
        ArgumentNullException.ThrowIfNull(target);
        Begin(RouteMessage.NewLink, NetlinkFlags.None, $"move interface {name} into the container as {newName}");
        Buffer.Header(new LinkHeader { Index = index, Flags = 0, Change = Up });
        Buffer.PutString(LinkAttribute.Name, newName);
        Buffer.PutInt32(LinkAttribute.NamespaceFd, target.Number);
    }

    public void SetMtu(int index, string name, int mtu)
    {
        Begin(RouteMessage.NewLink, NetlinkFlags.None, $"set mtu of {name} to {mtu}");
        Buffer.Header(new LinkHeader { Index = index });
        Buffer.PutInt32(LinkAttribute.Mtu, mtu);
    }

    public void SetHardwareAddress(int index, string name, PhysicalAddress mac)
    {
        ArgumentNullException.ThrowIfNull(mac);
        Begin(RouteMessage.NewLink, NetlinkFlags.None, $"set hardware address of {name}");
        Buffer.Header(new LinkHeader { Index = index });
        Buffer.Put(LinkAttribute.Address, mac.GetAddressBytes());
    }

    /// <summary>Makes an interface a port of a bridge, or of none with master 0.</summary>
    public void SetMaster(int index, string name, int master)
    {
        Begin(RouteMessage.NewLink, NetlinkFlags.None, $"put {name} into bridge {master}");
        Buffer.Header(new LinkHeader { Index = index });
        Buffer.PutInt32(LinkAttribute.Master, master);
    }

    /// <summary>Whether a bridge port may send to other isolated ports, and back to itself.</summary>
    public void SetBridgePort(int index, string name, bool isolated, bool hairpin)
    {
        Begin(RouteMessage.SetLink, NetlinkFlags.None, $"set bridge port options of {name}");
        Buffer.Header(new LinkHeader { Family = NetworkNative.AF_BRIDGE, Index = index });
        var port = Buffer.BeginNested(LinkAttribute.ProtocolInfo);
        Buffer.PutByte(LinkAttribute.BridgePortIsolated, (byte)(isolated ? 1 : 0));
        Buffer.PutByte(LinkAttribute.BridgePortHairpin, (byte)(hairpin ? 1 : 0));
        Buffer.EndNested(port);
    }

    public void DeleteLink(string name)
    {
        Begin(RouteMessage.DeleteLink, NetlinkFlags.None, $"delete interface {name}");
        Buffer.Header(default(LinkHeader));
        Buffer.PutString(LinkAttribute.Name, name);
    }

    /// <summary>Gives an interface an address; an IPv6 one is usable at once, without probing for duplicates.</summary>
    public void AddAddress(int index, string name, IPAddress address, int prefixLength) =>
        Address(RouteMessage.NewAddress, NetlinkFlags.Create | NetlinkFlags.Replace, "add", index, name, address, prefixLength);

    public void DeleteAddress(int index, string name, IPAddress address, int prefixLength) =>
        Address(RouteMessage.DeleteAddress, NetlinkFlags.None, "remove", index, name, address, prefixLength);

    /// <summary>Adds a route to the main table, or takes the place of the one that is there.</summary>
    /// <param name="destination">Where to; a prefix of 0 bits is the default route.</param>
    /// <param name="gateway">The next hop, or null when the destination is on the link.</param>
    /// <param name="index">The interface.</param>
    public void AddRoute(IPNetwork destination, IPAddress? gateway, int index) =>
        Route(RouteMessage.NewRoute, NetlinkFlags.Create | NetlinkFlags.Replace, "add", destination, gateway, index);

    public void DeleteRoute(IPNetwork destination, IPAddress? gateway, int index) =>
        Route(RouteMessage.DeleteRoute, NetlinkFlags.None, "remove", destination, gateway, index);

    /// <summary>
    /// Tells a bridge behind which port a hardware address is, for good: frames do not go where it was before, and no other port can claim it.
    /// </summary>
    public void AddForwarding(int port, PhysicalAddress mac)
    {
        ArgumentNullException.ThrowIfNull(mac);
        Begin(RouteMessage.NewNeighbour, NetlinkFlags.Create | NetlinkFlags.Replace, $"set bridge port of {mac}");
        Buffer.Header(new NeighbourHeader { Family = NetworkNative.AF_BRIDGE, Index = port, State = NoArp, Flags = MasterFlag | StickyFlag });
        Buffer.Put(2, mac.GetAddressBytes());
    }

    /// <summary>Adds a peer to a tunnel: frames for <paramref name="mac"/> (all zero: for everyone and for unknown) go to that host.</summary>
    public void AddTunnelPeer(int index, PhysicalAddress mac, IPAddress peer)
    {
        ArgumentNullException.ThrowIfNull(mac);
        ArgumentNullException.ThrowIfNull(peer);
        Begin(RouteMessage.NewNeighbour, NetlinkFlags.Create | NetlinkFlags.Append, $"add tunnel peer {peer}");
        Buffer.Header(new NeighbourHeader { Family = NetworkNative.AF_BRIDGE, Index = index, State = Permanent | NoArp, Flags = SelfFlag });
        Buffer.Put(2, mac.GetAddressBytes());
        Buffer.Put(1, peer.GetAddressBytes());
    }

    internal void RequestLink(string name)
    {
        Begin(RouteMessage.GetLink, NetlinkFlags.None, $"find interface {name}");
        Buffer.Header(default(LinkHeader));
        Buffer.PutString(LinkAttribute.Name, name);
    }

    private void Address(ushort type, NetlinkFlags flags, string verb, int index, string name, IPAddress address, int prefixLength)
    {
        const byte noDuplicateDetection = 0x02;
        ArgumentNullException.ThrowIfNull(address);
        var bytes = address.GetAddressBytes();
        var v4 = bytes.Length == 4;
        Begin(type, flags, $"{verb} address {address}/{prefixLength} on {name}");
        Buffer.Header(new AddressHeader
        {
            Family = (byte)(v4 ? NetworkNative.AF_INET : NetworkNative.AF_INET6),
            PrefixLength = (byte)prefixLength,
            Flags = v4 ? (byte)0 : noDuplicateDetection,
            Index = index,
        });
        Buffer.Put(2, bytes);
        Buffer.Put(1, bytes);
        if (v4 && prefixLength < 31 && type == RouteMessage.NewAddress)
        {
            var broadcast = bytes.AsSpan().ToArray();
            for (var bit = prefixLength; bit < 32; bit++)
            {
                broadcast[bit / 8] |= (byte)(0x80 >> (bit % 8));
            }

            Buffer.Put(4, broadcast);
        }
    }

    private void Route(ushort type, NetlinkFlags flags, string verb, IPNetwork destination, IPAddress? gateway, int index)
    {
        const byte mainTable = 254, boot = 3, linkScope = 253, unicast = 1;
        var v4 = destination.BaseAddress.AddressFamily == AddressFamily.InterNetwork;
        Begin(type, flags, $"{verb} route to {destination}{(gateway is null ? "" : $" via {gateway}")}");
        Buffer.Header(new RouteHeader
        {
            Family = (byte)(v4 ? NetworkNative.AF_INET : NetworkNative.AF_INET6),
            DestinationLength = (byte)destination.PrefixLength,
            Table = mainTable,
            Protocol = boot,
            Scope = gateway is null && v4 ? linkScope : (byte)0,
            RouteType = unicast,
        });
        if (destination.PrefixLength > 0)
        {
            Buffer.Put(1, destination.BaseAddress.GetAddressBytes());
        }

        if (gateway is not null)
        {
            Buffer.Put(5, gateway.GetAddressBytes());
        }

        Buffer.PutInt32(4, index);
    }

    private void BeginUpper(string kind, int parent, string name, FileDescriptor? target, int mtu)
    {
        Begin(RouteMessage.NewLink, NetlinkFlags.Create | NetlinkFlags.Exclusive, $"create {kind} interface {name}");
        Buffer.Header(default(LinkHeader));
        Buffer.PutString(LinkAttribute.Name, name);
        Buffer.PutInt32(LinkAttribute.Link, parent);
        if (mtu != 0)
        {
            Buffer.PutInt32(LinkAttribute.Mtu, mtu);
        }

        if (target is not null)
        {
            Buffer.PutInt32(LinkAttribute.NamespaceFd, target.Number);
        }
    }

    private void Kind(string kind, Action settings)
    {
        var info = Buffer.BeginNested(LinkAttribute.Info);
        Buffer.PutString(LinkAttribute.InfoKind, kind);
        var data = Buffer.BeginNested(LinkAttribute.InfoData);
        settings();
        Buffer.EndNested(data);
        Buffer.EndNested(info);
    }

    private void Begin(ushort type, NetlinkFlags flags, string operation)
    {
        _operations.Add(operation);
        _lastMessage = Buffer.Length;

        // Sequence numbers count from 1 within the batch: an answer's number finds its operation.
        Buffer.BeginMessage(type, flags | NetlinkFlags.Request, (uint)_operations.Count);
    }
}
