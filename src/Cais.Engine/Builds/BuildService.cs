using System.Collections.Concurrent;
using Cais.Build.Cache;
using Cais.Build.Graph;
using Cais.Build.Language;
using Cais.Build.Planning;
using Cais.Build.Solving;
using Cais.Images.Building;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Engine.Builds;

/// <summary>
/// Builds, whichever door they come in by: <see cref="SolveAsync(BuildRequest, IBuildClient, IBuildProgress, CancellationToken)"/> makes a result, and <see cref="Exporter"/> sends it wherever it shall go. Safe to use from
/// any thread; builds at the same time share the cache.
/// </summary>
public sealed class BuildService : IDisposable
{
    private static readonly TimeSpan CollectDelay = TimeSpan.FromSeconds(15);

    private readonly EngineServices _services;
    private int _collecting;
    private readonly ContainerRunExecutor _executor;
    private readonly Lazy<HttpClient> _http;
    private readonly ConcurrentDictionary<string, CancellationTokenSource> _running = new();

    internal BuildService(EngineServices services, Database database)
    {
        _services = services;
        Cache = BuildCache.Open(Path.Combine(services.Options.Root, "build"), database, services.Time, services.Images.Building.Release);
        Exporter = new BuildExporter(services, Cache);
        Contexts = new ContextFolders(Path.Combine(services.Options.Root, "build", "contexts"));
        Synced = new SyncedContexts(Path.Combine(services.Options.Root, "build", "synced"), Contexts);
        _executor = new ContainerRunExecutor(services);
        _http = new(() => new HttpClient(new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.FromMinutes(5) })
        {
            Timeout = Timeout.InfiniteTimeSpan,
            DefaultRequestHeaders = { { "User-Agent", services.Images.Options.UserAgent } },
        });
    }

    /// <summary>What builds left behind for builds to come.</summary>
    public BuildCache Cache { get; }

    /// <summary>Files that clients send.</summary>
    public ContextFolders Contexts { get; }

    /// <summary>Files of which clients send only what has changed.</summary>
    public SyncedContexts Synced { get; }

    /// <summary>Files that are at an address.</summary>
    public RemoteContext Remotes => new(Contexts, Cache.Git, _http);

    /// <summary>Brings results to where they are wanted.</summary>
    public BuildExporter Exporter { get; }

    /// <summary>
    /// Plans and does everything that the request's target needs. Throws <see cref="DockerfileException"/>, <see cref="StepFailedException"/>,
    /// <see cref="Images.ImageException"/> or <see cref="EngineException"/>; nothing of the build goes on when this returns or throws.
    /// </summary>
    public Task<BuildResult> SolveAsync(BuildRequest request, IBuildClient client, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        var file = Dockerfile.Parse(request.Dockerfile ?? throw new ArgumentException("there is no Dockerfile", nameof(request)));
        return SolveAsync(
            request, (platform, images) => BuildPlanner.PlanAsync(file, request.Options with { Platform = platform }, images, cancellation), client, progress, cancellation);
    }

    /// <summary>Does everything that a plan of the caller's needs, one for each platform, as <see cref="SolveAsync(BuildRequest, IBuildClient, IBuildProgress, CancellationToken)"/> does.</summary>
    public async Task<BuildResult> SolveAsync(
        BuildRequest request, Func<Platform, IBaseImages, Task<BuildPlan>> plan, IBuildClient client, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(progress);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        if (request.Id is { } id && !_running.TryAdd(id, stop))
        {
            throw EngineException.Conflict($"a build with the id {id} is running already");
        }

        var images = new BaseImages(_services.Images, client, progress, request.Pull);
        try
        {
            return await PlanAndSolveAsync(request, plan, client, images, progress, stop.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            images.Dispose();
            throw new EngineException(ErrorKind.System, "build canceled");
        }
        catch
        {
            images.Dispose();
            throw;
        }
        finally
        {
            if (request.Id is not null)
            {
                _running.TryRemove(request.Id, out _);
            }
        }
    }

    /// <summary>Plans only, for the build checks.</summary>
    public async Task<BuildPlan> PlanAsync(BuildRequest request, IBuildClient client, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        using var images = new BaseImages(_services.Images, client, progress, request.Pull);
        return await BuildPlanner.PlanAsync(
            Dockerfile.Parse(request.Dockerfile ?? throw new ArgumentException("there is no Dockerfile", nameof(request))), request.Options with { Platform = request.Platforms[0] }, images, cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Runs a frontend's image to its end, and gives its exit code. What it writes to its file system is thrown away. Throws <see cref="Images.ImageException"/> if there is no such image,
    /// or an <see cref="IOException"/> if it cannot be started.
    /// </summary>
    public async Task<int> RunFrontendAsync(FrontendRun run, IBuildClient client, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(run);
        using var images = new BaseImages(_services.Images, client, progress, pull: false);
        var image = await images.ResolveAsync(run.Image, Platform.Current, cancellation).ConfigureAwait(false);
        var layers = await images.OpenAsync(image.Identity, cancellation).ConfigureAwait(false);
        using var written = Cache.Begin();
        var config = image.Config.Config ?? new ContainerDefaults();
        IReadOnlyList<string> command = [.. config.Entrypoint ?? [], .. config.Cmd ?? []];
        return await _executor.RunAsync(
            new RunRequest
            {
                Id = "frontend-" + written.Id,
                LowerDirectories = [.. layers.Reverse().Distinct()],
                UpperDirectory = written.UpperDirectory,
                WorkDirectory = written.WorkDirectory,
                Arguments = command.Count > 0 ? command : ["/run"],
                Environment = [.. config.Env ?? [], .. run.Environment],
                WorkingDirectory = string.IsNullOrEmpty(config.WorkingDir) ? "/" : config.WorkingDir,
                User = config.User ?? "",
                Network = config.Labels?.ContainsKey("moby.buildkit.frontend.network.none") == true ? RunNetwork.None : RunNetwork.Default,
                Surroundings = RunEnvironment.Default,
                Input = run.Input,
            },
            run.Output,
            cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Sends the result's cache to registries. Caches that go to a directory of the client are the door's to fetch, see <see cref="BuildExporter.WriteCacheAsync"/>;
    /// inline ones go with the image.
    /// </summary>
    public async Task ExportCacheAsync(BuildResult result, IEnumerable<CacheExchange> targets, IBuildClient client, IBuildProgress progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(targets);
        foreach (var target in targets.Where(t => t.Type == "registry"))
        {
            var name = Reference.Parse(target.Attributes["ref"]).WithDefaultTag();
            var activity = new ActivityStep($"exporting cache to registry {name}");
            progress.Started(activity);
            try
            {
                await Exporter.StoreCacheAsync(result, target, name, cancellation).ConfigureAwait(false);
                var credentials = await client.FindCredentialsAsync(name.Domain, cancellation).ConfigureAwait(false);
                await _services.Images.PushAsync(name, new Images.PushOptions { Credentials = credentials }, new Progress<Images.ImageProgress>(), cancellation).ConfigureAwait(false);
                progress.Completed(activity, wasCached: false, null);
            }
            catch (Exception e)
            {
                progress.Completed(activity, wasCached: false, e);
                if (!target.IgnoresErrors || e is OperationCanceledException)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Removes what the options say of what no build is using.</summary>
    public IReadOnlyList<CacheUsage> Prune(PruneOptions options)
    {
        var removed = Cache.Prune(options);
        _services.Events.Publish("builder", "prune", "", new Dictionary<string, string>
        {
            ["reclaimed"] = removed.Sum(r => r.Size).ToString(System.Globalization.CultureInfo.InvariantCulture),
        });
        return removed;
    }

    /// <summary>Stops a running build. Does nothing if there is none of that id.</summary>
    public void Cancel(string id)
    {
        if (_running.TryGetValue(id, out var stop))
        {
            try
            {
                stop.Cancel();
            }
            catch (ObjectDisposedException)
            {
                // It has just ended.
            }
        }
    }

    public void Dispose()
    {
        if (_http.IsValueCreated)
        {
            _http.Value.Dispose();
        }
    }

    /// <summary>After a build, when nobody waits: keeps the cache within its bounds, and puts it on the disk.</summary>
    private void CollectLater()
    {
        if (Interlocked.Exchange(ref _collecting, 1) == 0)
        {
            _ = Task.Run(async () =>
            {
                try
                {
                    await Task.Delay(CollectDelay, _services.Time).ConfigureAwait(false);
                    Volatile.Write(ref _collecting, 0);
                    Cache.Collect(_services.Options.BuilderGc);
                    await Cache.SyncAsync().ConfigureAwait(false);
                }
                catch (Exception e) when (e is ObjectDisposedException or IOException or Linux.LinuxException or InvalidOperationException)
                {
                    _services.Log.Warn("collecting the build cache failed", ("error", e.Message));
                }
            });
        }
    }

    private async Task<BuildResult> PlanAndSolveAsync(
        BuildRequest request,
        Func<Platform, IBaseImages, Task<BuildPlan>> planner,
        IBuildClient client,
        BaseImages images,
        IBuildProgress progress,
        CancellationToken cancellation)
    {
        var plans = new List<BuildPlan>();
        foreach (var platform in request.Platforms)
        {
            var plan = await planner(platform, images).ConfigureAwait(false);
            Entitlements.Check(request, plan);
            request.Planned?.Invoke(plan);
            plans.Add(plan);
        }

        var inputs = new BuildInputs(client, images);
        var imported = request.CacheFrom.Count > 0 ? new ImportedCache(_services.Images, client, progress) : null;
        var solver = new Solver(Cache, inputs, new StepRunner(Cache, inputs, _executor, _http.Value), progress, imported);
        try
        {
            if (imported is not null)
            {
                await imported.LoadAsync(request.CacheFrom, cancellation).ConfigureAwait(false);
            }

            var results = await solver.SolveAsync([.. plans.Select(p => p.Result)], cancellation).ConfigureAwait(false);
            CollectLater();
            IReadOnlyList<HeldImage> held = [.. images.Held, .. imported?.Held ?? []];
            return new BuildResult(
                request,
                [.. plans.Select((plan, i) => new PlatformResult(request.Platforms[i], plan, results[i], held, solver))],
                imported is null ? [solver, images] : [solver, images, imported]);
        }
        catch
        {
            solver.Dispose();
            imported?.Dispose();
            throw;
        }
    }

    /// <summary>The client's files and secrets, and the engine's images.</summary>
    private sealed class BuildInputs(IBuildClient client, BaseImages images) : IBuildInputs
    {
        public Task<ContextDirectory> OpenContextAsync(string name, CancellationToken cancellation) => client.OpenContextAsync(name, cancellation);

        public Task<IReadOnlyList<string>> OpenImageAsync(ImageIdentity image, CancellationToken cancellation) => images.OpenAsync(image, cancellation);

        public Task<ReadOnlyMemory<byte>?> FindSecretAsync(string id, CancellationToken cancellation) => client.FindSecretAsync(id, cancellation);

        public Task<string?> FindAgentAsync(string id, CancellationToken cancellation) => client.FindAgentAsync(id, cancellation);
    }
}
