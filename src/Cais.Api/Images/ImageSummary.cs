using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ImageSummary
{
    /// <summary>ID is the content-addressable ID of an image.</summary>
    public string? Id { get; init; }

    /// <summary>ID of the parent image.</summary>
    public string? ParentId { get; init; }

    /// <summary>List of image names/tags in the local image cache that reference this image.</summary>
    public IReadOnlyList<string>? RepoTags { get; init; }

    /// <summary>List of content-addressable digests of locally available image manifests that the image is referenced from.</summary>
    public IReadOnlyList<string>? RepoDigests { get; init; }

    /// <summary>Date and time at which the image was created as a Unix timestamp (number of seconds since EPOCH).</summary>
    public long? Created { get; init; }

    /// <summary>Total size of the image including all layers it is composed of.</summary>
    public long? Size { get; init; }

    /// <summary>Total size of image layers that are shared between this image and other images.</summary>
    public long? SharedSize { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Number of containers using this image.</summary>
    public long? Containers { get; init; }

    /// <summary>Manifests is a list of manifests available in this image.</summary>
    public IReadOnlyList<ImageManifestSummary>? Manifests { get; init; }

    /// <summary>Descriptor is an OCI descriptor of the image target.</summary>
    public ApiDescriptor? Descriptor { get; init; }

    /// <summary>The same as Size, for clients before API 1.44.</summary>
    public long? VirtualSize { get; init; }
}
