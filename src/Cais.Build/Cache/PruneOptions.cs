namespace Cais.Build.Cache;

/// <summary>What to remove of the cache.</summary>
public sealed record PruneOptions
{
    /// <summary>Bytes that may stay; 0 removes everything that is removable.</summary>
    public long Keep { get; init; }

    /// <summary>Spares what was used within that time.</summary>
    public TimeSpan? Spare { get; init; }

    /// <summary>Also what images share with the cache: they keep it, so nothing is gained but a tidy list.</summary>
    public bool All { get; init; }

    /// <summary>Only records whose ID begins so.</summary>
    public string? Id { get; init; }

    /// <summary>Only records with that in their description.</summary>
    public string? Description { get; init; }

    /// <summary>Only records of that kind.</summary>
    public string? Type { get; init; }
}

/// <summary>Bounds of the cache, in bytes; see BuildKit's garbage collection policy, whose names and meaning these have.</summary>
/// <param name="Reserved">So much always stays.</param>
/// <param name="MaxUsed">No more than that; 0 for no bound.</param>
/// <param name="MinFree">So much of the disk is to stay free; 0 for no bound.</param>
/// <param name="DiskPercent">Whether the numbers are hundredths of the disk instead of bytes.</param>
public sealed record CacheLimits(long Reserved, long MaxUsed, long MinFree, bool DiskPercent = false)
{
    /// <summary>Dockerd's default: a tenth of the disk is the cache's, it takes no more than eight, and two stay free.</summary>
    public static readonly CacheLimits Default = new(10, 80, 20, DiskPercent: true);
}
