using System.Globalization;
using Cais.Api;
using Cais.Build.Cache;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>/build: the classic door, and the cache behind all doors.</summary>
internal sealed class BuildEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("POST", "/build", r => new ClassicBuild(engine, r).RunAsync());
        router.Map("POST", "/build/prune", Prune);
        router.Map("POST", "/build/cancel", Cancel);
    }

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters().Accept("description", "id", "inuse", "label", "label!", "parent", "private", "shared", "type", "until", "unused-for");
        var keep = Number(request, "reserved-space") ?? Number(request, "keep-storage") ?? 0;
        if (Number(request, "max-used-space") is { } most)
        {
            keep = keep > 0 ? Math.Max(keep, most) : most;
        }

        var age = filters["until"].FirstOrDefault() ?? filters["unused-for"].FirstOrDefault();
        TimeSpan? spare = age is null ? null : Durations.TryParse(age, out var time) ? time : throw EngineException.InvalidParameter($"invalid duration: {age}");
        var removed = engine.Builds.Prune(new PruneOptions
        {
            Keep = keep,
            Spare = spare,
            All = request.Flag("all"),
            Id = filters["id"].FirstOrDefault(),
            Description = filters["description"].FirstOrDefault(),
            Type = filters["type"].FirstOrDefault(),
        });
        await request.Answer(
            new BuildPruneResponse { CachesDeleted = [.. removed.Select(r => r.Id)], SpaceReclaimed = removed.Sum(r => r.Size) }, ApiJson.Default.BuildPruneResponse);
    }

    private Task Cancel(ApiRequest request)
    {
        engine.Builds.Cancel(request.Query("id") ?? throw EngineException.InvalidParameter("build ID not provided"));
        return request.Empty(200);
    }

    private static long? Number(ApiRequest request, string name) => request.Query(name) switch
    {
        null => null,
        var text when long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) => number,
        var text => throw EngineException.InvalidParameter($"{name} is in bytes and expects an integer, got {text}"),
    };
}
