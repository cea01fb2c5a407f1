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

    private static string? First(IReadOnlyList<string> values) => values is [var first, ..] ? first : null;

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters().Accept("description", "id", "inuse", "label", "label!", "parent", "private", "shared", "type", "until", "unused-for");
        var age = First(filters["until"]) ?? First(filters["unused-for"]);
        TimeSpan? spare = age is null ? null : Durations.TryParse(age, out var time) ? time : throw EngineException.InvalidParameter($"invalid duration: {age}");
        var removed = engine.Builds.Prune(new PruneOptions
        {
            Reserved = Number(request, "reserved-space") ?? Number(request, "keep-storage") ?? 0,
            Keep = Number(request, "max-used-space") ?? 0,
            MinFree = Number(request, "min-free-space") ?? 0,
            Spare = spare,
            All = request.Flag("all"),
            Filter = FilterOf(filters),
        });
        await request.Answer(
            new BuildPruneResponse { CachesDeleted = [.. removed.Select(r => r.Id)], SpaceReclaimed = removed.Sum(r => r.Size) }, ApiJson.Default.BuildPruneResponse);
    }

    private static CacheFilter FilterOf(Filters filters)
    {
        try
        {
            return CacheFilter.Parse(Conditions(filters));
        }
        catch (FormatException e)
        {
            throw EngineException.InvalidParameter(e.Message);
        }
    }

    /// <summary>What of the filters is about records, as one filter: all must hold.</summary>
    private static IEnumerable<string> Conditions(Filters filters)
    {
        var conditions = new List<string>();
        foreach (var field in new[] { "id", "parent", "type", "description", "inuse", "shared", "private" })
        {
            switch (filters[field])
            {
                case []:
                    break;
                case [var value]:
                    conditions.Add(field switch
                    {
                        "id" => $"id~=\"^{System.Text.RegularExpressions.Regex.Escape(value)}\"",
                        "description" => $"description~=\"{System.Text.RegularExpressions.Regex.Escape(value).Replace("\"", "\\\"", StringComparison.Ordinal)}\"",
                        "inuse" or "shared" or "private" => Holds(field, value),
                        _ => $"{field}==\"{value}\"",
                    });
                    break;
                default:
                    throw EngineException.InvalidParameter($"filter {field} expects only one value");
            }
        }

        return conditions.Count == 0 ? [] : [string.Join(',', conditions)];
    }

    /// <summary>Fields that are there or not: those that are not have the value "".</summary>
    private static string Holds(string field, string value) => value switch
    {
        "" or "1" or "true" => field,
        "0" or "false" => field switch
        {
            "shared" => "private",
            "private" => "shared",
            _ => "inuse!=\"\"",
        },
        _ => throw EngineException.InvalidParameter($"invalid filter {field}={value}: expected true or false"),
    };

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
