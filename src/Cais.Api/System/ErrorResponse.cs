using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>What every failed request answers.</summary>
public sealed record ErrorResponse
{
    [JsonPropertyName("message")]
    public required string Message { get; init; }
}
