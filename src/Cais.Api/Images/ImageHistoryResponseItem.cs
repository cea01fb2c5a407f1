using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>individual image layer information in response to ImageHistory operation</summary>
public sealed record ImageHistoryResponseItem
{
    public string? Id { get; init; }

    public long? Created { get; init; }

    public string? CreatedBy { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Tags { get; init; }

    public long? Size { get; init; }

    public string? Comment { get; init; }
}
