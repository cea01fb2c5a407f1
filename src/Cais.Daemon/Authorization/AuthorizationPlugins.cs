using System.Security.Cryptography.X509Certificates;
using Cais.Engine;
using Cais.Plugins;
using Microsoft.AspNetCore.Http;

namespace Cais.Daemon.Authorization;

/// <summary>
/// Asks the administrator's plugins whether a request may be done, and whether its answer may be given: all of them, in order, and the first no counts. A
/// plugin that cannot be asked means no.
/// </summary>
internal sealed class AuthorizationPlugins(PluginRegistry plugins, IReadOnlyList<string> names)
{
    /// <summary>As docker: a larger body is not shown.</summary>
    private const int LargestBody = 1 << 20;

    /// <summary>Changes when the configuration is read again.</summary>
    public IReadOnlyList<string> Names { get; set; } = names;

    /// <exception cref="EngineException">A plugin says no, or does not answer.</exception>
    public async Task<AuthorizationRequest> CheckRequest(HttpContext context, CancellationToken cancellation)
    {
        var client = context.Connection.ClientCertificate;
        var request = new AuthorizationRequest
        {
            User = client?.GetNameInfo(X509NameType.SimpleName, forIssuer: false),
            Method = client is null ? null : "TLS",
            RequestMethod = context.Request.Method,
            RequestUri = context.Request.Path.Value + context.Request.QueryString.Value,
            RequestBody = await Body(context.Request, cancellation).ConfigureAwait(false),
            RequestHeaders = Headers(context.Request.Headers),
        };
        await Ask("AuthZPlugin.AuthZReq", request, cancellation).ConfigureAwait(false);
        return request;
    }

    /// <exception cref="EngineException">A plugin says no, or does not answer.</exception>
    public Task CheckResponse(AuthorizationRequest request, HttpResponse response, byte[]? body, CancellationToken cancellation) => Ask(
        "AuthZPlugin.AuthZRes",
        request with { ResponseStatusCode = response.StatusCode, ResponseBody = body, ResponseHeaders = Headers(response.Headers) },
        cancellation);

    private async Task Ask(string method, AuthorizationRequest request, CancellationToken cancellation)
    {
        foreach (var name in Names)
        {
            AuthorizationResponse answer;
            try
            {
                var plugin = await plugins.GetAsync(name, "authz", cancellation).ConfigureAwait(false);
                answer = await plugin
                    .CallAsync(method, request, AuthorizationJson.Default.AuthorizationRequest, AuthorizationJson.Default.AuthorizationResponse, cancellation)
                    .ConfigureAwait(false);
            }
            catch (PluginException e)
            {
                throw EngineException.System($"plugin {name} failed with error: {e.Message}", e);
            }

            if (answer.Err is { Length: > 0 } error)
            {
                throw EngineException.System($"plugin {name} failed with error: {error}");
            }

            if (!answer.Allow)
            {
                throw EngineException.Forbidden($"authorization denied by plugin {name}: {answer.Msg}");
            }
        }
    }

    private static async Task<byte[]?> Body(HttpRequest request, CancellationToken cancellation)
    {
        var isJson = request.ContentType?.StartsWith("application/json", StringComparison.OrdinalIgnoreCase) == true;
        if (!isJson || request.ContentLength is null or 0 or > LargestBody || request.Path.Value!.EndsWith("/auth", StringComparison.Ordinal))
        {
            return null;
        }

        var body = new byte[(int)request.ContentLength.Value];
        await request.Body.ReadExactlyAsync(body, cancellation).ConfigureAwait(false);
        request.Body = new MemoryStream(body, writable: false);
        return body;
    }

    /// <summary>Without what proves who somebody is.</summary>
    private static Dictionary<string, string> Headers(IHeaderDictionary headers) => headers
        .Where(h => !h.Key.Equals("X-Registry-Config", StringComparison.OrdinalIgnoreCase) && !h.Key.Equals("X-Registry-Auth", StringComparison.OrdinalIgnoreCase))
        .ToDictionary(h => h.Key, h => h.Value.ToString());
}
