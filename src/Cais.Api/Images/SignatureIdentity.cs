namespace Cais.Api;

/// <summary>SignatureIdentity contains the properties of verified signatures for the image.</summary>
public sealed record SignatureIdentity
{
    /// <summary>Name is a textual description summarizing the type of signature.</summary>
    public string? Name { get; init; }

    /// <summary>Timestamps contains a list of verified signed timestamps for the signature.</summary>
    public IReadOnlyList<SignatureTimestamp>? Timestamps { get; init; }

    /// <summary>KnownSigner is an identifier for a special signer identity that is known to the implementation.</summary>
    public string? KnownSigner { get; init; }

    /// <summary>DockerReference is the Docker image reference associated with the signature.</summary>
    public string? DockerReference { get; init; }

    /// <summary>Signer contains information about the signer certificate used to sign the image.</summary>
    public SignerIdentity? Signer { get; init; }

    /// <summary>SignatureType is the type of signature format.</summary>
    public string? SignatureType { get; init; }

    /// <summary>Error contains error information if signature verification failed.</summary>
    public string? Error { get; init; }

    /// <summary>Warnings contains any warnings that occurred during signature verification.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}
