using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>One image for several platforms (image-spec, image-index.md; Docker's manifest list is the same).</summary>
public sealed record Index
{
    private const int MostManifests = 4096;

    [JsonPropertyName("schemaVersion")]
    public int SchemaVersion { get; init; } = 2;

    [JsonPropertyName("mediaType")]
    public string? MediaType { get; init; }

    [JsonPropertyName("artifactType")]
    public string? ArtifactType { get; init; }

    [JsonPropertyName("manifests")]
    public IReadOnlyList<Descriptor> Manifests { get; init; } = [];

    [JsonPropertyName("subject")]
    public Descriptor? Subject { get; init; }

    [JsonPropertyName("annotations")]
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>Reads and checks. Unknown fields are ignored. Throws <see cref="ImageFormatException"/>.</summary>
    public static Index Parse(ReadOnlySpan<byte> json)
    {
        var index = Json.Parse(json, Manifest.LargestSize, OciImagesJson.Default.Index, "image index");
        if (index.SchemaVersion != 2)
        {
            throw new ImageFormatException($"image index has schema version {index.SchemaVersion}, and only version 2 is supported");
        }

        if (index.MediaType is not null && !MediaTypes.IsIndex(index.MediaType))
        {
            throw new ImageFormatException($"image index has the media type \"{Shown.Of(index.MediaType)}\"");
        }

        if (Json.HasProperty(json, "layers"u8) || Json.HasProperty(json, "config"u8))
        {
            throw new ImageFormatException("image index also claims to be a manifest");
        }

        if (index.Manifests is null || index.Manifests.Count > MostManifests || index.Manifests.Any(m => m is null))
        {
            throw new ImageFormatException("image index has no manifests, or far too many");
        }

        foreach (var manifest in index.Manifests)
        {
            manifest.Check("manifest");
        }

        index.Subject?.Check("subject");
        return index;
    }

    /// <summary>
    /// The entries that can run on <paramref name="wanted"/>, best first. Attestations are none; an entry that names no platform may be
    /// anything and comes last.
    /// </summary>
    public IEnumerable<Descriptor> ForPlatform(Platform wanted) => Manifests
        .Where(m => m.Annotation(Images.Annotations.DockerReferenceType) is null)
        .Select((m, at) => (Entry: m, At: at, Rank: m.Platform is { Os.Length: > 0 } p ? wanted.Preference(p) : int.MaxValue))
        .Where(m => m.Rank is not null)
        .OrderBy(m => m.Rank).ThenBy(m => m.At)
        .Select(m => m.Entry);

    public byte[] ToJson() => PlainJson.Bytes(this, OciImagesJson.Default.Index);
}
