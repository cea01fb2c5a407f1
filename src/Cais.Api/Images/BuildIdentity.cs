namespace Cais.Api;

/// <summary>BuildIdentity contains build reference information if image was created via build.</summary>
public sealed record BuildIdentity
{
    /// <summary>Ref is the identifier for the build request.</summary>
    public string? Ref { get; init; }

    /// <summary>CreatedAt is the time when the build ran.</summary>
    public string? CreatedAt { get; init; }
}
