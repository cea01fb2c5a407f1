using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>CPU throttling stats of the container.</summary>
public sealed record ContainerThrottlingData
{
    /// <summary>Number of periods with throttling active.</summary>
    [JsonPropertyName("periods")]
    public ulong? Periods { get; init; }

    /// <summary>Number of periods when the container hit its throttling limit.</summary>
    [JsonPropertyName("throttled_periods")]
    public ulong? ThrottledPeriods { get; init; }

    /// <summary>Aggregated time (in nanoseconds) the container was throttled for.</summary>
    [JsonPropertyName("throttled_time")]
    public ulong? ThrottledTime { get; init; }
}
