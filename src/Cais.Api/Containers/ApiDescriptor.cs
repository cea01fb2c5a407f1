using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ApiDescriptor
{
    /// <summary>The media type of the object this schema refers to.</summary>
    [JsonPropertyName("mediaType")]
    public string? MediaType { get; init; }

    /// <summary>The digest of the targeted content.</summary>
    [JsonPropertyName("digest")]
    public string? Digest { get; init; }

    /// <summary>The size in bytes of the blob.</summary>
    [JsonPropertyName("size")]
    public long? Size { get; init; }

    /// <summary>List of URLs from which this object MAY be downloaded.</summary>
    [JsonPropertyName("urls")]
    public IReadOnlyList<string>? Urls { get; init; }

    /// <summary>Arbitrary metadata relating to the targeted content.</summary>
    [JsonPropertyName("annotations")]
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>Data is an embedding of the targeted content.</summary>
    [JsonPropertyName("data")]
    public string? Data { get; init; }

    [JsonPropertyName("platform")]
    public ApiPlatform? Platform { get; init; }

    /// <summary>ArtifactType is the IANA media type of this artifact.</summary>
    [JsonPropertyName("artifactType")]
    public string? ArtifactType { get; init; }
}
