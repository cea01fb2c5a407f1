using System.Runtime.InteropServices;

namespace Cais.Linux.Netlink;

/// <summary>Message types of linux/rtnetlink.h.</summary>
internal static class RouteMessage
{
    internal const ushort NewLink = 16;
    internal const ushort DeleteLink = 17;
    internal const ushort GetLink = 18;
    internal const ushort SetLink = 19;
    internal const ushort NewAddress = 20;
    internal const ushort DeleteAddress = 21;
    internal const ushort GetAddress = 22;
    internal const ushort NewRoute = 24;
    internal const ushort DeleteRoute = 25;
    internal const ushort GetRoute = 26;
    internal const ushort NewNeighbour = 28;
    internal const ushort DeleteNeighbour = 29;
}

/// <summary>Attributes of links (linux/if_link.h).</summary>
internal static class LinkAttribute
{
    internal const int Address = 1;
    internal const int Name = 3;
    internal const int Mtu = 4;
    internal const int Link = 5;
    internal const int Master = 10;
    internal const int ProtocolInfo = 12;
    internal const int Info = 18;
    internal const int NamespaceFd = 28;
    internal const int InfoKind = 1;
    internal const int InfoData = 2;
    internal const int VethPeer = 1;
    internal const int MacvlanMode = 1;
    internal const int IpvlanMode = 1;
    internal const int VlanId = 1;
    internal const int BridgePortHairpin = 4;
    internal const int BridgePortIsolated = 33;
    internal const int VxlanId = 1;
    internal const int VxlanLocal = 4;
    internal const int VxlanLearning = 7;
    internal const int VxlanPort = 15;
    internal const int VxlanLocal6 = 17;
}

/// <summary>struct ifinfomsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct LinkHeader
{
    internal byte Family;
    internal byte Padding;
    internal ushort DeviceType;
    internal int Index;
    internal uint Flags;
    internal uint Change;
}

/// <summary>struct ifaddrmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct AddressHeader
{
    internal byte Family;
    internal byte PrefixLength;
    internal byte Flags;
    internal byte Scope;
    internal int Index;
}

/// <summary>struct rtmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct RouteHeader
{
    internal byte Family;
    internal byte DestinationLength;
    internal byte SourceLength;
    internal byte TypeOfService;
    internal byte Table;
    internal byte Protocol;
    internal byte Scope;
    internal byte RouteType;
    internal uint Flags;
}

/// <summary>struct ndmsg.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct NeighbourHeader
{
    internal byte Family;
    internal byte Padding1;
    internal ushort Padding2;
    internal int Index;
    internal ushort State;
    internal byte Flags;
    internal byte NeighbourType;
}
