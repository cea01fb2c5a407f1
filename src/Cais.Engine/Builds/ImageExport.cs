using Cais.Images.Building;
using Cais.Oci.Images;

namespace Cais.Engine.Builds;

/// <summary>How a result becomes an image.</summary>
public sealed record ImageExport
{
    /// <summary>The names to give; none leaves the image with its ID alone.</summary>
    public IReadOnlyList<Reference> Names { get; init; } = [];

    /// <summary>The identifier of the build, if its client gave it one.</summary>
    public string Build { get; init; } = "";

    /// <summary>Annotations of every manifest.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = new Dictionary<string, string>();

    /// <summary>Annotations of the index, if there is one.</summary>
    public IReadOnlyDictionary<string, string> IndexAnnotations { get; init; } = new Dictionary<string, string>();

    /// <summary>How layers that the build made are stored; those of base images stay as they are.</summary>
    public LayerCompression Compression { get; init; }

    /// <summary>Let the image carry the cache of its own layers.</summary>
    public bool InlineCache { get; init; }

    /// <summary>Let it be an index even if it is for one platform.</summary>
    public bool IsIndex { get; init; }

    /// <summary>In-toto statements about the image of a platform: SBOM, provenance. Several images or any statement make an index.</summary>
    public IReadOnlyList<Attestation> Attestations { get; init; } = [];
}

/// <summary>A signed-off statement about one platform's image. The subject is filled in when the image's digest is known.</summary>
/// <param name="PredicateType"><c>https://slsa.dev/provenance/v0.2</c>, <c>https://spdx.dev/Document</c>.</param>
/// <param name="Predicate">JSON.</param>
public sealed record Attestation(Platform Platform, string PredicateType, ReadOnlyMemory<byte> Predicate);
