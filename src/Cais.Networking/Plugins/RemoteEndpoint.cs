using System.Net;
using System.Net.NetworkInformation;

namespace Cais.Networking;

/// <summary>What plugins have said of a container's place in a network: the controller fills it in before the container joins.</summary>
public sealed record RemoteEndpoint
{
    /// <summary>The endpoint's id, under which the plugins know it.</summary>
    public required string EndpointId { get; init; }

    public IPAddress? IPv4Address { get; init; }

    public int IPv4PrefixLength { get; init; }

    public IPAddress? IPv6Address { get; init; }

    public int IPv6PrefixLength { get; init; }

    public PhysicalAddress? MacAddress { get; init; }

    /// <summary>The interface of the host that goes into the container, or null.</summary>
    public string? SourceInterface { get; init; }

    /// <summary>The beginning of its name inside, or null for the network's.</summary>
    public string? InterfacePrefix { get; init; }

    /// <summary>Its name inside, or null for the next free one.</summary>
    public string? InterfaceName { get; init; }

    public IPAddress? IPv4Gateway { get; init; }

    public IPAddress? IPv6Gateway { get; init; }

    public IReadOnlyList<RemoteRoute> Routes { get; init; } = [];
}

/// <summary>A route inside the container.</summary>
/// <param name="Destination">Whereto.</param>
/// <param name="NextHop">By whom; null for what the interface itself reaches.</param>
public sealed record RemoteRoute(IPNetwork Destination, IPAddress? NextHop);

/// <summary>An address pool that a plugin keeps.</summary>
/// <param name="Id">The plugin's name for it.</param>
/// <param name="Subnet">Its addresses.</param>
public sealed record RemotePool(string Id, IPNetwork Subnet);
