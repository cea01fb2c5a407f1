namespace Cais.Api;

/// <summary>PullIdentity contains remote location information if image was created via pull.</summary>
public sealed record PullIdentity
{
    /// <summary>Repository is the remote repository location the image was pulled from.</summary>
    public string? Repository { get; init; }
}
