using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Statistics sample for a container.</summary>
public sealed record ContainerStatsResponse
{
    /// <summary>ID of the container for which the stats were collected.</summary>
    [JsonPropertyName("id")]
    public string? Id { get; init; }

    /// <summary>Name of the container for which the stats were collected.</summary>
    [JsonPropertyName("name")]
    public string? Name { get; init; }

    /// <summary>OSType is the OS of the container ("linux" or "windows") to allow platform-specific handling of stats.</summary>
    [JsonPropertyName("os_type")]
    public string? OsType { get; init; }

    /// <summary>Date and time at which this sample was collected.</summary>
    [JsonPropertyName("read")]
    public string? Read { get; init; }

    [JsonPropertyName("cpu_stats")]
    public ContainerCPUStats? CpuStats { get; init; }

    [JsonPropertyName("memory_stats")]
    public ContainerMemoryStats? MemoryStats { get; init; }

    /// <summary>Network statistics for the container per interface.</summary>
    [JsonPropertyName("networks")]
    public IReadOnlyDictionary<string, ContainerNetworkStats>? Networks { get; init; }

    [JsonPropertyName("pids_stats")]
    public ContainerPidsStats? PidsStats { get; init; }

    [JsonPropertyName("blkio_stats")]
    public ContainerBlkioStats? BlkioStats { get; init; }

    /// <summary>The number of processors on the system.</summary>
    [JsonPropertyName("num_procs")]
    public uint? NumProcs { get; init; }

    [JsonPropertyName("storage_stats")]
    public ContainerStorageStats? StorageStats { get; init; }

    /// <summary>Date and time at which this first sample was collected.</summary>
    [JsonPropertyName("preread")]
    public string? Preread { get; init; }

    [JsonPropertyName("precpu_stats")]
    public ContainerCPUStats? PrecpuStats { get; init; }
}
