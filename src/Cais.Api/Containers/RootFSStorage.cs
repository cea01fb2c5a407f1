namespace Cais.Api;

/// <summary>Information about the storage used for the container's root filesystem.</summary>
public sealed record RootFSStorage
{
    /// <summary>Information about the snapshot used for the container's root filesystem.</summary>
    public RootFSStorageSnapshot? Snapshot { get; init; }
}
