namespace Cais.Api;

/// <summary>Represents a peer-node in the swarm</summary>
public sealed record PeerNode
{
    /// <summary>Unique identifier of for this node in the swarm.</summary>
    public string? NodeID { get; init; }

    /// <summary>IP address and ports at which this node can be reached.</summary>
    public string? Addr { get; init; }
}
