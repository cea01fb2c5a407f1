namespace Cais.Api;

/// <summary>SignatureTimestamp contains information about a verified signed timestamp for an image signature.</summary>
public sealed record SignatureTimestamp
{
    public string? Type { get; init; }

    public string? URI { get; init; }

    public string? Timestamp { get; init; }
}
