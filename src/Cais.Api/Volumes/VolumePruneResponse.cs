using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record VolumePruneResponse
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? VolumesDeleted { get; init; }

    /// <summary>Disk space reclaimed in bytes</summary>
    public long? SpaceReclaimed { get; init; }
}
