using System.Net;
using System.Net.NetworkInformation;

namespace Cais.Networking;

/// <summary>A container's place in one network.</summary>
public sealed record Endpoint
{
    /// <summary>64 hexadecimal digits.</summary>
    public required string Id { get; init; }

    public required string NetworkId { get; init; }

    public required string NetworkName { get; init; }

    public required string ContainerId { get; init; }

    /// <summary>The container's name when it joined, without the leading slash.</summary>
    public required string ContainerName { get; init; }

    /// <summary>The interface inside the container (<c>eth0</c>), or null in the host and none networks.</summary>
    public string? InterfaceName { get; init; }

    /// <summary>The other end on the host (<c>veth1a2b3c4</c>), or null where there is none.</summary>
    public string? HostInterfaceName { get; init; }

    public PhysicalAddress? MacAddress { get; init; }

    public IPAddress? IPv4Address { get; init; }

    /// <summary>Prefix length of <see cref="IPv4Address"/>, in bits.</summary>
    public int IPv4PrefixLength { get; init; }

    public IPAddress? IPv4Gateway { get; init; }

    public IPAddress? IPv6Address { get; init; }

    /// <summary>Prefix length of <see cref="IPv6Address"/>, in bits.</summary>
    public int IPv6PrefixLength { get; init; }

    public IPAddress? IPv6Gateway { get; init; }

    /// <summary>Names it answers to in this network: container name, short id, aliases.</summary>
    public IReadOnlyList<string> DnsNames { get; init; } = [];

    /// <summary>What was asked for.</summary>
    public required EndpointSpec Spec { get; init; }
}
