using System.IO.Pipelines;
using Cais.BuildKit.Builds;
using Cais.BuildKit.Control;
using Cais.BuildKit.Files;
using Cais.BuildKit.Frontend;
using Cais.BuildKit.Gateway;
using Cais.BuildKit.Grpc;
using Cais.BuildKit.Sessions;
using Cais.Engine;
using Cais.Engine.Builds;
using Cais.Oci.Images;
using Microsoft.AspNetCore.Http;

namespace Cais.BuildKit;

/// <summary>
/// BuildKit's API over the engine's build service, for clients that speak it: buildx, compose, buildctl. Whoever accepts connections hands them to it. Nothing of it is made
/// before the first one.
/// </summary>
public sealed class BuildKitServer : IAsyncDisposable
{
    private readonly SessionRegistry _sessions = new();
    private readonly JobRegistry _jobs = new();
    private readonly Lazy<GrpcServer> _server;

    /// <param name="root">Where clients' files are kept.</param>
    /// <param name="runDirectory">For sockets.</param>
    /// <param name="id">Tells this builder from others.</param>
    /// <param name="platforms">What programs can be run for, this machine first.</param>
    /// <param name="otherwise">Answers requests on BuildKit's connections that are not for it.</param>
    /// <param name="failed">Hears of failures that are nobody's fault but ours.</param>
    public BuildKitServer(CaisEngine engine, string root, string runDirectory, string id, Func<IReadOnlyList<Platform>> platforms, Func<HttpContext, Task> otherwise, Action<string, Exception> failed, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(engine);
        _server = new Lazy<GrpcServer>(() => Create(engine, root, runDirectory, id, platforms, otherwise, failed, time));
    }

    /// <summary>Serves BuildKit's API on an HTTP/2 connection until it ends.</summary>
    /// <param name="connection">Nothing of it has been read, not even HTTP/2's preface.</param>
    public Task ServeAsync(IDuplexPipe connection, CancellationToken closed) => _server.Value.ServeAsync(connection, closed);

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
        _jobs.CancelAll();
        if (_server.IsValueCreated)
        {
            await _server.Value.DisposeAsync();
        }
    }

    private GrpcServer Create(CaisEngine engine, string root, string runDirectory, string id, Func<IReadOnlyList<Platform>> platforms, Func<HttpContext, Task> otherwise, Action<string, Exception> failed, TimeProvider time)
    {
        var builds = engine.Builds;
        var contexts = new ContextStore(Path.Combine(root, "contexts"));
        var frontend = new DockerfileFrontend(builds, _sessions, contexts, new FrontendInputs(engine, _jobs), Path.Combine(runDirectory, "agents"));
        var worker = new WorkerDescription(id, platforms);
        var server = new GrpcServer(failed, otherwise);
        new ControlService(_jobs, _sessions, frontend, new BuildOutputs(engine, builds), worker, new CacheInventory(builds, contexts, time), time).Map(server);
        new GatewayService(engine, _jobs, frontend, worker).Map(server);
        Diagnostics.Map(server);
        return server;
    }
}
