using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ImageSearchResultItem
{
    [JsonPropertyName("description")]
    public string? Description { get; init; }

    [JsonPropertyName("is_official")]
    public bool? IsOfficial { get; init; }

    /// <summary>Whether this repository has automated builds enabled.</summary>
    [JsonPropertyName("is_automated")]
    public bool? IsAutomated { get; init; }

    [JsonPropertyName("name")]
    public string? Name { get; init; }

    [JsonPropertyName("star_count")]
    public long? StarCount { get; init; }
}
