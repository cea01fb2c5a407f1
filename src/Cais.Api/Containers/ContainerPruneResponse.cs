using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ContainerPruneResponse
{
    /// <summary>Container IDs that were deleted</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? ContainersDeleted { get; init; }

    /// <summary>Disk space reclaimed in bytes</summary>
    public long? SpaceReclaimed { get; init; }
}
