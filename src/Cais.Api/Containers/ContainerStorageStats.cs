using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>StorageStats is the disk I/O stats for read/write on Windows.</summary>
public sealed record ContainerStorageStats
{
    [JsonPropertyName("read_count_normalized")]
    public ulong? ReadCountNormalized { get; init; }

    [JsonPropertyName("read_size_bytes")]
    public ulong? ReadSizeBytes { get; init; }

    [JsonPropertyName("write_count_normalized")]
    public ulong? WriteCountNormalized { get; init; }

    [JsonPropertyName("write_size_bytes")]
    public ulong? WriteSizeBytes { get; init; }
}
