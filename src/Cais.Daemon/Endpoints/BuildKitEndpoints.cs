using Cais.BuildKit;
using Cais.BuildKit.History;
using Cais.BuildKit.Sessions;
using Cais.Daemon.Http;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Engine.Logging;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>BuildKit's two doors in the Engine API: connections that turn from HTTP/1 into HTTP/2, with the daemon as server (<c>/grpc</c>) or as client (<c>/session</c>).</summary>
internal sealed class BuildKitEndpoints(BuildKitServer server)
{
    private const string Protocol = "h2c";

    public static BuildKitServer Open(CaisEngine engine, EngineOptions options, ApiApplication application, EngineLog log) => new(
        engine,
        Path.Combine(options.Root, "buildkit"),
        Path.Combine(options.RunDirectory, "buildkit"),
        SystemEndpoints.DaemonId(options.Root),
        Platforms,
        new HistoryLimits(options.BuildHistoryAge ?? HistoryLimits.Default.MaxAge, options.BuildHistoryEntries ?? HistoryLimits.Default.MaxEntries),
        application.ProcessRequestAsync,
        (path, e) => log.Error("call failed", ("method", path), ("error", Errors.Detail(e))),
        TimeProvider.System);

    /// <summary>This machine's, and those that the kernel has an interpreter for.</summary>
    private static IReadOnlyList<Platform> Platforms()
    {
        string[] others = ["linux/amd64", "linux/386", "linux/arm64", "linux/arm/v7", "linux/arm/v6", "linux/ppc64le", "linux/s390x", "linux/riscv64"];
        return [Platform.Current, .. others.Select(Platform.Parse).Where(p => p != Platform.Current && Emulation.CanRun(p))];
    }

    public void Map(Router router)
    {
        router.Map("POST", "/grpc", Grpc);
        router.Map("POST", "/session", Session);
    }

    private async Task Grpc(ApiRequest request)
    {
        CheckUpgrade(request);
        await server.ServeAsync(await request.Hijack("application/grpc", Protocol), request.Gone);
    }

    private async Task Session(ApiRequest request)
    {
        CheckUpgrade(request);
        var headers = SessionHeaders.Read(name => request.Http.Request.Headers.TryGetValue(name, out var values) ? [.. values.OfType<string>()] : []);
        if (string.IsNullOrEmpty(headers.Id))
        {
            throw EngineException.InvalidParameter("a session needs an id: X-Docker-Expose-Session-Uuid is missing");
        }

        await server.ServeSessionAsync(new DuplexPipeStream(await request.Hijack("application/vnd.docker.raw-stream", Protocol)), headers, request.Gone);
    }

    private static void CheckUpgrade(ApiRequest request)
    {
        var asked = request.Http.Request.Headers.Upgrade;
        if (asked.Count == 0)
        {
            throw EngineException.InvalidParameter("no upgrade proto in request");
        }

        if (asked != Protocol)
        {
            throw EngineException.InvalidParameter($"protocol {asked} not supported");
        }
    }
}
