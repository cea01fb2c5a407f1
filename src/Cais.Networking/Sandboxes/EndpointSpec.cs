using System.Net;
using System.Net.NetworkInformation;

namespace Cais.Networking;

/// <summary>How a container joins one network: <c>--network name=…,ip=…,alias=…</c>.</summary>
public sealed record EndpointSpec
{
    /// <summary>The network's name, id or unambiguous start of its id.</summary>
    public required string Network { get; init; }

    /// <summary>A fixed IPv4 address, or null for the next free one.</summary>
    public IPAddress? IPv4Address { get; init; }

    /// <summary>A fixed IPv6 address, or null for the next free one.</summary>
    public IPAddress? IPv6Address { get; init; }

    public IReadOnlyList<IPAddress> LinkLocalAddresses { get; init; } = [];

    /// <summary>A fixed hardware address, or null for one made from the IPv4 address.</summary>
    public PhysicalAddress? MacAddress { get; init; }

    /// <summary>Names in this network beside the container's name and short id.</summary>
    public IReadOnlyList<string> Aliases { get; init; } = [];

    /// <summary>Names that this container alone has for others of the network, by alias.</summary>
    public IReadOnlyDictionary<string, string> Links { get; init; } = new Dictionary<string, string>();

    /// <summary>The network with the highest one gives the default route; ties go by name.</summary>
    public int GatewayPriority { get; init; }

    /// <summary>What plugins have said; for the controller alone to fill in.</summary>
    public RemoteEndpoint? Remote { get; init; }

    /// <summary>Endpoint options by Docker's names, such as <c>com.docker.network.endpoint.sysctls</c>.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();
}
