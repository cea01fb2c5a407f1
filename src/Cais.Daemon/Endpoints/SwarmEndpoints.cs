using System.Globalization;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// /swarm, /nodes, /services, /tasks, /secrets, /configs: the answers of a daemon that is in no swarm. Requests are checked as far as docker checks them before it
/// looks for its swarm.
/// </summary>
internal static class SwarmEndpoints
{
    private const string NoManager =
        "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.";

    private const string NoSwarm = "This node is not part of a swarm";

    private const string Unsupported = "swarm mode is not supported by this engine: run it under Kubernetes or Nomad to use several machines";

    public static void Map(Router router)
    {
        router.Map("GET", "/swarm", Manager);
        router.Map("POST", "/swarm/init", r => Checked(r, ErrorKind.NotImplemented, Unsupported));
        router.Map("POST", "/swarm/join", r => Checked(r, ErrorKind.NotImplemented, Unsupported));
        router.Map("POST", "/swarm/leave", _ => throw new EngineException(ErrorKind.Unavailable, NoSwarm));
        router.Map("POST", "/swarm/update", r => Update(r, "swarm"));
        router.Map("GET", "/swarm/unlockkey", Manager);
        router.Map("POST", "/swarm/unlock", r => Checked(r, ErrorKind.Unavailable, NoSwarm));
        foreach (var (path, thing, since) in new (string, string, ApiVersion?)[]
        {
            ("/nodes", "node", null), ("/services", "service", null), ("/secrets", "secret", new(1, 25)), ("/configs", "config", new(1, 30)),
        })
        {
            router.Map("GET", path, List, since);
            router.Map("GET", path + "/{id}", Manager, since);
            router.Map("DELETE", path + "/{id}", Manager, since);
            router.Map("POST", path + "/{id}/update", r => Update(r, thing), since);
            if (thing != "node")
            {
                router.Map("POST", path + "/create", r => Checked(r, ErrorKind.Unavailable, NoManager), since);
            }
        }

        router.Map("GET", "/services/{id}/logs", Logs);
        router.Map("GET", "/tasks", List);
        router.Map("GET", "/tasks/{id}", Manager);
        router.Map("GET", "/tasks/{id}/logs", Logs, new ApiVersion(1, 29));
    }

    private static Task Manager(ApiRequest request) => throw new EngineException(ErrorKind.Unavailable, NoManager);

    private static Task List(ApiRequest request)
    {
        request.Filters();
        return Manager(request);
    }

    private static Task Logs(ApiRequest request) => request.Flag("stdout") || request.Flag("stderr")
        ? Manager(request)
        : throw EngineException.InvalidParameter("Bad parameters: you must choose at least one stream");

    private static async Task Checked(ApiRequest request, ErrorKind kind, string message)
    {
        await request.CheckJson().ConfigureAwait(false);
        throw new EngineException(kind, message);
    }

    private static async Task Update(ApiRequest request, string thing)
    {
        await request.CheckJson().ConfigureAwait(false);
        var version = request.Query("version") ?? "";
        if (!ulong.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out _))
        {
            throw EngineException.InvalidParameter($"invalid {thing} version '{version}': strconv.ParseUint: parsing \"{version}\": invalid syntax");
        }

        await Manager(request).ConfigureAwait(false);
    }
}
