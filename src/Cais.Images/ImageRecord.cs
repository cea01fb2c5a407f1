using Cais.Oci.Images;

namespace Cais.Images;

/// <summary>
/// An image in the store, seen for one platform. Its identity is the digest of what its name points to (an index if it has one, otherwise a
/// manifest), as in containerd's image store.
/// </summary>
public sealed record ImageRecord
{
    /// <summary>The digest of the index or manifest: Docker's image ID.</summary>
    public Digest Id => Target.Digest;

    /// <summary>The index or manifest that the names point to.</summary>
    public required Descriptor Target { get; init; }

    /// <summary>The manifest of the platform at hand: this machine's if the image has it, otherwise the first that is here.</summary>
    public required Descriptor ManifestDescriptor { get; init; }

    public required Manifest Manifest { get; init; }

    public required ImageConfig Config { get; init; }

    /// <summary>Names with tags, as Docker shows them (<c>busybox:latest</c>), sorted.</summary>
    public required IReadOnlyList<string> RepoTags { get; init; }

    /// <summary>Names with digests (<c>busybox@sha256:…</c>), sorted.</summary>
    public required IReadOnlyList<string> RepoDigests { get; init; }

    /// <summary>Bytes of the blobs that are here, of all platforms.</summary>
    public required long ContentSize { get; init; }

    /// <summary>Bytes of disk that the unpacked layers take, of all platforms.</summary>
    public required long UnpackedSize { get; init; }

    /// <summary>Blobs and unpacked layers: what deleting the image could free if it shares nothing.</summary>
    public long Size => ContentSize + UnpackedSize;

    public DateTimeOffset Created => Config.CreatedAt;

    /// <summary>When a name was last set to point to this image; null if it has no name.</summary>
    public DateTimeOffset? TaggedAt { get; init; }

    public Platform Platform => Config.Platform;
}

/// <summary>Where an image comes from, as far as this store has seen it happen.</summary>
/// <param name="Repositories">Repositories that it was pulled from or pushed to, by their canonical names.</param>
/// <param name="Builds">Builds that made it, by their identifiers (empty for those without), with the time, last one first.</param>
public sealed record ImageOrigins(IReadOnlyList<string> Repositories, IReadOnlyList<(string Reference, DateTimeOffset At)> Builds);

/// <summary>One manifest of an image, here or only known of.</summary>
public sealed record ImageManifestRecord(Descriptor Descriptor, bool IsAvailable, bool IsAttestation, Platform? Platform, long ContentSize, long UnpackedSize);

/// <summary>A statement about an image in in-toto's format, for example where it was built or what is in it.</summary>
public sealed class ImageAttestation(Descriptor descriptor, string predicateType, Func<byte[]> read)
{
    internal const string MediaType = "application/vnd.in-toto+json";
    internal const string PredicateTypeAnnotation = "in-toto.io/predicate-type";
    internal const int LargestStatement = 128 * 1024 * 1024;

    public Descriptor Descriptor { get; } = descriptor;

    public string PredicateType { get; } = predicateType;

    /// <summary>The statement's JSON, read and verified anew each time.</summary>
    public byte[] Statement => read();
}
