using System.Net;
using Cais.Linux;

namespace Cais.Networking;

/// <summary>A pool from which networks take their subnets (<c>default-address-pools</c>).</summary>
/// <param name="Base">All of it.</param>
/// <param name="Size">Prefix length of each subnet taken from it, in bits.</param>
public sealed record AddressPool(IPNetwork Base, int Size);

/// <summary>The daemon's settings for networks; names and defaults are those of dockerd.</summary>
public sealed record NetworkOptions
{
    /// <summary>The default bridge; <c>none</c> for no default network.</summary>
    public string BridgeName { get; init; } = "docker0";

    /// <summary>Address and prefix length of the default bridge (<c>bip</c>): <c>172.17.0.1/16</c>; null takes the first default pool.</summary>
    public string? BridgeAddress { get; init; }

    /// <summary>IPv6 address and prefix length of the default bridge (<c>bip6</c>).</summary>
    public string? BridgeAddressV6 { get; init; }

    /// <summary>The part of the default bridge's subnet that containers get addresses from.</summary>
    public IPNetwork? FixedCidr { get; init; }

    public IPNetwork? FixedCidrV6 { get; init; }

    /// <summary>A gateway other than the bridge itself.</summary>
    public IPAddress? DefaultGateway { get; init; }

    public IPAddress? DefaultGatewayV6 { get; init; }

    /// <summary>IPv6 on the default bridge.</summary>
    public bool IPv6 { get; init; }

    /// <summary>Empty takes Docker's: 172.17.0.0/16 to 172.31.0.0/16, then 192.168.0.0/16 in pieces of /20.</summary>
    public IReadOnlyList<AddressPool> DefaultAddressPools { get; init; } = [];

    /// <summary>Of the default bridge, in bytes.</summary>
    public int Mtu { get; init; } = 1500;

    /// <summary>Containers on the default bridge may talk to each other.</summary>
    public bool InterContainerCommunication { get; init; } = true;

    /// <summary>Translate the source address of what containers on the default bridge send out.</summary>
    public bool IpMasquerade { get; init; } = true;

    /// <summary>Turn on forwarding in the kernel.</summary>
    public bool IpForward { get; init; } = true;

    /// <summary>When forwarding was turned on by us, let through also what neither comes from nor goes to a container.</summary>
    public bool IpForwardNoDrop { get; init; }

    /// <summary>Manage rules for IPv4 (<c>iptables</c>; the rules are nf_tables rules).</summary>
    public bool FirewallV4 { get; init; } = true;

    /// <summary>Manage rules for IPv6 (<c>ip6tables</c>).</summary>
    public bool FirewallV6 { get; init; } = true;

    /// <summary>Let other machines reach published ports by the container's own address.</summary>
    public bool AllowDirectRouting { get; init; }

    /// <summary>
    /// Who carries what packet translation cannot (<c>userland-proxy</c>): null leaves to the daemon connections from ::1 and from IPv6 to containers that
    /// have IPv4 only, and all else to the kernel; true also those from 127.0.0.1, so that no bridge needs route_localnet; false carries nothing.
    /// </summary>
    public bool? UserlandProxy { get; init; }

    /// <summary>The host address for published ports that name none (<c>ip</c>); null is all addresses of both families.</summary>
    public IPAddress? DefaultBindingAddress { get; init; }

    /// <summary>What <c>host-gateway</c> stands for in <c>--add-host</c>; empty is the default bridge's address.</summary>
    public IReadOnlyList<IPAddress> HostGatewayAddresses { get; init; } = [];

    public IReadOnlyList<IPAddress> Dns { get; init; } = [];

    public IReadOnlyList<string> DnsSearch { get; init; } = [];

    public IReadOnlyList<string> DnsOptions { get; init; } = [];

    /// <summary>Driver options for new networks, by driver.</summary>
    public IReadOnlyDictionary<string, IReadOnlyDictionary<string, string>> DefaultNetworkOptions { get; init; } =
        new Dictionary<string, IReadOnlyDictionary<string, string>>();

    /// <summary>
    /// The ids of a user namespace for each container (<c>userns-remap</c>), which then owns the container's network namespace too; null for containers in this
    /// process's own.
    /// </summary>
    public IdMap? ContainerIds { get; init; }

    /// <summary>Where the host's own names are read from.</summary>
    public string HostsPath { get; init; } = "/etc/hosts";

    /// <summary>Where the host's resolver configuration is read from.</summary>
    public string ResolvConfPath { get; init; } = "/etc/resolv.conf";
}
