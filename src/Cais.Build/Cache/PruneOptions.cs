namespace Cais.Build.Cache;

/// <summary>What to remove of the cache.</summary>
public sealed record PruneOptions
{
    /// <summary>Bytes that may stay. Without any of the three bounds everything goes that is removable.</summary>
    public long Keep { get; init; }

    /// <summary>Bytes that stay in any case.</summary>
    public long Reserved { get; init; }

    /// <summary>Bytes of the disk that are to be free. With nothing but this, no more goes than is needed for it.</summary>
    public long MinFree { get; init; }

    /// <summary>Spares what was used within that time.</summary>
    public TimeSpan? Spare { get; init; }

    /// <summary>Also what images share with the cache: they keep it, so nothing is gained but a tidy list.</summary>
    public bool All { get; init; }

    /// <summary>Only these records; null for all.</summary>
    public CacheFilter? Filter { get; init; }

    /// <summary>The bytes that stay of <paramref name="total"/>; 0 for none.</summary>
    internal long Target(long total, long free)
    {
        if (Keep == 0 && Reserved == 0 && MinFree == 0)
        {
            return 0;
        }

        var target = Keep > 0 ? Keep : MinFree > 0 ? total : 0;
        target = MinFree > free ? Math.Min(target, total - (MinFree - free)) : target;
        return Math.Max(1, Math.Max(target, Reserved));
    }
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
