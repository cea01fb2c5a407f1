namespace Cais.Api;

public sealed record CommitInfo
{
    /// <summary>Actual commit ID of external tool.</summary>
    public string? ID { get; init; }
}
