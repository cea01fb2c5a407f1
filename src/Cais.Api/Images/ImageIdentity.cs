namespace Cais.Api;

/// <summary>Identity holds information about the identity and origin of the image.</summary>
public sealed record ImageIdentity
{
    /// <summary>Signature contains the properties of verified signatures for the image.</summary>
    public IReadOnlyList<SignatureIdentity>? Signature { get; init; }

    /// <summary>Pull contains remote location information if image was created via pull.</summary>
    public IReadOnlyList<PullIdentity>? Pull { get; init; }

    /// <summary>Build contains build reference information if image was created via build.</summary>
    public IReadOnlyList<BuildIdentity>? Build { get; init; }
}
