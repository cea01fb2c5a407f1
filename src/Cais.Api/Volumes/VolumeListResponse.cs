using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Volume list response</summary>
public sealed record VolumeListResponse
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<VolumeInfo>? Volumes { get; init; }

    /// <summary>Warnings that occurred when fetching the list of volumes.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Warnings { get; init; }
}
