using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record AuthConfig
{
    [JsonPropertyName("username")]
    public string? Username { get; init; }

    [JsonPropertyName("password")]
    public string? Password { get; init; }

    [JsonPropertyName("serveraddress")]
    public string? Serveraddress { get; init; }

    /// <summary>Base64 of user:password, as docker's configuration file keeps it.</summary>
    [JsonPropertyName("auth")]
    public string? Auth { get; init; }

    [JsonPropertyName("email")]
    public string? Email { get; init; }

    /// <summary>A token the registry gave instead of a password.</summary>
    [JsonPropertyName("identitytoken")]
    public string? IdentityToken { get; init; }

    /// <summary>A bearer token to be sent to the registry as it is.</summary>
    [JsonPropertyName("registrytoken")]
    public string? RegistryToken { get; init; }
}
