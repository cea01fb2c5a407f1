using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Blkio stats entry.</summary>
public sealed record ContainerBlkioStatEntry
{
    [JsonPropertyName("major")]
    public ulong? Major { get; init; }

    [JsonPropertyName("minor")]
    public ulong? Minor { get; init; }

    [JsonPropertyName("op")]
    public string? Op { get; init; }

    [JsonPropertyName("value")]
    public ulong? Value { get; init; }
}
