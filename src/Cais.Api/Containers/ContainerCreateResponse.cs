namespace Cais.Api;

/// <summary>OK response to ContainerCreate operation</summary>
public sealed record ContainerCreateResponse
{
    /// <summary>The ID of the created container</summary>
    public string? Id { get; init; }

    /// <summary>Warnings encountered when creating the container</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}
