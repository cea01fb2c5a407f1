using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Aggregates all memory stats since container inception on Linux.</summary>
public sealed record ContainerMemoryStats
{
    /// <summary>Current `res_counter` usage for memory.</summary>
    [JsonPropertyName("usage")]
    public ulong? Usage { get; init; }

    /// <summary>Maximum usage ever recorded.</summary>
    [JsonPropertyName("max_usage")]
    public ulong? MaxUsage { get; init; }

    /// <summary>All the stats exported via memory.stat.</summary>
    [JsonPropertyName("stats")]
    public IReadOnlyDictionary<string, ulong?>? Stats { get; init; }

    /// <summary>Number of times memory usage hits limits.</summary>
    [JsonPropertyName("failcnt")]
    public ulong? Failcnt { get; init; }

    /// <summary>This field is Linux-specific and omitted for Windows containers.</summary>
    [JsonPropertyName("limit")]
    public ulong? Limit { get; init; }

    [JsonPropertyName("commitbytes")]
    public ulong? Commitbytes { get; init; }

    [JsonPropertyName("commitpeakbytes")]
    public ulong? Commitpeakbytes { get; init; }

    [JsonPropertyName("privateworkingset")]
    public ulong? Privateworkingset { get; init; }
}
