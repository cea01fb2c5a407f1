using System.Text.Json.Serialization;

namespace Cais.Daemon.Authorization;

/// <summary>A request, and with it later the answer, as an authorization plugin is shown it (docker's plugin protocol, <c>authz</c>).</summary>
internal sealed record AuthorizationRequest
{
    public string? User { get; init; }

    [JsonPropertyName("UserAuthNMethod")]
    public string? Method { get; init; }

    public required string RequestMethod { get; init; }

    public required string RequestUri { get; init; }

    /// <summary>Only of JSON, and not of /auth, whose body is a password.</summary>
    public byte[]? RequestBody { get; init; }

    public IReadOnlyDictionary<string, string>? RequestHeaders { get; init; }

    public int? ResponseStatusCode { get; init; }

    public byte[]? ResponseBody { get; init; }

    public IReadOnlyDictionary<string, string>? ResponseHeaders { get; init; }
}

/// <summary>What the plugin says.</summary>
internal sealed record AuthorizationResponse
{
    public bool Allow { get; init; }

    public string? Msg { get; init; }

    public string? Err { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AuthorizationRequest))]
[JsonSerializable(typeof(AuthorizationResponse))]
internal sealed partial class AuthorizationJson : JsonSerializerContext;
