namespace Cais.Api;

/// <summary>One record of the build cache in /system/df.</summary>
public sealed record BuildCacheRecord
{
    public required string ID { get; init; }

    public required string Type { get; init; }

    public required string Description { get; init; }

    public required bool InUse { get; init; }

    public required bool Shared { get; init; }

    /// <summary>Bytes.</summary>
    public required long Size { get; init; }

    public required string CreatedAt { get; init; }

    public string? LastUsedAt { get; init; }

    public required long UsageCount { get; init; }
}
