using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Where a container's output goes.</summary>
public sealed record LogConfig
{
    /// <summary>Name of the log driver.</summary>
    public string? Type { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Config { get; init; }
}
