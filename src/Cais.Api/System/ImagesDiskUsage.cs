namespace Cais.Api;

/// <summary>represents system data usage for image resources.</summary>
public sealed record ImagesDiskUsage
{
    public long? ActiveCount { get; init; }

    public long? TotalCount { get; init; }

    /// <summary>Disk space that can be reclaimed by removing unused images.</summary>
    public long? Reclaimable { get; init; }

    /// <summary>Disk space in use by images.</summary>
    public long? TotalSize { get; init; }

    /// <summary>List of image summaries.</summary>
    public IReadOnlyList<ImageSummary>? Items { get; init; }
}
