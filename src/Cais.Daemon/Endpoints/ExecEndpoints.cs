using Cais.Api;
using Cais.Daemon.Http;
using Cais.Engine;

namespace Cais.Daemon.Endpoints;

/// <summary>/exec, and /containers/{id}/exec</summary>
internal sealed class ExecEndpoints(CaisEngine engine)
{
    public void Map(Router router)
    {
        router.Map("POST", "/containers/{id}/exec", Create);
        router.Map("POST", "/exec/{id}/start", Start);
        router.Map("POST", "/exec/{id}/resize", Resize);
        router.Map("GET", "/exec/{id}/json", r => r.Answer(CaisEngine.Describe(engine.GetExec(r.Path("id"))), ApiJson.Default.ExecInspectResponse));
    }

    private async Task Create(ApiRequest request)
    {
        var body = await request.Json(ApiJson.Default.ContainerExecRequest);
        CaisEngine.ParseDetachKeys(body.DetachKeys);
        var exec = engine.CreateExec(engine.Get(request.Path("id")), body);
        await request.Answer(new IDResponse { Id = exec.Id }, ApiJson.Default.IDResponse, 201);
    }

    private async Task Start(ApiRequest request)
    {
        var body = await request.OptionalJson(ApiJson.Default.ExecStartRequest) ?? new ExecStartRequest();
        var exec = engine.GetExec(request.Path("id"));
        CaisEngine.CheckExecStart(exec);
        if (body.Detach == true)
        {
            await engine.StartExec(exec, body.ConsoleSize);
            await request.Empty(200);
            return;
        }

        var keys = CaisEngine.ParseDetachKeys(exec.Request.DetachKeys);
        var pipe = await request.Hijack(request.StreamType(framed: exec.Request.Tty != true));
        await engine.AttachExec(exec, pipe, keys, body.ConsoleSize);
    }

    private async Task Resize(ApiRequest request)
    {
        var (height, width) = ContainerEndpoints.SizeOf(request);
        await CaisEngine.ResizeExec(engine.GetExec(request.Path("id")), height, width);
        await request.Empty(200);
    }
}
