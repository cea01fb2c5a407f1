using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Volumes;

namespace Cais.Daemon.Endpoints;

/// <summary>/volumes</summary>
internal sealed class VolumeEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("GET", "/volumes", r => r.Answer(engine.Volumes.List(r.Filters()), ApiJson.Default.VolumeListResponse));
        router.Map("POST", "/volumes/create", Create);
        router.Map("POST", "/volumes/prune", Prune);
        router.Map("GET", "/volumes/{name}", r => r.Answer(VolumeStore.Describe(engine.Volumes.Get(r.Path("name"))), ApiJson.Default.VolumeInfo));
        router.Map("DELETE", "/volumes/{name}", Remove);
    }

    private async Task Create(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.VolumeCreateRequest);
        if (body.ClusterVolumeSpec is not null)
        {
            throw new EngineException(ErrorKind.Unavailable, "cluster volumes need a swarm, which this node is not part of");
        }

        var volume = engine.Volumes.Create(body.Name, body.Driver, body.DriverOpts, body.Labels);
        await request.Answer(VolumeStore.Describe(volume), ApiJson.Default.VolumeInfo, 201);
    }

    private async Task Remove(ApiRequest request)
    {
        engine.Volumes.Remove(request.Path("name"), request.Flag("force"));
        await request.Empty(204);
    }

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters();

        // Since 1.42 only volumes without a name, unless all are asked for.
        var anonymousOnly = request.Version >= new ApiVersion(1, 42) && !filters.Flag("all", false);
        await request.Answer(engine.Volumes.Prune(filters, anonymousOnly), ApiJson.Default.VolumePruneResponse);
    }
}
