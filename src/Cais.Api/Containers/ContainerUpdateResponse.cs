namespace Cais.Api;

/// <summary>Response for a successful container-update.</summary>
public sealed record ContainerUpdateResponse
{
    /// <summary>Warnings encountered when updating the container.</summary>
    public IReadOnlyList<string>? Warnings { get; init; }
}
