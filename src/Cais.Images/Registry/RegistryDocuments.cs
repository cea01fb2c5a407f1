using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;

namespace Cais.Images.Registry;

/// <summary>A registry's error body (distribution-spec, "Error Codes").</summary>
internal sealed record RegistryErrors
{
    [JsonPropertyName("errors")]
    public IReadOnlyList<RegistryErrorItem?>? Errors { get; init; }
}

internal sealed record RegistryErrorItem
{
    [JsonPropertyName("code")]
    public string? Code { get; init; }

    [JsonPropertyName("message")]
    public string? Message { get; init; }

    /// <summary>As Docker prints it: the code in words, and the message.</summary>
    public override string ToString()
    {
        var code = (Code ?? "UNKNOWN").ToLowerInvariant().Replace('_', ' ');
        return string.IsNullOrEmpty(Message) ? code : $"{code}: {Message}";
    }
}

/// <summary>A token server's answer.</summary>
internal sealed record TokenAnswer
{
    [JsonPropertyName("token")]
    public string? Token { get; init; }

    [JsonPropertyName("access_token")]
    public string? AccessToken { get; init; }

    [JsonPropertyName("refresh_token")]
    public string? RefreshToken { get; init; }

    /// <summary>Seconds; 60 if absent.</summary>
    [JsonPropertyName("expires_in")]
    public int? ExpiresIn { get; init; }
}

/// <summary>distribution-spec, "Listing Tags".</summary>
internal sealed record TagList
{
    [JsonPropertyName("tags")]
    public IReadOnlyList<string>? Tags { get; init; }
}

/// <summary>Docker's registry, "Listing Repositories".</summary>
internal sealed record RepositoryList
{
    [JsonPropertyName("repositories")]
    public IReadOnlyList<string>? Repositories { get; init; }
}

/// <summary>The old registry's search, which Docker Hub still answers.</summary>
internal sealed record SearchAnswer
{
    [JsonPropertyName("results")]
    public IReadOnlyList<SearchAnswerItem?>? Results { get; init; }
}

internal sealed record SearchAnswerItem
{
    [JsonPropertyName("name")]
    public string? Name { get; init; }

    [JsonPropertyName("description")]
    public string? Description { get; init; }

    [JsonPropertyName("star_count")]
    public long StarCount { get; init; }

    [JsonPropertyName("is_official")]
    public bool IsOfficial { get; init; }
}

[JsonSerializable(typeof(RegistryErrors))]
[JsonSerializable(typeof(TagList))]
[JsonSerializable(typeof(RepositoryList))]
[JsonSerializable(typeof(SearchAnswer))]
[JsonSerializable(typeof(TokenAnswer))]
internal sealed partial class RegistryJson : JsonSerializerContext
{
    /// <summary>A registry's document. Throws <see cref="ImageException"/> if it is none of its kind.</summary>
    public static T Read<T>(ReadOnlySpan<byte> body, JsonTypeInfo<T> type, string host)
    {
        try
        {
            return JsonSerializer.Deserialize(body, type) ?? throw new JsonException("null");
        }
        catch (JsonException e)
        {
            throw new ImageException(ImageErrorKind.Unavailable, $"{host} answered with something else than what was asked for: {e.Message}", e);
        }
    }

    public static RegistryErrorItem? FirstError(ReadOnlySpan<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body, Default.RegistryErrors)?.Errors?.FirstOrDefault(e => e is not null);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
