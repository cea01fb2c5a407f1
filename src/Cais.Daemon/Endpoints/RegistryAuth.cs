using System.Text;
using System.Text.Json;
using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>Logins that a client sends along: base64 of JSON, in either alphabet.</summary>
internal static class RegistryAuth
{
    /// <summary>X-Registry-Auth: one login.</summary>
    public static RegistryCredentials? Of(ApiRequest request) => Read(request, "X-Registry-Auth") is { } json
        ? From(Parse(json, "X-Registry-Auth", ApiJson.Default.AuthConfig))
        : null;

    /// <summary>X-Registry-Config: logins by registry, of which the one for a domain is wanted.</summary>
    public static Func<string, RegistryCredentials?> All(ApiRequest request)
    {
        var logins = Read(request, "X-Registry-Config") is { } json
            ? Parse(json, "X-Registry-Config", ApiJson.Default.IReadOnlyDictionaryStringAuthConfig)
            : null;
        return domain => logins is null ? null : From(logins.FirstOrDefault(l => DomainOf(l.Key) == domain).Value);
    }

    public static RegistryCredentials? From(AuthConfig? auth)
    {
        if (auth is null)
        {
            return null;
        }

        var (name, password) = (Empty(auth.Username), Empty(auth.Password));
        if (name is null && Empty(auth.Auth) is { } pair && TryDecode(pair) is { } text && text.IndexOf(':') is > 0 and var colon)
        {
            (name, password) = (text[..colon], text[(colon + 1)..]);
        }

        return new RegistryCredentials { Username = name, Password = password, IdentityToken = Empty(auth.IdentityToken), RegistryToken = Empty(auth.RegistryToken) };
    }

    private static string DomainOf(string server)
    {
        var start = server.IndexOf("://", StringComparison.Ordinal);
        var host = (start < 0 ? server : server[(start + 3)..]).Split('/')[0];
        return host is "index.docker.io" or "registry-1.docker.io" ? "docker.io" : host;
    }

    private static string? Read(ApiRequest request, string header)
    {
        var text = request.Http.Request.Headers[header].ToString();
        return text.Length == 0 ? null : TryDecode(text) switch
        {
            null => throw Bad(header),
            "" => null,
            var json => json,
        };
    }

    private static T? Parse<T>(string json, string header, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(json, type);
        }
        catch (JsonException)
        {
            throw Bad(header);
        }
    }

    private static string? TryDecode(string text)
    {
        var base64 = text.Replace('-', '+').Replace('_', '/').TrimEnd('=');
        try
        {
            return Encoding.UTF8.GetString(Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '=')));
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static EngineException Bad(string header) => EngineException.InvalidParameter($"invalid {header} header: it must be base64url of a JSON object");

    private static string? Empty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
