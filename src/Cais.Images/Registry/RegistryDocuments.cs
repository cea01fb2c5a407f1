using System.Text.Json;
using System.Text.Json.Serialization;

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

    /// <summary>Seconds; 60 if absent.</summary>
    [JsonPropertyName("expires_in")]
    public int? ExpiresIn { get; init; }
}

[JsonSerializable(typeof(RegistryErrors))]
[JsonSerializable(typeof(TokenAnswer))]
internal sealed partial class RegistryJson : JsonSerializerContext
{
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
