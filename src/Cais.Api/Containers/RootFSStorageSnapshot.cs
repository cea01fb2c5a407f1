namespace Cais.Api;

/// <summary>Information about a snapshot backend of the container's root filesystem.</summary>
public sealed record RootFSStorageSnapshot
{
    /// <summary>Name of the snapshotter.</summary>
    public string? Name { get; init; }
}
