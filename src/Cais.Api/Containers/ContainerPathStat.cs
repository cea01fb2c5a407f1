using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>A path inside a container, as the header X-Docker-Container-Path-Stat carries it (base64 of this).</summary>
public sealed record ContainerPathStat
{
    [JsonPropertyName("name")]
    public string? Name { get; init; }

    [JsonPropertyName("size")]
    public long? Size { get; init; }

    /// <summary>Go's file mode: permission bits below, kind in the high bits.</summary>
    [JsonPropertyName("mode")]
    public uint? Mode { get; init; }

    [JsonPropertyName("mtime")]
    public string? Mtime { get; init; }

    [JsonPropertyName("linkTarget")]
    public string? LinkTarget { get; init; }
}
