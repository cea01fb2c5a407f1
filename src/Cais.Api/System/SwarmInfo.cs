using System.Text.Json;

namespace Cais.Api;

/// <summary>Represents generic information about swarm.</summary>
public sealed record SwarmInfo
{
    /// <summary>Unique identifier of for this node in the swarm.</summary>
    public string? NodeID { get; init; }

    /// <summary>IP address at which this node can be reached by other nodes in the swarm.</summary>
    public string? NodeAddr { get; init; }

    public string? LocalNodeState { get; init; }

    public bool? ControlAvailable { get; init; }

    public string? Error { get; init; }

    /// <summary>List of ID's and addresses of other managers in the swarm.</summary>
    public IReadOnlyList<PeerNode>? RemoteManagers { get; init; }

    /// <summary>Total number of nodes in the swarm.</summary>
    public long? Nodes { get; init; }

    /// <summary>Total number of managers in the swarm.</summary>
    public long? Managers { get; init; }

    public JsonElement? Cluster { get; init; }
}
