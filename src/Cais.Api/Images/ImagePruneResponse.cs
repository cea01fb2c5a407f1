using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ImagePruneResponse
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<ImageDeleteResponseItem>? ImagesDeleted { get; init; }

    /// <summary>Disk space reclaimed in bytes</summary>
    public long? SpaceReclaimed { get; init; }
}
