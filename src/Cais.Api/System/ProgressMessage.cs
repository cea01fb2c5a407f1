using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>One line of the progress streams of pull, push, load, import and build.</summary>
public sealed record ProgressMessage
{
    [JsonPropertyName("stream")]
    public string? Stream { get; init; }

    [JsonPropertyName("status")]
    public string? Status { get; init; }

    [JsonPropertyName("progressDetail")]
    public ProgressDetail? ProgressDetail { get; init; }

    /// <summary>The bar as text, for clients older than API 1.48.</summary>
    [JsonPropertyName("progress")]
    public string? Progress { get; init; }

    /// <summary>What the line is about: a layer's short digest or a tag.</summary>
    [JsonPropertyName("id")]
    public string? Id { get; init; }

    [JsonPropertyName("error")]
    public string? Error { get; init; }

    [JsonPropertyName("errorDetail")]
    public ProgressError? ErrorDetail { get; init; }

    [JsonPropertyName("aux")]
    public JsonElement? Aux { get; init; }
}

public sealed record ProgressDetail
{
    /// <summary>Bytes done.</summary>
    [JsonPropertyName("current")]
    public long? Current { get; init; }

    /// <summary>Bytes in all, where known.</summary>
    [JsonPropertyName("total")]
    public long? Total { get; init; }
}

public sealed record ProgressError
{
    [JsonPropertyName("code")]
    public int? Code { get; init; }

    [JsonPropertyName("message")]
    public string? Message { get; init; }
}
