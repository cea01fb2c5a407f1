using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Aggregates the network stats of one container</summary>
public sealed record ContainerNetworkStats
{
    [JsonPropertyName("rx_bytes")]
    public ulong? RxBytes { get; init; }

    [JsonPropertyName("rx_packets")]
    public ulong? RxPackets { get; init; }

    [JsonPropertyName("rx_errors")]
    public ulong? RxErrors { get; init; }

    /// <summary>Incoming packets dropped.</summary>
    [JsonPropertyName("rx_dropped")]
    public ulong? RxDropped { get; init; }

    [JsonPropertyName("tx_bytes")]
    public ulong? TxBytes { get; init; }

    [JsonPropertyName("tx_packets")]
    public ulong? TxPackets { get; init; }

    [JsonPropertyName("tx_errors")]
    public ulong? TxErrors { get; init; }

    /// <summary>Outgoing packets dropped.</summary>
    [JsonPropertyName("tx_dropped")]
    public ulong? TxDropped { get; init; }

    [JsonPropertyName("endpoint_id")]
    public string? EndpointId { get; init; }

    [JsonPropertyName("instance_id")]
    public string? InstanceId { get; init; }
}
