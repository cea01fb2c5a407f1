using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>All CPU stats aggregated since container inception.</summary>
public sealed record ContainerCPUUsage
{
    /// <summary>Total CPU time consumed in nanoseconds (Linux) or 100's of nanoseconds (Windows).</summary>
    [JsonPropertyName("total_usage")]
    public ulong? TotalUsage { get; init; }

    /// <summary>Total CPU time (in nanoseconds) consumed per core (Linux).</summary>
    [JsonPropertyName("percpu_usage")]
    public IReadOnlyList<ulong>? PercpuUsage { get; init; }

    [JsonPropertyName("usage_in_kernelmode")]
    public ulong? UsageInKernelmode { get; init; }

    [JsonPropertyName("usage_in_usermode")]
    public ulong? UsageInUsermode { get; init; }
}
