using System.Text.Json;

namespace Cais.Api;

public sealed record SystemDataUsageResponse
{
    public ImagesDiskUsage? ImageUsage { get; init; }

    public ContainersDiskUsage? ContainerUsage { get; init; }

    public VolumesDiskUsage? VolumeUsage { get; init; }

    public BuildCacheDiskUsage? BuildCacheUsage { get; init; }

    // Below: the long form, which clients before API 1.52 know alone.

    public long? LayersSize { get; init; }

    public IReadOnlyList<ImageSummary>? Images { get; init; }

    public IReadOnlyList<ContainerSummary>? Containers { get; init; }

    public IReadOnlyList<VolumeInfo>? Volumes { get; init; }

    public IReadOnlyList<JsonElement>? BuildCache { get; init; }
}
