using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>What a blob is, how it is called and how long it is (image-spec, descriptor.md).</summary>
public sealed record Descriptor
{
    [JsonPropertyName("mediaType")]
    public string MediaType { get; init => field = value ?? ""; } = "";

    [JsonPropertyName("digest")]
    public Digest Digest { get; init; }

    /// <summary>Bytes.</summary>
    [JsonPropertyName("size")]
    public long Size { get; init; }

    [JsonPropertyName("urls")]
    public IReadOnlyList<string>? Urls { get; init; }

    [JsonPropertyName("annotations")]
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>The content itself in base64, for small blobs. Never trusted: the digest decides.</summary>
    [JsonPropertyName("data")]
    public string? Data { get; init; }

    [JsonPropertyName("platform")]
    public Platform? Platform { get; init; }

    [JsonPropertyName("artifactType")]
    public string? ArtifactType { get; init; }

    /// <summary>The value of one annotation, or null.</summary>
    public string? Annotation(string name) => Annotations is not null && Annotations.TryGetValue(name, out var value) ? value : null;

    internal void Check(string what)
    {
        if (Digest.IsEmpty)
        {
            throw new ImageFormatException($"{what} has no digest");
        }

        if (Size < 0)
        {
            throw new ImageFormatException($"{what} {Digest} has a negative size");
        }

        if (MediaType.Length is 0 or > 255 || MediaType.AsSpan().IndexOfAnyExceptInRange(' ', '~') >= 0)
        {
            throw new ImageFormatException($"{what} {Digest} has no valid media type");
        }
    }
}

/// <summary>Names of annotations that tools agree on.</summary>
public static class Annotations
{
    /// <summary>The tag, in an OCI layout's index.json.</summary>
    public const string RefName = "org.opencontainers.image.ref.name";

    /// <summary>The complete name, in an archive's index.json, as containerd and Docker write it.</summary>
    public const string ContainerdImageName = "io.containerd.image.name";

    /// <summary>On an index entry that is a build attestation of another entry, not an image.</summary>
    public const string DockerReferenceType = "vnd.docker.reference.type";

    /// <summary>Which entry an attestation is about.</summary>
    public const string DockerReferenceDigest = "vnd.docker.reference.digest";
}
