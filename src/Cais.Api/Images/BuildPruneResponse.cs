namespace Cais.Api;

public sealed record BuildPruneResponse
{
    public IReadOnlyList<string>? CachesDeleted { get; init; }

    /// <summary>Disk space reclaimed in bytes</summary>
    public long? SpaceReclaimed { get; init; }
}
