namespace Cais.Api;

/// <summary>ImageManifestSummary represents a summary of an image manifest.</summary>
public sealed record ImageManifestSummary
{
    /// <summary>ID is the content-addressable ID of an image and is the same as the digest of the image manifest.</summary>
    public string? ID { get; init; }

    public ApiDescriptor? Descriptor { get; init; }

    /// <summary>Indicates whether all the child content (image config, layers) is fully available locally.</summary>
    public bool? Available { get; init; }

    public ImageManifestSummarySize? Size { get; init; }

    /// <summary>The kind of the manifest.</summary>
    public string? Kind { get; init; }

    /// <summary>The image data for the image manifest.</summary>
    public ImageManifestSummaryImageData? ImageData { get; init; }

    /// <summary>The image data for the attestation manifest.</summary>
    public ImageManifestSummaryAttestationData? AttestationData { get; init; }
}

public sealed record ImageManifestSummarySize
{
    public long? Total { get; init; }

    /// <summary>Content is the size (in bytes) of all the locally present content in the content store (e.g.</summary>
    public long? Content { get; init; }
}

/// <summary>The image data for the image manifest.</summary>
public sealed record ImageManifestSummaryImageData
{
    /// <summary>OCI platform of the image.</summary>
    public ApiPlatform? Platform { get; init; }

    /// <summary>Identity holds information about the identity and origin of this image.</summary>
    public ImageIdentity? Identity { get; init; }

    /// <summary>The IDs of the containers that are using this image.</summary>
    public IReadOnlyList<string>? Containers { get; init; }

    public ImageManifestSummaryImageDataSize? Size { get; init; }
}

public sealed record ImageManifestSummaryImageDataSize
{
    public long? Unpacked { get; init; }
}

/// <summary>The image data for the attestation manifest.</summary>
public sealed record ImageManifestSummaryAttestationData
{
    /// <summary>The digest of the image manifest that this attestation is for.</summary>
    public string? For { get; init; }
}
