using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// /plugins: the answers of a daemon that has no managed plugins and can have none. Plugins that are installed as programs (docker's legacy plugins) are not
/// listed here by docker either.
/// </summary>
internal static class PluginEndpoints
{
    private const string Unsupported = "managed plugins are not supported by this engine: use a plugin that is installed as a program (/run/docker/plugins, /etc/docker/plugins)";

    public static void Map(Router router)
    {
        router.Map("GET", "/plugins", List);
        router.Map("GET", "/plugins/privileges", r => Remote(r, "remote"));
        router.Map("POST", "/plugins/pull", r => Remote(r, "remote"));
        router.Map("POST", "/plugins/create", _ => throw EngineException.NotImplemented(Unsupported));
        router.Map("GET", "/plugins/{name*}/json", Missing);
        router.Map("DELETE", "/plugins/{name*}", Missing);
        router.Map("POST", "/plugins/{name*}/enable", Enable);
        router.Map("POST", "/plugins/{name*}/disable", Missing);
        router.Map("POST", "/plugins/{name*}/upgrade", Missing, new ApiVersion(1, 26));
        router.Map("POST", "/plugins/{name*}/push", Missing);
        router.Map("POST", "/plugins/{name*}/set", Set);
    }

    private static Task List(ApiRequest request)
    {
        request.Filters().Accept("enabled", "capability");
        return request.Raw("[]\n"u8.ToArray(), "application/json");
    }

    private static Task Remote(ApiRequest request, string parameter) => request.Query(parameter) is null
        ? throw EngineException.InvalidParameter("invalid reference format")
        : throw EngineException.NotImplemented(Unsupported);

    private static Task Missing(ApiRequest request) => throw EngineException.NotFound($"plugin \"{request.Path("name")}\" not found");

    private static Task Enable(ApiRequest request)
    {
        request.Integer("timeout");
        return Missing(request);
    }

    private static async Task Set(ApiRequest request)
    {
        await request.Json(ApiJson.Default.IReadOnlyListString).ConfigureAwait(false);
        await Missing(request).ConfigureAwait(false);
    }
}
