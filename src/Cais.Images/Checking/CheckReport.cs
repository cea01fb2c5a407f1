using Cais.Oci.Images;

namespace Cais.Images.Checking;

/// <summary>How to check a store.</summary>
public sealed record CheckOptions
{
    /// <summary>Make good what can be made good: damaged blobs are fetched again, damaged layers unpacked again.</summary>
    public bool Repair { get; init; }

    /// <summary>The login for a registry (<c>docker.io</c>, <c>localhost:5000</c>), or null.</summary>
    public Func<string, RegistryCredentials?> Credentials { get; init; } = _ => null;
}

/// <summary>What can be wrong.</summary>
public enum DamageKind
{
    /// <summary>A blob's file is not there.</summary>
    BlobMissing,

    /// <summary>A blob's content is not what its digest says.</summary>
    BlobDamaged,

    /// <summary>An unpacked layer is not what its blob says.</summary>
    LayerDamaged,

    /// <summary>An image names content that is not here at all.</summary>
    ContentMissing,
}

/// <summary>Something that is wrong with the store. <paramref name="IsRepaired"/>: it was, and is no more; <paramref name="WhyNot"/> says why it still is.</summary>
public sealed record Damage(DamageKind Kind, Digest Digest, string Description, IReadOnlyList<string> Images, bool IsRepaired, string? WhyNot);

/// <summary>A check's outcome.</summary>
public sealed record CheckReport(long Blobs, long BlobBytes, long Layers, long UnverifiableLayers, IReadOnlyList<Damage> Damages)
{
    public bool IsSound => Damages.All(d => d.IsRepaired);
}
