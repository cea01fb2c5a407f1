using System.IO.Pipelines;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Control;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Gateway;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.History;
using Cais.BuildKit.Operations;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Oci.Images;
using Microsoft.AspNetCore.Http;

namespace Cais.BuildKit;

/// <summary>
/// BuildKit's API over the engine's build service, for clients that speak it: buildx, compose, buildctl. Whoever accepts connections hands them to it. Nothing of it is made
/// before the first one.
/// </summary>
public sealed class BuildKitServer : IAsyncDisposable
{
    /// <summary>How long a build may take to appear that a client speaks of already.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly SessionRegistry _sessions = new();
    private readonly Lazy<(GrpcServer Server, JobRegistry Jobs)> _parts;

    /// <param name="root">Where clients' files are kept.</param>
    /// <param name="runDirectory">For sockets.</param>
    /// <param name="id">Tells this builder from others.</param>
    /// <param name="platforms">What programs can be run for, this machine first.</param>
    /// <param name="history">How much of past builds is kept.</param>
    /// <param name="otherwise">Answers requests on BuildKit's connections that are not for it.</param>
    /// <param name="failed">Hears of failures that are nobody's fault but ours.</param>
    public BuildKitServer(CaisEngine engine, string root, string runDirectory, string id, Func<IReadOnlyList<Platform>> platforms, HistoryLimits history, Func<HttpContext, Task> otherwise, Action<string, Exception> failed, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _parts = new(() => Create(engine, root, runDirectory, id, platforms, history, otherwise, failed, time));
    }

    /// <summary>Serves BuildKit's API on an HTTP/2 connection until it ends.</summary>
    /// <param name="connection">Nothing of it has been read, not even HTTP/2's preface.</param>
    public Task ServeAsync(IDuplexPipe connection, CancellationToken closed) => _parts.Value.Server.ServeAsync(connection, closed);

    /// <summary>Uses a connection as a client's session until it ends: the client is the HTTP/2 server on it. Throws if there is a session of that id already.</summary>
    public async Task ServeSessionAsync(Stream connection, SessionHeaders headers, CancellationToken closed)
    {
        using var session = new Session(connection, headers);
        _sessions.Add(session);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(session.Lost, closed);
        await Task.Delay(Timeout.Infinite, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public async ValueTask DisposeAsync()
    {
        if (_parts.IsValueCreated)
        {
            _parts.Value.Jobs.CancelAll();
            await _parts.Value.Server.DisposeAsync();
        }
    }

    private (GrpcServer Server, JobRegistry Jobs) Create(
        CaisEngine engine, string root, string runDirectory, string id, Func<IReadOnlyList<Platform>> platforms, HistoryLimits limits, Func<HttpContext, Task> otherwise, Action<string, Exception> failed, TimeProvider time)
    {
        var builds = engine.Builds;
        var history = new BuildHistory(engine.Database, Path.Combine(root, "history"), limits, time);
        var jobs = new JobRegistry(history, failed);
        var contexts = new ContextStore(Path.Combine(root, "contexts"));
        var agents = Path.Combine(runDirectory, "agents");
        var inputs = new FrontendInputs(engine, jobs);
        var graphs = new GraphFrontend(builds, _sessions, contexts, inputs, agents);
        var worker = new WorkerDescription(id, platforms);
        var frontends = new Frontends(new DockerfileFrontend(builds, _sessions, contexts, inputs, graphs, agents), graphs, new FrontendImages(engine, worker, failed));
        var server = new GrpcServer(failed, otherwise);
        new ControlService(jobs, history, _sessions, frontends, new BuildOutputs(engine, builds), worker, new CacheInventory(builds, contexts, time), time).Map(server);
        new GatewayService(engine, frontends, worker, call => BuildOfAsync(call, jobs)).Map(server);
        new ContentService(history).Map(server);
        Diagnostics.Map(server);
        return (server, jobs);
    }

    /// <summary>The build that a client's call to the gateway belongs to, by its metadata. It has its session by then.</summary>
    private static async Task<GatewayBuild> BuildOfAsync(GrpcCall call, JobRegistry jobs)
    {
        const string key = "buildkit-controlapi-buildid";
        if (call.Metadata(key) is not { Length: > 0 } id)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, $"no build id: the metadata {key} is missing");
        }

        var job = await jobs.FindAsync(id, Patience, call.Canceled);
        await job.Ready.WaitAsync(call.Canceled);
        return new GatewayBuild(job);
    }
}
