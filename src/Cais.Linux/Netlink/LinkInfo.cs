using System.Net;
using System.Net.NetworkInformation;

namespace Cais.Linux.Netlink;

/// <summary>A network interface.</summary>
/// <param name="Index">Its number in its namespace, from 1.</param>
/// <param name="Name">At most 15 bytes.</param>
/// <param name="Kind"><c>bridge</c>, <c>veth</c>, <c>vxlan</c> ...; empty for hardware and loopback.</param>
/// <param name="IsUp">Administratively up (IFF_UP).</param>
/// <param name="Mtu">In bytes.</param>
/// <param name="Master">Index of the bridge that it is a port of, or 0.</param>
/// <param name="Peer">Index of the lower or other device, possibly in another namespace, or 0.</param>
/// <param name="MacAddress">Its hardware address.</param>
public sealed record LinkInfo(int Index, string Name, string Kind, bool IsUp, int Mtu, int Master, int Peer, PhysicalAddress MacAddress)
{
    private const uint UpFlag = 1;

    internal static LinkInfo Parse(in NetlinkMessage message)
    {
        var header = message.Header<LinkHeader>();
        var (name, kind, mtu, master, peer, mac) = ("", "", 0, 0, 0, PhysicalAddress.None);
        foreach (var attribute in message.Attributes<LinkHeader>())
        {
            switch (attribute.Type)
            {
                case LinkAttribute.Name:
                    name = attribute.AsString();
                    break;
                case LinkAttribute.Mtu:
                    mtu = attribute.AsInt32();
                    break;
                case LinkAttribute.Master:
                    master = attribute.AsInt32();
                    break;
                case LinkAttribute.Link:
                    peer = attribute.AsInt32();
                    break;
                case LinkAttribute.Address:
                    mac = new PhysicalAddress(attribute.Value.ToArray());
                    break;
                case LinkAttribute.Info when attribute.Nested.TryFind(LinkAttribute.InfoKind, out var found):
                    kind = found.AsString();
                    break;
                default:
                    break;
            }
        }

        return new LinkInfo(header.Index, name, kind, (header.Flags & UpFlag) != 0, mtu, master, peer, mac);
    }
}

/// <summary>An address of an interface.</summary>
/// <param name="Index">The interface.</param>
/// <param name="Address">The address.</param>
/// <param name="PrefixLength">In bits.</param>
/// <param name="IsLasting">Set by somebody for good, and valid everywhere: neither learnt with a lifetime nor of the link alone.</param>
public sealed record AddressInfo(int Index, IPAddress Address, int PrefixLength, bool IsLasting = true)
{
    private const byte Permanent = 0x80;
    private const byte UniverseScope = 0;
    private const int AddressAttribute = 1;
    private const int LocalAttribute = 2;

    internal static AddressInfo? Parse(in NetlinkMessage message)
    {
        var header = message.Header<AddressHeader>();

        // IFA_ADDRESS is the other end's on point-to-point interfaces; IFA_LOCAL, where there is one, is ours.
        var attributes = message.Attributes<AddressHeader>();
        if (!attributes.TryFind(LocalAttribute, out var address) && !attributes.TryFind(AddressAttribute, out address))
        {
            return null;
        }

        return address.Value.Length is 4 or 16 ? new AddressInfo(
            header.Index, new IPAddress(address.Value), header.PrefixLength, (header.Flags & Permanent) != 0 && header.Scope == UniverseScope) : null;
    }
}

/// <summary>A unicast route of the main table.</summary>
/// <param name="Destination">Where to; 0.0.0.0/0 or ::/0 for the default route.</param>
/// <param name="Gateway">The next hop, or null when the destination is on the link.</param>
/// <param name="Index">The interface, or 0 with several next hops.</param>
public sealed record RouteInfo(IPNetwork Destination, IPAddress? Gateway, int Index)
{
    private const byte MainTable = 254;
    private const byte Unicast = 1;
    private const int DestinationAttribute = 1;
    private const int InterfaceAttribute = 4;
    private const int GatewayAttribute = 5;

    internal static RouteInfo? Parse(in NetlinkMessage message)
    {
        var header = message.Header<RouteHeader>();
        if (header.Table != MainTable || header.RouteType != Unicast || header.Family is not (NetworkNative.AF_INET or NetworkNative.AF_INET6))
        {
            return null;
        }

        var destination = header.Family == NetworkNative.AF_INET ? IPAddress.Any : IPAddress.IPv6Any;
        IPAddress? gateway = null;
        var index = 0;
        foreach (var attribute in message.Attributes<RouteHeader>())
        {
            switch (attribute.Type)
            {
                case DestinationAttribute when attribute.Value.Length is 4 or 16:
                    destination = new IPAddress(attribute.Value);
                    break;
                case GatewayAttribute when attribute.Value.Length is 4 or 16:
                    gateway = new IPAddress(attribute.Value);
                    break;
                case InterfaceAttribute:
                    index = attribute.AsInt32();
                    break;
                default:
                    break;
            }
        }

        return header.DestinationLength <= destination.GetAddressBytes().Length * 8
            ? new RouteInfo(new IPNetwork(destination, header.DestinationLength), gateway, index)
            : throw new NetlinkFormatException($"netlink route to {destination} with a prefix of {header.DestinationLength} bits");
    }
}
