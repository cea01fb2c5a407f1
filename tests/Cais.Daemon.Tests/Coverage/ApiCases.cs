namespace Cais.Daemon.Tests.Coverage;

/// <summary>
/// For every endpoint a good, a bad and a not-found case. Endpoints that take nothing that could be wrong, or name nothing that could be missing, are asked in a
/// version that does not exist, and under a name that does not exist.
/// </summary>
internal static class ApiCases
{
    private const string BadFilters = "?filters=%7B%22colour%22%3A%5B%22red%22%5D%7D";

    private static readonly string[] ContainerActions = ["start", "stop", "restart", "kill", "pause", "unpause", "wait"];

    public static readonly IReadOnlyList<ApiCase> All = [.. Containers(), .. Execs(), .. Images(), .. Networks(), .. Volumes(), .. SystemCases(), .. Plugins(), .. Swarm(), .. Later()];

    private static IEnumerable<ApiCase> Containers()
    {
        yield return Good("GET /containers/json", "/containers/json?all=1&size=1", 200);
        yield return Bad("GET /containers/json", "/containers/json?limit=many", 400);
        yield return Elsewhere("GET /containers/json", "/containers/jsons");
        yield return Good("POST /containers/create", "/containers/create", 201, """{"Image":"busybox","Cmd":["true"]}""");
        yield return Bad("POST /containers/create", "/containers/create", 400, """{"Image":"BAD NAME"}""");
        yield return Missing("POST /containers/create", "/containers/create", """{"Image":"nosuch"}""");
        yield return Good("POST /containers/prune", "/containers/prune", 200);
        yield return Bad("POST /containers/prune", "/containers/prune" + BadFilters, 400);
        yield return Elsewhere("POST /containers/prune", "/containers/prunes");
        yield return Good("GET /containers/{id}/json", "/containers/{created}/json?size=1", 200);
        yield return Good("GET /containers/{id}/top", "/containers/{running}/top", 200);
        yield return Good("GET /containers/{id}/logs", "/containers/{exited}/logs?stdout=1&tail=1", 200);
        yield return Bad("GET /containers/{id}/logs", "/containers/{exited}/logs", 400);
        yield return Good("GET /containers/{id}/stats", "/containers/{running}/stats?stream=0&one-shot=1", 200);
        foreach (var (view, query) in new[] { ("json", ""), ("top", ""), ("logs", "?stdout=1"), ("stats", "?stream=0") })
        {
            yield return Missing($"GET /containers/{{id}}/{view}", $"/containers/nosuch/{view}{query}");
        }

        foreach (var view in new[] { "json", "top", "stats" })
        {
            yield return Version($"GET /containers/{{id}}/{view}", $"/containers/x/{view}");
        }

        yield return Good("POST /containers/{id}/resize", "/containers/{terminal}/resize?h=20&w=60", 200);
        yield return Bad("POST /containers/{id}/resize", "/containers/{terminal}/resize?h=x&w=1", 400);
        yield return Missing("POST /containers/{id}/resize", "/containers/nosuch/resize?h=1&w=1");
        yield return Good("POST /containers/{id}/start", "/containers/{created}/start", 204);
        yield return Bad("POST /containers/{id}/start", "/containers/{created}/start", 400, """{"HostConfig":{}}""");
        yield return Good("POST /containers/{id}/stop", "/containers/{running}/stop?t=0", 204);
        yield return Bad("POST /containers/{id}/stop", "/containers/{running}/stop?t=soon", 400);
        yield return Good("POST /containers/{id}/restart", "/containers/{running}/restart?t=0", 204);
        yield return Bad("POST /containers/{id}/restart", "/containers/{running}/restart?t=soon", 400);
        yield return Good("POST /containers/{id}/kill", "/containers/{running}/kill?signal=KILL", 204);
        yield return Bad("POST /containers/{id}/kill", "/containers/{running}/kill?signal=SIGNOTHING", 400);
        yield return Good("POST /containers/{id}/pause", "/containers/{running}/pause", 204);
        yield return Version("POST /containers/{id}/pause", "/containers/x/pause");
        yield return Good("POST /containers/{id}/unpause", "/containers/{paused}/unpause", 204);
        yield return Version("POST /containers/{id}/unpause", "/containers/x/unpause");
        yield return Good("POST /containers/{id}/wait", "/containers/{exited}/wait", 200);
        yield return Bad("POST /containers/{id}/wait", "/containers/{exited}/wait?condition=tomorrow", 400);
        foreach (var action in ContainerActions)
        {
            yield return Missing($"POST /containers/{{id}}/{action}", $"/containers/nosuch/{action}");
        }

        yield return Good("POST /containers/{id}/update", "/containers/{running}/update", 200, """{"RestartPolicy":{"Name":"no"}}""");
        yield return Bad("POST /containers/{id}/update", "/containers/{running}/update", 400, "{");
        yield return Missing("POST /containers/{id}/update", "/containers/nosuch/update", "{}");
        yield return Good("POST /containers/{id}/rename", "/containers/{created}/rename?name={name}", 204);
        yield return Bad("POST /containers/{id}/rename", "/containers/{created}/rename?name=a%20b", 400);
        yield return Missing("POST /containers/{id}/rename", "/containers/nosuch/rename?name={name}");
        yield return Good("POST /containers/{id}/attach", "/containers/{exited}/attach?logs=1&stdout=1", 200);
        yield return Bad("POST /containers/{id}/attach", "/containers/{exited}/attach?logs=1&stdout=1&detachKeys=what", 400);
        yield return Missing("POST /containers/{id}/attach", "/containers/nosuch/attach?logs=1&stdout=1");
        yield return Good("DELETE /containers/{id}", "/containers/{running}?force=1&v=1", 204);
        yield return Version("DELETE /containers/{id}", "/containers/x");
        yield return Missing("DELETE /containers/{id}", "/containers/nosuch");
    }

    private static IEnumerable<ApiCase> Execs()
    {
        yield return Good("POST /containers/{id}/exec", "/containers/{running}/exec", 201, """{"Cmd":["true"]}""");
        yield return Bad("POST /containers/{id}/exec", "/containers/{running}/exec", 400, "{}");
        yield return Missing("POST /containers/{id}/exec", "/containers/nosuch/exec", """{"Cmd":["true"]}""");
        yield return Good("POST /exec/{id}/start", "/exec/{exec}/start", 200, """{"Detach":true}""");
        yield return Bad("POST /exec/{id}/start", "/exec/{exec}/start", 400, "{");
        yield return Missing("POST /exec/{id}/start", "/exec/nosuch/start", """{"Detach":true}""");
        yield return Good("POST /exec/{id}/resize", "/exec/{execterminal}/resize?h=20&w=60", 200);
        yield return Bad("POST /exec/{id}/resize", "/exec/{exec}/resize?h=x&w=1", 400);
        yield return Missing("POST /exec/{id}/resize", "/exec/nosuch/resize?h=1&w=1");
        yield return Good("GET /exec/{id}/json", "/exec/{exec}/json", 200);
        yield return Version("GET /exec/{id}/json", "/exec/x/json");
        yield return Missing("GET /exec/{id}/json", "/exec/nosuch/json");
    }

    private static IEnumerable<ApiCase> Images()
    {
        yield return Good("GET /images/json", "/images/json?all=1", 200);
        yield return Bad("GET /images/json", "/images/json" + BadFilters, 400);
        yield return Elsewhere("GET /images/json", "/images");
        yield return Good("POST /images/create", "/images/create?fromSrc=-&repo={name}", 200, "@rootfs");
        yield return Bad("POST /images/create", "/images/create?fromImage=BAD%20NAME", 400);
        yield return Elsewhere("POST /images/create", "/images/creates");
        yield return Good("GET /images/{name}/json", "/images/busybox/json", 200);
        yield return Good("GET /images/{name}/history", "/images/busybox/history", 200);
        yield return Good("GET /images/{name}/get", "/images/busybox/get", 200);
        foreach (var view in new[] { "json", "history", "get" })
        {
            yield return Missing($"GET /images/{{name}}/{view}", $"/images/nosuch/{view}");
            yield return Version($"GET /images/{{name}}/{view}", $"/images/busybox/{view}");
        }

        yield return Good("GET /images/get", "/images/get?names=busybox", 200);
        yield return Version("GET /images/get", "/images/get?names=busybox");
        yield return Missing("GET /images/get", "/images/get?names=nosuch");
        yield return Good("POST /images/{name}/tag", "/images/busybox/tag?repo={name}&tag=one", 201);
        yield return Bad("POST /images/{name}/tag", "/images/busybox/tag?repo=BAD%20NAME", 400);
        yield return Missing("POST /images/{name}/tag", "/images/nosuch/tag?repo={name}");
        yield return Version("POST /images/{name}/push", "/images/busybox/push");
        yield return Missing("POST /images/{name}/push", "/images/127.0.0.1:1/nosuch/push");
        yield return Good("DELETE /images/{name}", "/images/{tagged}", 200);
        yield return Version("DELETE /images/{name}", "/images/busybox");
        yield return Missing("DELETE /images/{name}", "/images/nosuch");
        yield return Good("POST /images/load", "/images/load?quiet=1", 200, "@image");
        yield return Bad("POST /images/load", "/images/load?quiet=1", 400, "@rubbish");
        yield return Elsewhere("POST /images/load", "/images/loads");
        yield return Good("POST /images/prune", "/images/prune", 200);
        yield return Bad("POST /images/prune", "/images/prune" + BadFilters, 400);
        yield return Elsewhere("POST /images/prune", "/images/prunes");
    }

    private static IEnumerable<ApiCase> Networks()
    {
        yield return Good("GET /networks", "/networks", 200);
        yield return Bad("GET /networks", "/networks" + BadFilters, 400);
        yield return Elsewhere("GET /networks", "/network");
        yield return Good("GET /networks/", "/networks/", 200);
        yield return Bad("GET /networks/", "/networks/" + BadFilters, 400);
        yield return Elsewhere("GET /networks/", "/network/");
        yield return Good("GET /networks/{id}", "/networks/{network}", 200);
        yield return Version("GET /networks/{id}", "/networks/bridge");
        yield return Missing("GET /networks/{id}", "/networks/nosuch");
        yield return Good("POST /networks/create", "/networks/create", 201, """{"Name":"{name}"}""");
        yield return Bad("POST /networks/create", "/networks/create", 400, """{"Name":""}""");
        yield return Missing("POST /networks/create", "/networks/create", """{"Name":"{name}","Driver":"nosuch"}""");
        yield return Good("POST /networks/{id}/connect", "/networks/{network}/connect", 200, """{"Container":"{created}"}""");
        yield return Bad("POST /networks/{id}/connect", "/networks/{network}/connect", 400, "{");
        yield return Missing("POST /networks/{id}/connect", "/networks/nosuch/connect", """{"Container":"{created}"}""");
        yield return Good("POST /networks/{id}/disconnect", "/networks/bridge/disconnect", 200, """{"Container":"{running}"}""");
        yield return Bad("POST /networks/{id}/disconnect", "/networks/{network}/disconnect", 400, "{");
        yield return Missing("POST /networks/{id}/disconnect", "/networks/nosuch/disconnect", """{"Container":"{created}"}""");
        yield return Good("POST /networks/prune", "/networks/prune", 200);
        yield return Bad("POST /networks/prune", "/networks/prune" + BadFilters, 400);
        yield return Missing("POST /networks/prune", "/networks/nosuch/prune");
        yield return Good("DELETE /networks/{id}", "/networks/{network}", 204);
        yield return Version("DELETE /networks/{id}", "/networks/x");
        yield return Missing("DELETE /networks/{id}", "/networks/nosuch");
    }

    private static IEnumerable<ApiCase> Volumes()
    {
        yield return Good("GET /volumes", "/volumes", 200);
        yield return Bad("GET /volumes", "/volumes" + BadFilters, 400);
        yield return Elsewhere("GET /volumes", "/volume");
        yield return Good("POST /volumes/create", "/volumes/create", 201, """{"Name":"{name}"}""");
        yield return Bad("POST /volumes/create", "/volumes/create", 400, """{"Name":"bad/name"}""");
        yield return Missing("POST /volumes/create", "/volumes/create", """{"Name":"{name}","Driver":"nosuch"}""");
        yield return Good("GET /volumes/{name}", "/volumes/{volume}", 200);
        yield return Version("GET /volumes/{name}", "/volumes/x");
        yield return Missing("GET /volumes/{name}", "/volumes/nosuch");
        yield return Bad("PUT /volumes/{name}", "/volumes/{volume}?version=new", 400, "{}");

        // It is about the volumes of a swarm, and there is none to look in.
        yield return new ApiCase("PUT /volumes/{name}", CaseKind.NotFound, "/volumes/nosuch?version=1", 503, "{}");
        yield return Good("DELETE /volumes/{name}", "/volumes/{volume}", 204);
        yield return Version("DELETE /volumes/{name}", "/volumes/x");
        yield return Missing("DELETE /volumes/{name}", "/volumes/nosuch");
        yield return Good("POST /volumes/prune", "/volumes/prune", 200);
        yield return Bad("POST /volumes/prune", "/volumes/prune" + BadFilters, 400);
        yield return Elsewhere("POST /volumes/prune", "/volumes/nosuch/prune");
    }

    private static IEnumerable<ApiCase> SystemCases()
    {
        yield return Good("GET /_ping", "/_ping", 200);
        yield return Good("HEAD /_ping", "/_ping", 200);
        yield return Good("GET /info", "/info", 200);
        yield return Good("GET /version", "/version", 200);
        foreach (var operation in new[] { "GET /_ping", "HEAD /_ping", "GET /info", "GET /version" })
        {
            var path = operation[operation.IndexOf('/', StringComparison.Ordinal)..];
            yield return Version(operation, path);
            yield return Elsewhere(operation, path + "s");
        }

        yield return Good("GET /events", "/events?since=0&until=1", 200);
        yield return Bad("GET /events", "/events?since=when", 400);
        yield return Elsewhere("GET /events", "/event");
        yield return Good("GET /system/df", "/system/df?verbose=1", 200);
        yield return Bad("GET /system/df", "/system/df?type=what", 400);
        yield return Elsewhere("GET /system/df", "/system");
        yield return Bad("POST /auth", "/auth", 400, "{");
        yield return Elsewhere("POST /auth", "/auths");
    }

    private static IEnumerable<ApiCase> Plugins()
    {
        yield return Good("GET /plugins", "/plugins", 200);
        yield return Bad("GET /plugins", "/plugins" + BadFilters, 400);
        yield return Elsewhere("GET /plugins", "/plugin");
        yield return Bad("GET /plugins/privileges", "/plugins/privileges", 400);
        yield return Bad("POST /plugins/pull", "/plugins/pull", 400, "[]");
        yield return Version("GET /plugins/{name}/json", "/plugins/x/json");
        yield return Missing("GET /plugins/{name}/json", "/plugins/some/nosuch/json");
        yield return Version("DELETE /plugins/{name}", "/plugins/x");
        yield return Missing("DELETE /plugins/{name}", "/plugins/nosuch");
        yield return Bad("POST /plugins/{name}/enable", "/plugins/nosuch/enable?timeout=x", 400);
        yield return Bad("POST /plugins/{name}/set", "/plugins/nosuch/set", 400, "{");
        yield return Missing("POST /plugins/{name}/set", "/plugins/nosuch/set", "[]");
        foreach (var action in new[] { "enable", "disable", "upgrade", "push" })
        {
            yield return Missing($"POST /plugins/{{name}}/{action}", $"/plugins/nosuch/{action}");
            if (action != "enable")
            {
                yield return Version($"POST /plugins/{{name}}/{action}", $"/plugins/nosuch/{action}");
            }
        }
    }

    /// <summary>A node that is in no swarm: all that there is to be said is 503, once the request makes sense.</summary>
    private static IEnumerable<ApiCase> Swarm()
    {
        foreach (var list in new[] { "nodes", "services", "tasks", "secrets", "configs" })
        {
            yield return Good($"GET /{list}", $"/{list}", 503);
            yield return Bad($"GET /{list}", $"/{list}?filters=%7B", 400);
            yield return Elsewhere($"GET /{list}", $"/{list}s");
            yield return Good($"GET /{list}/{{id}}", $"/{list}/x", 503);
            yield return Version($"GET /{list}/{{id}}", $"/{list}/x");
            if (list == "tasks")
            {
                continue;
            }

            yield return Good($"DELETE /{list}/{{id}}", $"/{list}/x", 503);
            yield return Version($"DELETE /{list}/{{id}}", $"/{list}/x");
            yield return Good($"POST /{list}/{{id}}/update", $"/{list}/x/update?version=1", 503, "{}");
            yield return Bad($"POST /{list}/{{id}}/update", $"/{list}/x/update?version=new", 400, "{}");
            if (list != "nodes")
            {
                yield return Good($"POST /{list}/create", $"/{list}/create", 503, "{}");
                yield return Bad($"POST /{list}/create", $"/{list}/create", 400, "{");
                yield return Elsewhere($"POST /{list}/create", $"/{list}/creates");
            }
        }

        foreach (var logs in new[] { "services", "tasks" })
        {
            yield return Good($"GET /{logs}/{{id}}/logs", $"/{logs}/x/logs?stdout=1", 503);
            yield return Bad($"GET /{logs}/{{id}}/logs", $"/{logs}/x/logs", 400);
        }

        yield return Good("GET /swarm", "/swarm", 503);
        yield return Version("GET /swarm", "/swarm");
        yield return Good("GET /swarm/unlockkey", "/swarm/unlockkey", 503);
        yield return Version("GET /swarm/unlockkey", "/swarm/unlockkey");
        yield return Good("POST /swarm/leave", "/swarm/leave?force=1", 503);
        yield return Version("POST /swarm/leave", "/swarm/leave");
        yield return Good("POST /swarm/update", "/swarm/update?version=1", 503, "{}");
        yield return Bad("POST /swarm/update", "/swarm/update?version=", 400, "{}");
        yield return Good("POST /swarm/unlock", "/swarm/unlock", 503, "{}");
        yield return Bad("POST /swarm/unlock", "/swarm/unlock", 400, "{");
        foreach (var begin in new[] { "init", "join" })
        {
            yield return Good($"POST /swarm/{begin}", $"/swarm/{begin}", 501, "{}");
            yield return Bad($"POST /swarm/{begin}", $"/swarm/{begin}", 400, "{");
        }

        foreach (var operation in new[] { "GET /swarm", "GET /swarm/unlockkey", "POST /swarm/leave", "POST /swarm/update", "POST /swarm/unlock", "POST /swarm/init", "POST /swarm/join" })
        {
            yield return Elsewhere(operation, operation[operation.IndexOf('/', StringComparison.Ordinal)..] + "s");
        }
    }

    /// <summary>Endpoints that may be served or not, as the engine grows: what is here holds from the day they are.</summary>
    private static IEnumerable<ApiCase> Later()
    {
        yield return Good("GET /containers/{id}/changes", "/containers/{created}/changes", 200);
        yield return Version("GET /containers/{id}/changes", "/containers/x/changes");
        yield return Missing("GET /containers/{id}/changes", "/containers/nosuch/changes");
        yield return Good("GET /containers/{id}/export", "/containers/{created}/export", 200);
        yield return Version("GET /containers/{id}/export", "/containers/x/export");
        yield return Missing("GET /containers/{id}/export", "/containers/nosuch/export");
        yield return Good("GET /containers/{id}/archive", "/containers/{created}/archive?path=/etc/passwd", 200);
        yield return Bad("GET /containers/{id}/archive", "/containers/{created}/archive", 400);
        yield return Missing("GET /containers/{id}/archive", "/containers/{created}/archive?path=/nosuch");
        yield return Good("HEAD /containers/{id}/archive", "/containers/{created}/archive?path=/etc/passwd", 200);
        yield return Bad("HEAD /containers/{id}/archive", "/containers/{created}/archive", 400);
        yield return Missing("HEAD /containers/{id}/archive", "/containers/{created}/archive?path=/nosuch");
        yield return Good("PUT /containers/{id}/archive", "/containers/{created}/archive?path=/tmp", 200, "@rootfs");
        yield return Bad("PUT /containers/{id}/archive", "/containers/{created}/archive", 400, "@rootfs");
        yield return Missing("PUT /containers/{id}/archive", "/containers/{created}/archive?path=/nosuch", "@rootfs");
        yield return Good("POST /commit", "/commit?container={created}&repo={name}", 201);
        yield return Bad("POST /commit", "/commit?container={created}&repo=BAD%20NAME", 400);
        yield return Missing("POST /commit", "/commit?container=nosuch");
        yield return Bad("GET /containers/{id}/attach/ws", "/containers/{created}/attach/ws?stream=1&stdout=1", 400);
        yield return Missing("GET /containers/{id}/attach/ws", "/containers/nosuch/attach/ws?stream=1&stdout=1");
        yield return Version("GET /containers/{id}/checkpoints", "/containers/x/checkpoints");
        yield return Version("POST /containers/{id}/checkpoints", "/containers/x/checkpoints");
        yield return Version("DELETE /containers/{id}/checkpoints/{checkpoint}", "/containers/x/checkpoints/one");
        yield return Good("GET /images/{name}/attestations", "/images/busybox/attestations", 200);
        yield return Version("GET /images/{name}/attestations", "/images/busybox/attestations");
        yield return Missing("GET /images/{name}/attestations", "/images/nosuch/attestations");
        yield return Bad("GET /images/search", "/images/search", 400);
        yield return Elsewhere("GET /images/search", "/images/searches");
        yield return Bad("GET /distribution/{name}/json", "/distribution/BAD%20NAME/json", 400);
        yield return Elsewhere("GET /distribution/{name}/json", "/distribution/busybox");
        yield return Good("POST /build", "/build?t={name}", 200, "@context");
        yield return Version("POST /build", "/build");
        yield return Elsewhere("POST /build", "/builds");
        yield return Bad("POST /build/cancel", "/build/cancel", 400);
        yield return Elsewhere("POST /build/cancel", "/build/cancels");
        yield return Bad("POST /session", "/session", 400);
        yield return Elsewhere("POST /session", "/sessions");
        yield return Bad("POST /grpc", "/grpc", 400);
        yield return Elsewhere("POST /grpc", "/grpcs");
        yield return Version("POST /build/prune", "/build/prune");
        yield return Good("POST /build/prune", "/build/prune", 200);
        yield return Elsewhere("POST /build/prune", "/build/prunes");
    }

    private static ApiCase Good(string operation, string target, int status, string? body = null) => new(operation, CaseKind.Good, target, status, body);

    private static ApiCase Bad(string operation, string target, int status, string? body = null) => new(operation, CaseKind.BadInput, target, status, body);

    private static ApiCase Missing(string operation, string target, string? body = null) => new(operation, CaseKind.NotFound, target, 404, body);

    private static ApiCase Elsewhere(string operation, string target) => new(operation, CaseKind.NotFound, target, 404);

    private static ApiCase Version(string operation, string target) => new(operation, CaseKind.BadInput, "/v1.99" + target, 400);
}
