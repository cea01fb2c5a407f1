using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record NetworkPruneResponse
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? NetworksDeleted { get; init; }
}
