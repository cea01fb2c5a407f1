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
        router.Map("GET", "/volumes", async r => await r.Answer(await engine.Volumes.List(r.Filters(), r.Gone), ApiJson.Default.VolumeListResponse));
        router.Map("POST", "/volumes/create", Create);
        router.Map("POST", "/volumes/prune", Prune);
        router.Map("GET", "/volumes/{name}", async r => await r.Answer(await engine.Volumes.Inspect(r.Path("name"), r.Gone), ApiJson.Default.VolumeInfo));
        router.Map("PUT", "/volumes/{name}", Update);
        router.Map("DELETE", "/volumes/{name}", Remove);
    }

    private async Task Create(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.VolumeCreateRequest);
        if (body.ClusterVolumeSpec is not null)
        {
            throw new EngineException(ErrorKind.Unavailable, "cluster volumes need a swarm, which this node is not part of");
        }

        var volume = await engine.Volumes.Create(body.Name, body.Driver, body.DriverOpts, body.Labels, request.Gone);
        await request.Answer(VolumeStore.Describe(volume), ApiJson.Default.VolumeInfo, 201);
    }

    /// <summary>Only a cluster's volumes can be changed.</summary>
    private async Task Update(ApiRequest request)
    {
        if (!long.TryParse(request.Query("version"), out _))
        {
            throw EngineException.InvalidParameter($"invalid swarm object version '{request.Query("version")}'");
        }

        _ = await request.Json(ApiJson.Default.VolumeUpdateRequest);
        throw new EngineException(ErrorKind.Unavailable, "volume update only valid for cluster volumes, but swarm is unavailable");
    }

    private async Task Remove(ApiRequest request)
    {
        await engine.Volumes.Remove(request.Path("name"), request.Flag("force"));
        await request.Empty(204);
    }

    private async Task Prune(ApiRequest request)
    {
        var filters = request.Filters();

        // Since 1.42 only volumes without a name, unless all are asked for.
        var anonymousOnly = request.Version >= new ApiVersion(1, 42) && !filters.Flag("all", false);
        await request.Answer(await engine.Volumes.Prune(filters, anonymousOnly), ApiJson.Default.VolumePruneResponse);
    }
}
