namespace Cais.Api;

public sealed record NetworkCreateRequest
{
    /// <summary>The network's name.</summary>
    public string? Name { get; init; }

    /// <summary>Name of the network driver plugin to use.</summary>
    public string? Driver { get; init; }

    /// <summary>The level at which the network exists (e.g.</summary>
    public string? Scope { get; init; }

    /// <summary>Restrict external access to the network.</summary>
    public bool? Internal { get; init; }

    /// <summary>Globally scoped network is manually attachable by regular containers from workers in swarm mode.</summary>
    public bool? Attachable { get; init; }

    /// <summary>Ingress network is the network which provides the routing-mesh in swarm mode.</summary>
    public bool? Ingress { get; init; }

    /// <summary>Creates a config-only network.</summary>
    public bool? ConfigOnly { get; init; }

    /// <summary>Specifies the source which will provide the configuration for this network.</summary>
    public ConfigReference? ConfigFrom { get; init; }

    /// <summary>Optional custom IP scheme for the network.</summary>
    public IPAM? IPAM { get; init; }

    /// <summary>Enable IPv4 on the network.</summary>
    public bool? EnableIPv4 { get; init; }

    /// <summary>Enable IPv6 on the network.</summary>
    public bool? EnableIPv6 { get; init; }

    /// <summary>Network specific options to be used by the drivers.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }
}
