namespace Cais.Api;

/// <summary>represents system data usage information for container resources.</summary>
public sealed record ContainersDiskUsage
{
    /// <summary>Count of active containers.</summary>
    public long? ActiveCount { get; init; }

    /// <summary>Count of all containers.</summary>
    public long? TotalCount { get; init; }

    /// <summary>Disk space that can be reclaimed by removing inactive containers.</summary>
    public long? Reclaimable { get; init; }

    /// <summary>Disk space in use by containers.</summary>
    public long? TotalSize { get; init; }

    /// <summary>List of container summaries.</summary>
    public IReadOnlyList<ContainerSummary>? Items { get; init; }
}
