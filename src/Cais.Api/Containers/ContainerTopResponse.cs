using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Container "top" response.</summary>
public sealed record ContainerTopResponse
{
    /// <summary>The ps column titles</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Titles { get; init; }

    /// <summary>Each process running in the container, where each process is an array of values corresponding to the titles.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<IReadOnlyList<string>>? Processes { get; init; }
}
