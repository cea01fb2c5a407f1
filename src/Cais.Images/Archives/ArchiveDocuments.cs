using System.Text.Json.Serialization;

namespace Cais.Images.Archives;

/// <summary>One image of a docker archive's manifest.json.</summary>
internal sealed record DockerArchiveImage
{
    public string? Config { get; init; }

    public IReadOnlyList<string>? RepoTags { get; init; }

    public IReadOnlyList<string>? Layers { get; init; }
}

/// <summary>The file oci-layout (image-spec, image-layout.md).</summary>
internal sealed record OciLayout
{
    [JsonPropertyName("imageLayoutVersion")]
    public string ImageLayoutVersion { get; init; } = "1.0.0";
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.Never)]
[JsonSerializable(typeof(IReadOnlyList<DockerArchiveImage>))]
[JsonSerializable(typeof(OciLayout))]
internal sealed partial class ArchiveJson : JsonSerializerContext;
