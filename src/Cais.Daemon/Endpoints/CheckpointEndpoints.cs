using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>/containers/{id}/checkpoints, which docker offers with experimental features only.</summary>
internal sealed class CheckpointEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("GET", "/containers/{id}/checkpoints", List);
        router.Map("POST", "/containers/{id}/checkpoints", Create);
        router.Map("DELETE", "/containers/{id}/checkpoints/{checkpoint}", Remove);
    }

    private async Task List(ApiRequest request)
    {
        CheckExperimental();
        IReadOnlyList<CheckpointSummary> list =
            [.. engine.ListCheckpoints(engine.Get(request.Path("id")), request.Query("dir")).Select(n => new CheckpointSummary { Name = n })];
        await request.Answer(list, ApiJson.Default.IReadOnlyListCheckpointSummary);
    }

    private async Task Create(ApiRequest request)
    {
        CheckExperimental();
        var body = await request.Json(ApiJson.Default.CheckpointCreateRequest);
        await engine.CreateCheckpoint(engine.Get(request.Path("id")), body.CheckpointID ?? "", body.CheckpointDir, body.Exit == true, request.Gone);
        await request.Empty(201);
    }

    private async Task Remove(ApiRequest request)
    {
        CheckExperimental();
        engine.RemoveCheckpoint(engine.Get(request.Path("id")), request.Path("checkpoint"), request.Query("dir"));
        await request.Empty(204);
    }

    private void CheckExperimental()
    {
        if (!engine.Options.Experimental)
        {
            throw EngineException.NotImplemented(
                "This experimental feature is disabled by default. Start the Docker daemon in experimental mode in order to enable it.");
        }
    }
}
