namespace Cais.Api;

/// <summary>OK response to NetworkCreate operation</summary>
public sealed record NetworkCreateResponse
{
    /// <summary>The ID of the created network.</summary>
    public string? Id { get; init; }

    /// <summary>Warnings encountered when creating the container</summary>
    public string? Warning { get; init; }
}
