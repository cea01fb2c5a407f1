using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>CPU related info of the container</summary>
public sealed record ContainerCPUStats
{
    [JsonPropertyName("cpu_usage")]
    public ContainerCPUUsage? CpuUsage { get; init; }

    [JsonPropertyName("system_cpu_usage")]
    public ulong? SystemCpuUsage { get; init; }

    [JsonPropertyName("online_cpus")]
    public uint? OnlineCpus { get; init; }

    [JsonPropertyName("throttling_data")]
    public ContainerThrottlingData? ThrottlingData { get; init; }
}
