namespace Cais.Api;

/// <summary>Information about the storage used by the container.</summary>
public sealed record StorageInfo
{
    /// <summary>Information about the storage used for the container's root filesystem.</summary>
    public RootFSStorage? RootFS { get; init; }
}
