using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>GET /containers/{id}/stats</summary>
internal sealed class StatsStream(CaisEngine engine)
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    public async Task Serve(ApiRequest request)
    {
        var container = engine.Get(request.Path("id"));
        var stream = request.Flag("stream", otherwise: true);
        var oneShot = request.Flag("one-shot") && request.Version >= new ApiVersion(1, 41);
        if (stream && oneShot)
        {
            throw EngineException.InvalidParameter("cannot have stream=true and one-shot=true");
        }

        if (!container.Status.IsRunning && !stream)
        {
            await request.Answer(await engine.Sample(container, null, request.Gone), ApiJson.Default.ContainerStatsResponse);
            return;
        }

        var sample = await engine.Sample(container, null, request.Gone);
        if (!stream)
        {
            if (!oneShot)
            {
                // Two samples, so that the client can tell the use of time between them.
                await Task.Delay(Interval, engine.Time, request.Gone);
                sample = await engine.Sample(container, sample, request.Gone);
            }

            await request.Answer(sample, ApiJson.Default.ContainerStatsResponse);
            return;
        }

        var writer = await request.Stream("application/json");
        while (await Lines.Write(writer, sample, ApiJson.Default.ContainerStatsResponse))
        {
            var ended = container.Removed;
            await Task.WhenAny(Task.Delay(Interval, engine.Time, request.Gone), ended);
            request.Gone.ThrowIfCancellationRequested();
            if (ended.IsCompleted)
            {
                return;
            }

            sample = await engine.Sample(container, sample, request.Gone);
        }
    }
}
