using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>BlkioStats stores all IO service stats for data read and write.</summary>
public sealed record ContainerBlkioStats
{
    [JsonPropertyName("io_service_bytes_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoServiceBytesRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_serviced_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoServicedRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_queue_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoQueueRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_service_time_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoServiceTimeRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_wait_time_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoWaitTimeRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_merged_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoMergedRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("io_time_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? IoTimeRecursive { get; init; }

    /// <summary>This field is only available when using Linux containers with cgroups v1.</summary>
    [JsonPropertyName("sectors_recursive")]
    public IReadOnlyList<ContainerBlkioStatEntry>? SectorsRecursive { get; init; }
}
