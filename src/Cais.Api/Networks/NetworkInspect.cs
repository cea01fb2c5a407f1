using System.Text.Json;

namespace Cais.Api;

/// <summary>The body of the "get network" http response message.</summary>
public sealed record NetworkInspect
{
    /// <summary>Name of the network.</summary>
    public string? Name { get; init; }

    /// <summary>ID that uniquely identifies a network on a single machine.</summary>
    public string? Id { get; init; }

    public string? Created { get; init; }

    /// <summary>The level at which the network exists (e.g.</summary>
    public string? Scope { get; init; }

    /// <summary>The name of the driver used to create the network (e.g.</summary>
    public string? Driver { get; init; }

    /// <summary>Whether the network was created with IPv4 enabled.</summary>
    public bool? EnableIPv4 { get; init; }

    /// <summary>Whether the network was created with IPv6 enabled.</summary>
    public bool? EnableIPv6 { get; init; }

    /// <summary>The network's IP Address Management.</summary>
    public IPAM? IPAM { get; init; }

    /// <summary>Whether the network is created to only allow internal networking connectivity.</summary>
    public bool? Internal { get; init; }

    /// <summary>Whether a global / swarm scope network is manually attachable by regular containers from workers in swarm mode.</summary>
    public bool? Attachable { get; init; }

    /// <summary>Whether the network is providing the routing-mesh for the swarm cluster.</summary>
    public bool? Ingress { get; init; }

    public ConfigReference? ConfigFrom { get; init; }

    /// <summary>Whether the network is a config-only network.</summary>
    public bool? ConfigOnly { get; init; }

    /// <summary>Network-specific options uses when creating the network.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>Metadata specific to the network being created.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>List of peer nodes for an overlay network.</summary>
    public IReadOnlyList<PeerInfo>? Peers { get; init; }

    /// <summary>Contains endpoints attached to the network.</summary>
    public IReadOnlyDictionary<string, EndpointResource>? Containers { get; init; }

    /// <summary>List of services using the network.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Services { get; init; }

    /// <summary>provides runtime information about the network such as the number of allocated IPs.</summary>
    public NetworkStatus? Status { get; init; }
}
