namespace Cais.Api;

/// <summary>SignerIdentity contains information about the signer certificate used to sign the image.</summary>
public sealed record SignerIdentity
{
    /// <summary>CertificateIssuer is the certificate issuer.</summary>
    public string? CertificateIssuer { get; init; }

    /// <summary>SubjectAlternativeName is the certificate subject alternative name.</summary>
    public string? SubjectAlternativeName { get; init; }

    public string? Issuer { get; init; }

    /// <summary>Reference to specific build instructions that are responsible for signing.</summary>
    public string? BuildSignerURI { get; init; }

    /// <summary>Immutable reference to the specific version of the build instructions that is responsible for signing.</summary>
    public string? BuildSignerDigest { get; init; }

    /// <summary>Specifies whether the build took place in platform-hosted cloud infrastructure or customer/self-hosted infrastructure.</summary>
    public string? RunnerEnvironment { get; init; }

    /// <summary>Source repository URL that the build was based on.</summary>
    public string? SourceRepositoryURI { get; init; }

    /// <summary>Immutable reference to a specific version of the source code that the build was based upon.</summary>
    public string? SourceRepositoryDigest { get; init; }

    /// <summary>Source Repository Ref that the build run was based upon.</summary>
    public string? SourceRepositoryRef { get; init; }

    /// <summary>Immutable identifier for the source repository the workflow was based upon.</summary>
    public string? SourceRepositoryIdentifier { get; init; }

    /// <summary>Source repository owner URL of the owner of the source repository that the build was based on.</summary>
    public string? SourceRepositoryOwnerURI { get; init; }

    /// <summary>Immutable identifier for the owner of the source repository that the workflow was based upon.</summary>
    public string? SourceRepositoryOwnerIdentifier { get; init; }

    /// <summary>Build Config URL to the top-level/initiating build instructions.</summary>
    public string? BuildConfigURI { get; init; }

    /// <summary>Immutable reference to the specific version of the top-level/initiating build instructions.</summary>
    public string? BuildConfigDigest { get; init; }

    /// <summary>Event or action that initiated the build.</summary>
    public string? BuildTrigger { get; init; }

    /// <summary>Run Invocation URL to uniquely identify the build execution.</summary>
    public string? RunInvocationURI { get; init; }

    /// <summary>Source repository visibility at the time of signing the certificate.</summary>
    public string? SourceRepositoryVisibilityAtSigning { get; init; }
}
