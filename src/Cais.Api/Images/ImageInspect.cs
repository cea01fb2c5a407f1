namespace Cais.Api;

/// <summary>Information about an image in the local image cache.</summary>
public sealed record ImageInspect
{
    /// <summary>ID is the content-addressable ID of an image.</summary>
    public string? Id { get; init; }

    /// <summary>Descriptor is an OCI descriptor of the image target.</summary>
    public ApiDescriptor? Descriptor { get; init; }

    /// <summary>Manifests is a list of image manifests available in this image.</summary>
    public IReadOnlyList<ImageManifestSummary>? Manifests { get; init; }

    /// <summary>Identity holds information about the identity and origin of the image.</summary>
    public ImageIdentity? Identity { get; init; }

    /// <summary>List of image names/tags in the local image cache that reference this image.</summary>
    public IReadOnlyList<string>? RepoTags { get; init; }

    /// <summary>List of content-addressable digests of locally available image manifests that the image is referenced from.</summary>
    public IReadOnlyList<string>? RepoDigests { get; init; }

    /// <summary>Optional message that was set when committing or importing the image.</summary>
    public string? Comment { get; init; }

    public string? Created { get; init; }

    public string? Author { get; init; }

    public ImageConfig? Config { get; init; }

    /// <summary>Hardware CPU architecture that the image runs on.</summary>
    public string? Architecture { get; init; }

    /// <summary>CPU architecture variant (presently ARM-only).</summary>
    public string? Variant { get; init; }

    /// <summary>Operating System the image is built to run on.</summary>
    public string? Os { get; init; }

    /// <summary>Operating System version the image is built to run on (especially for Windows).</summary>
    public string? OsVersion { get; init; }

    /// <summary>Total size of the image variant, including all layers it is composed of.</summary>
    public long? Size { get; init; }

    public DriverData? GraphDriver { get; init; }

    /// <summary>Information about the image's RootFS, including the layer IDs.</summary>
    public ImageInspectRootFS? RootFS { get; init; }

    /// <summary>Additional metadata of the image in the local cache.</summary>
    public ImageInspectMetadata? Metadata { get; init; }

    /// <summary>The same as Size, for clients before API 1.44.</summary>
    public long? VirtualSize { get; init; }

    /// <summary>Always empty: images of a content store have no parent. For clients before API 1.52.</summary>
    public string? Parent { get; init; }

    /// <summary>For clients before API 1.52.</summary>
    public string? DockerVersion { get; init; }
}

/// <summary>Information about the image's RootFS, including the layer IDs.</summary>
public sealed record ImageInspectRootFS
{
    public string? Type { get; init; }

    public IReadOnlyList<string>? Layers { get; init; }
}

/// <summary>Additional metadata of the image in the local cache.</summary>
public sealed record ImageInspectMetadata
{
    public string? LastTagTime { get; init; }
}
