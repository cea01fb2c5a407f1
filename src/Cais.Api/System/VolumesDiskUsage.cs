namespace Cais.Api;

/// <summary>represents system data usage for volume resources.</summary>
public sealed record VolumesDiskUsage
{
    /// <summary>Count of active volumes.</summary>
    public long? ActiveCount { get; init; }

    public long? TotalCount { get; init; }

    /// <summary>Disk space that can be reclaimed by removing inactive volumes.</summary>
    public long? Reclaimable { get; init; }

    /// <summary>Disk space in use by volumes.</summary>
    public long? TotalSize { get; init; }

    public IReadOnlyList<VolumeInfo>? Items { get; init; }
}
