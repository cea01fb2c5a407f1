using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>PidsStats contains Linux-specific stats of a container's process-IDs (PIDs).</summary>
public sealed record ContainerPidsStats
{
    /// <summary>Current is the number of PIDs in the cgroup.</summary>
    [JsonPropertyName("current")]
    public ulong? Current { get; init; }

    /// <summary>Limit is the hard limit on the number of pids in the cgroup.</summary>
    [JsonPropertyName("limit")]
    public ulong? Limit { get; init; }
}
