using System.Text.Json;

namespace Cais.Api;

/// <summary>represents system data usage for build cache resources.</summary>
public sealed record BuildCacheDiskUsage
{
    /// <summary>Count of active build cache records.</summary>
    public long? ActiveCount { get; init; }

    /// <summary>Count of all build cache records.</summary>
    public long? TotalCount { get; init; }

    /// <summary>Disk space that can be reclaimed by removing inactive build cache records.</summary>
    public long? Reclaimable { get; init; }

    /// <summary>Disk space in use by build cache records.</summary>
    public long? TotalSize { get; init; }

    /// <summary>List of build cache records.</summary>
    public IReadOnlyList<JsonElement>? Items { get; init; }
}
