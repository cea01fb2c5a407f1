namespace Cais.Api;

/// <summary>represents one peer of an overlay network.</summary>
public sealed record PeerInfo
{
    /// <summary>ID of the peer-node in the Swarm cluster.</summary>
    public string? Name { get; init; }

    /// <summary>IP-address of the peer-node in the Swarm cluster.</summary>
    public string? IP { get; init; }
}
