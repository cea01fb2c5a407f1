using System.Text.Json.Serialization;

namespace Cais.Oci.Images;

/// <summary>One image for one platform: its configuration and its layers, bottom first (image-spec, manifest.md; Docker's schema 2 is the same).</summary>
public sealed record Manifest
{
    /// <summary>The largest manifest or index that is read, in bytes: what registries themselves accept at most.</summary>
    public const int LargestSize = 4 * 1024 * 1024;

    private const int MostLayers = 4096;

    [JsonPropertyName("schemaVersion")]
    public int SchemaVersion { get; init; } = 2;

    [JsonPropertyName("mediaType")]
    public string? MediaType { get; init; }

    [JsonPropertyName("artifactType")]
    public string? ArtifactType { get; init; }

    [JsonPropertyName("config")]
    public Descriptor Config { get; init; } = new();

    [JsonPropertyName("layers")]
    public IReadOnlyList<Descriptor> Layers { get; init; } = [];

    [JsonPropertyName("subject")]
    public Descriptor? Subject { get; init; }

    [JsonPropertyName("annotations")]
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }

    /// <summary>Whether this is an image, rather than an artifact or attestation that merely uses the format.</summary>
    [JsonIgnore]
    public bool IsImage => MediaTypes.IsConfig(Config.MediaType) && Layers.All(l => MediaTypes.IsLayer(l.MediaType));

    /// <summary>Reads and checks. Unknown fields are ignored. Throws <see cref="ImageFormatException"/>.</summary>
    public static Manifest Parse(ReadOnlySpan<byte> json)
    {
        var manifest = Json.Parse(json, LargestSize, OciImagesJson.Default.Manifest, "image manifest");
        if (manifest.SchemaVersion != 2)
        {
            throw new ImageFormatException($"image manifest has schema version {manifest.SchemaVersion}, and only version 2 is supported");
        }

        if (manifest.MediaType is not null && !MediaTypes.IsManifest(manifest.MediaType))
        {
            throw new ImageFormatException($"image manifest has the media type \"{Shown.Of(manifest.MediaType)}\"");
        }

        // A document with both "layers" and "manifests" could be read as one thing here and as another elsewhere (CVE-2021-41190).
        if (Json.HasProperty(json, "manifests"u8))
        {
            throw new ImageFormatException("image manifest also claims to be an index");
        }

        if (manifest.Config is null || manifest.Layers is null || manifest.Layers.Count > MostLayers || manifest.Layers.Any(l => l is null))
        {
            throw new ImageFormatException("image manifest has no configuration, no layers, or far too many");
        }

        manifest.Config.Check("image configuration");
        foreach (var layer in manifest.Layers)
        {
            layer.Check("layer");
        }

        manifest.Subject?.Check("subject");
        return manifest;
    }

    public byte[] ToJson() => PlainJson.Bytes(this, OciImagesJson.Default.Manifest);
}
