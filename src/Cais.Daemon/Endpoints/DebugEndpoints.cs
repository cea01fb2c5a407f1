using System.Text.Json;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// /debug, which is there while debugging is on and not found otherwise. Docker's shows Go's own profiles; of those only what any process has is here.
/// </summary>
internal sealed class DebugEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("GET", "/debug/vars", r => WhenOn(r, Variables));
        router.Map("GET", "/debug/pprof/cmdline", r => WhenOn(r, x => x.Text(string.Join('\0', Environment.GetCommandLineArgs()))));
    }

    private Task WhenOn(ApiRequest request, Endpoint endpoint) => engine.Options.Debug ? endpoint(request) : throw EngineException.NotFound("page not found");

    private static async Task Variables(ApiRequest request)
    {
        var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteStartArray("cmdline");
            foreach (var argument in Environment.GetCommandLineArgs())
            {
                json.WriteStringValue(argument);
            }

            json.WriteEndArray();
            json.WriteStartObject("memstats");
            json.WriteNumber("Alloc", GC.GetTotalMemory(forceFullCollection: false));
            json.WriteNumber("TotalAlloc", GC.GetTotalAllocatedBytes());
            json.WriteNumber("NumGC", GC.CollectionCount(0));
            json.WriteNumber("HeapSys", GC.GetGCMemoryInfo().TotalCommittedBytes);
            json.WriteEndObject();
            json.WriteNumber("threads", ThreadPool.ThreadCount);
            json.WriteEndObject();
        }

        await request.Raw(buffer.ToArray(), "application/json; charset=utf-8").ConfigureAwait(false);
    }
}
