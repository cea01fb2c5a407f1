using Cais.Api;
using Cais.Engine.Builds;
using Cais.Engine.Containers;
using Cais.Engine.Events;
using Cais.Engine.Execs;
using Cais.Engine.Health;
using Cais.Engine.Io;
using Cais.Engine.Logging;
using Cais.Engine.Logs;
using Cais.Engine.Shims;
using Cais.Engine.Specs;
using Cais.Engine.Volumes;
using Cais.Images;
using Cais.Linux.Io;
using Cais.Networking;
using Cais.Plugins;
using Cais.Storage;

namespace Cais.Engine;

/// <summary>
/// The engine: what containers are to their users. Its parts are reached through it; it owns the database, the loop and the stores beneath them.
/// There is no orderly shutdown that a crash would miss: containers go on without it, and the next engine finds them.
/// </summary>
public sealed class CaisEngine : IAsyncDisposable
{
    private readonly EngineServices _services;
    private readonly Database _database;
    private readonly ContainerCreator _creator;
    private readonly ContainerLifecycle _lifecycle;
    private readonly ContainerDescriber _describer;
    private readonly ContainerLister _lister;
    private readonly ContainerStreams _streams;
    private readonly ContainerUpdater _updater;
    private readonly ContainerStatistics _statistics;
    private readonly ExecService _execs;
    private readonly ContainerNetwork _networks;
    private readonly ContainerLinks _links;
    private readonly ContainerStarter _starter;
    private readonly ContainerRemover _remover;
    private readonly HostMounts _hostMounts;
    private readonly ContainerFiles _files;
    private readonly ContainerCommit _commit;
    private readonly ContainerCheckpoints _checkpoints;

    private CaisEngine(EngineServices services, Database database)
    {
        _services = services;
        _database = database;
        _networks = new ContainerNetwork(services);
        var mounts = new HostMounts(services);
        _links = new ContainerLinks(services);
        _starter = new ContainerStarter(services, _networks, _links, mounts);
        _hostMounts = mounts;
        _remover = new ContainerRemover(services);
        _creator = new ContainerCreator(services, _links);
        _lifecycle = new ContainerLifecycle(services, _starter, _remover);
        _execs = new ExecService(services, _starter);
        _describer = new ContainerDescriber(services, _networks, _links, _execs);
        _lister = new ContainerLister(services, _networks);
        _streams = new ContainerStreams(services);
        _updater = new ContainerUpdater(services);
        _statistics = new ContainerStatistics(services);
        _files = new ContainerFiles(services, _starter);
        _commit = new ContainerCommit(services, _lifecycle);
        _checkpoints = new ContainerCheckpoints(services);
        Builds = new BuildService(services, database);
        var health = new HealthMonitor(services, _execs);
        services.Shims.Events.OutOfMemoryIn = id => _ = Task.Run(() => _lifecycle.OutOfMemory(id));
        _lifecycle.Started = health.Start;
        _lifecycle.Stopped = container =>
        {
            health.Stop(container);
            _execs.ContainerStopped(container);
        };
    }

    public EngineOptions Options => _services.Options;

    public HostFacts Host => _services.Host;

    internal CdiRegistry Cdi => _services.Cdi;

    public EventBus Events => _services.Events;

    public VolumeStore Volumes => _services.Volumes;

    /// <summary>The plugins of this machine, of every kind.</summary>
    public PluginRegistry Plugins => _services.Plugins;

    public ImageStore Images => _services.Images;

    /// <summary>Where libraries above the engine keep tables of their own.</summary>
    public Database Database => _database;

    public HealthCounters HealthChecks => _services.HealthChecks;

    /// <summary>The log drivers that containers may name.</summary>
    public static IReadOnlyList<string> LogDriverNames => LogDrivers.Names;

    /// <summary>Holds a log driver's name and options against what there is. Throws <see cref="EngineException"/> in docker's words.</summary>
    public static void ValidateLogging(string driver, IReadOnlyDictionary<string, string> options) => LogDrivers.Validate(driver, options);

    public NetworkController Networks => _services.Networks;

    public BuildService Builds { get; }

    public TimeProvider Time => _services.Time;

    /// <summary>Opens the engine and makes the world what its database says.</summary>
    public static async Task<CaisEngine> Open(
        EngineOptions options, ImageStoreOptions images, NetworkOptions networks, EngineLog log, TimeProvider time, CancellationToken cancellation)
    {
        foreach (var directory in new[] { options.Root, options.ContainersDirectory, options.RunDirectory, options.BundlesDirectory, options.ShimsDirectory, options.PipesDirectory })
        {
            Directory.CreateDirectory(directory);
        }

        Linux.Status.PathAttributes.ChangeMode(options.Root, 0b111_001_000);

        // Whoever may use the API's socket may pass; what else is in there is nobody's business.
        Linux.Status.PathAttributes.ChangeMode(options.RunDirectory, 0b111_001_001);
        foreach (var directory in new[] { options.BundlesDirectory, options.ShimsDirectory, options.PipesDirectory })
        {
            Linux.Status.PathAttributes.ChangeMode(directory, 0b111_000_000);
        }

        var ids = options.ContainerIds is { } map ? OpenIds(map, options) : null;
        UserSpaces.Clear(options);
        var database = Database.Open(Path.Combine(options.Root, "cais.db"));
        var loop = EventLoop.Start("io", e => log.Error("an I/O callback failed", ("error", e.ToString())));
        var events = new EventBus(time);
        var containers = new ContainerStore(database);
        var host = HostFacts.Read();
        var plugins = new PluginRegistry(PluginFolders.Standard);
        var services = new EngineServices
        {
            Options = options,
            Host = host,
            Log = log,
            Time = time,
            Loop = loop,
            Events = events,
            Containers = containers,
            Volumes = new VolumeStore(Path.Combine(options.Root, "volumes"), database, events, time, plugins),
            Images = ImageStore.Open(options.Root, database, images with
            {
                ContainersUsing = id => [.. containers.List().Where(c => c.Record.ImageId == id.ToString()).Select(c => new ContainerUse(c.Id, c.Status.IsRunning))],
            }),
            Plugins = plugins,
            Networks = NetworkController.Open(database, options.RunDirectory, networks with { ContainerIds = options.ContainerIds }, plugins),
            Ids = ids,
            Shims = new ShimLauncher(loop, options, log),
            Seccomp = new SeccompSource(options.SeccompProfile),
            Cdi = new CdiRegistry(options.CdiDirectories),
            Logs = new ContainerLogs(options.ContainersDirectory, host.Hostname, log, time),
        };
        var engine = new CaisEngine(services, database);
        try
        {
            var recovery = new ContainerRecovery(services, engine._lifecycle, engine._starter, engine._remover, engine._hostMounts);
            var running = await recovery.Find().ConfigureAwait(false);
            await services.Networks.StartAsync(running, cancellation).ConfigureAwait(false);
            await recovery.Recover().ConfigureAwait(false);
            services.Shims.Prepare();
            return engine;
        }
        catch
        {
            await engine.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Tries at once what every start of a container will need.</summary>
    private static Linux.MappedIds OpenIds(Linux.IdMap map, EngineOptions options)
    {
        var ids = Linux.MappedIds.Create(map);
        var place = Path.Combine(options.Root, "userns-probe");
        try
        {
            Trees.Delete(place);
            foreach (var name in (ReadOnlySpan<string>)["lower", "upper", "work"])
            {
                Directory.CreateDirectory(Path.Combine(place, name));
            }

            using var overlay = Linux.Mounts.CreateOverlay([Path.Combine(place, "lower")], Path.Combine(place, "upper"), Path.Combine(place, "work"), ids: ids);
        }
        catch (Linux.LinuxException e)
        {
            ids.Dispose();
            throw EngineException.System(
                $"userns-remap needs a kernel (Linux 6.15 or newer) and a file system below {options.Root} that can show files under other ids: {e.Message}", e);
        }
        finally
        {
            Trees.Delete(place);
        }

        // Other runtimes look for the container's files in its bundle, as a user of its namespace.
        Linux.Status.PathAttributes.ChangeMode(options.BundlesDirectory, 0b111_001_001);
        return ids;
    }

    /// <summary>
    /// Takes over what may change while the engine runs: runtimes, defaults of new containers, labels, debugging, and how registries are used. Everything
    /// else of the new options is passed over.
    /// </summary>
    public void Reload(EngineOptions options, ImageStoreOptions images)
    {
        ArgumentNullException.ThrowIfNull(options);
        _services.Options = _services.Options with
        {
            Runtimes = options.Runtimes,
            DefaultRuntime = options.DefaultRuntime,
            DefaultCgroupNamespaceMode = options.DefaultCgroupNamespaceMode,
            DefaultIpcMode = options.DefaultIpcMode,
            DefaultShmSize = options.DefaultShmSize,
            DefaultStopTimeout = options.DefaultStopTimeout,
            Labels = options.Labels,
            Debug = options.Debug,
            Features = options.Features,
        };
        Images.Reconfigure(images);
    }

    // Containers.

    public async Task<(Container Container, IReadOnlyList<string> Warnings)> Create(CreateContainer request, CancellationToken cancellation) =>
        await _creator.Create(request, cancellation).ConfigureAwait(false);

    public Container Get(string nameOrId) => _services.Containers.Get(nameOrId);

    public IReadOnlyList<Container> List() => _services.Containers.List();

    public IReadOnlyList<Container> List(Filters filters, bool all, int? limit) => _lister.List(filters, all, limit);

    public ContainerSummary Summarize(Container container, bool size) => _describer.Summarize(container, size);

    public ContainerInspectResponse Inspect(Container container, bool size) => _describer.Inspect(container, size);

    public Task Start(Container container) => _lifecycle.Start(container);

    /// <summary>Starts it from a checkpoint.</summary>
    public Task Start(Container container, string checkpoint, string? directory) =>
        _lifecycle.Start(container, _checkpoints.Find(container, checkpoint, directory));

    public Task Stop(Container container, string? signal, int? seconds, CancellationToken cancellation) =>
        _lifecycle.Stop(container, signal, seconds, cancellation);

    public Task Restart(Container container, string? signal, int? seconds, CancellationToken cancellation) =>
        _lifecycle.Restart(container, signal, seconds, cancellation);

    public Task Kill(Container container, string? signal) => _lifecycle.Kill(container, signal);

    public Task Pause(Container container) => _lifecycle.Pause(container);

    public Task Unpause(Container container) => _lifecycle.Unpause(container);

    public Task Remove(Container container, bool force, bool volumes) => _lifecycle.Remove(container, force, volumes);

    /// <summary>Takes away a legacy link, by its name <c>parent/alias</c>; the containers stay.</summary>
    public Task RemoveLink(string name) => _links.Remove(name);

    public Task Rename(Container container, string name) => _updater.Rename(container, name);

    public Task<IReadOnlyList<string>> Update(Container container, ContainerUpdateRequest change) => _updater.Update(container, change);

    public async Task Resize(Container container, uint height, uint width)
    {
        await ContainerStreams.Resize(container, height, width).ConfigureAwait(false);
        _services.Tell(
            container,
            "resize",
            ("height", height.ToString(System.Globalization.CultureInfo.InvariantCulture)),
            ("width", width.ToString(System.Globalization.CultureInfo.InvariantCulture)));
    }

    public Task Attach(Container container, AttachRequest request, System.IO.Pipelines.IDuplexPipe client) => _streams.Attach(container, request, client);

    public IAsyncEnumerable<(LogEntry Entry, string? Attributes)> ReadLogs(Container container, LogQuery query, CancellationToken cancellation) =>
        _streams.ReadLogs(container, query, cancellation);

    public async Task<ContainerTopResponse> Top(Container container, string arguments, CancellationToken cancellation)
    {
        var answer = await ContainerTop.Run(container, arguments, cancellation).ConfigureAwait(false);
        _services.Tell(container, "top");
        return answer;
    }

    public Task<ContainerStatsResponse> Sample(Container container, ContainerStatsResponse? before, CancellationToken cancellation) =>
        _statistics.Sample(container, before, cancellation);

    /// <summary>Removes containers that do not run.</summary>
    public async Task<ContainerPruneResponse> Prune(Filters filters)
    {
        filters.Accept("label", "label!", "until");
        var until = filters.Until(Time);
        var deleted = new List<string>();
        var freed = 0L;
        foreach (var container in List())
        {
            if (container.Status.IsRunning || !filters.LabelsOf(container.Record.Config.Labels) || container.Record.Created > until)
            {
                continue;
            }

            var size = Images.Snapshots.Usage(container.Id);
            try
            {
                await Remove(container, force: false, volumes: false).ConfigureAwait(false);
                deleted.Add(container.Id);
                freed += size;
            }
            catch (EngineException)
            {
                // Started or removed by somebody meanwhile.
            }
        }

        Events.Publish("container", "prune", "", new Dictionary<string, string>
        {
            ["reclaimed"] = freed.ToString(System.Globalization.CultureInfo.InvariantCulture),
        });
        return new ContainerPruneResponse { ContainersDeleted = deleted, SpaceReclaimed = freed };
    }

    // Files in containers.

    public Task<PathStatus> StatPath(Container container, string path) => _files.Stat(container, path);

    public Task GetArchive(Container container, string path, Func<PathStatus, Task<Stream>> begin, CancellationToken cancellation) =>
        _files.Get(container, path, begin, cancellation);

    public Task PutArchive(Container container, string path, Stream tar, bool keepKinds, bool asUser, CancellationToken cancellation) =>
        _files.Put(container, path, tar, keepKinds, asUser, cancellation);

    public Task Export(Container container, Func<Task<Stream>> begin, CancellationToken cancellation) => _files.Export(container, begin, cancellation);

    public IReadOnlyList<FileChange> Changes(Container container) => _files.Changes(container);

    public Task<ImageRecord> Commit(Container container, CommitContainer request, CancellationToken cancellation) => _commit.Run(container, request, cancellation);

    public Task CreateCheckpoint(Container container, string name, string? directory, bool exit, CancellationToken cancellation) =>
        _checkpoints.Create(container, name, directory, exit, cancellation);

    public IReadOnlyList<string> ListCheckpoints(Container container, string? directory) => _checkpoints.List(container, directory);

    public void RemoveCheckpoint(Container container, string name, string? directory) => _checkpoints.Remove(container, name, directory);

    // Commands in containers.

    public Exec CreateExec(Container container, ContainerExecRequest request) => _execs.Create(container, request);

    public Exec GetExec(string id) => _execs.Get(id);

    public static void CheckExecStart(Exec exec) => ExecService.CheckStart(exec);

    public Task StartExec(Exec exec, IReadOnlyList<long>? consoleSize) => _execs.Start(exec, consoleSize);

    public Task AttachExec(Exec exec, System.IO.Pipelines.IDuplexPipe client, IReadOnlyList<byte> detachKeys, IReadOnlyList<long>? consoleSize) =>
        _streams.AttachExec(exec, client, detachKeys, () => _execs.Start(exec, consoleSize));

    public static Task ResizeExec(Exec exec, uint height, uint width) => ExecService.Resize(exec, height, width);

    public static ExecInspectResponse Describe(Exec exec) => ExecService.Describe(exec);

    /// <summary>Reads the keys for leaving a stream, in docker's notation.</summary>
    public static IReadOnlyList<byte> ParseDetachKeys(string? text) => DetachKeys.Parse(text);

    // Networks.

    /// <summary>Puts a container into a network, now if it runs and at every start.</summary>
    public async Task Connect(string network, string containerName, EndpointSettings? settings, CancellationToken cancellation)
    {
        var found = Networks.Get(network);
        var container = Get(containerName);
        using var held = await container.Gate.Enter(cancellation).ConfigureAwait(false);
        if (container.Record.Networks.Keys.Any(n => Networks.Find(n)?.Id == found.Id))
        {
            throw EngineException.Forbidden($"endpoint with name {container.Name} already exists in network {found.Name}");
        }

        if (container.Record.HostConfig.NetworkMode == "host" || found.Driver == "host" || Namespaces.ContainerOf(container.Record.HostConfig.NetworkMode) is not null)
        {
            throw EngineException.Forbidden(found.Driver == "host"
                ? "cannot connect container to host network - container must be created in host network mode"
                : "container sharing network namespace with another container or host cannot be connected to any other network");
        }

        settings ??= new EndpointSettings();
        HostConfigRules.Endpoint(found.Name, settings);
        if (container.Status.HasProcess)
        {
            var files = _networks.FilesOf(container.Record);
            await Networks.ConnectAsync(container.Id, ContainerNetwork.EndpointOf(found.Name, settings), cancellation).ConfigureAwait(false);
            _networks.UpdateFiles(container.Record, Path.Combine(Options.ContainersDirectory, container.Id), files);
        }

        _services.Containers.Update(container, container.Record with { Networks = new Dictionary<string, EndpointSettings>(container.Record.Networks) { [found.Name] = settings } });
        Events.Publish("network", "connect", found.Id, NetworkAttributes(found, container.Id));
    }

    public async Task Disconnect(string network, string containerName, bool force, CancellationToken cancellation)
    {
        var found = Networks.Get(network);
        var container = Get(containerName);
        using var held = await container.Gate.Enter(cancellation).ConfigureAwait(false);
        var name = container.Record.Networks.Keys.FirstOrDefault(n => Networks.Find(n)?.Id == found.Id);
        if (name is null)
        {
            throw EngineException.Forbidden($"container {container.Id} is not connected to the network {found.Name}");
        }

        if (container.Status.HasProcess)
        {
            var files = _networks.FilesOf(container.Record);
            try
            {
                await Networks.DisconnectAsync(container.Id, found.Id, cancellation).ConfigureAwait(false);
            }
            catch (NetworkException) when (force)
            {
            }

            _networks.UpdateFiles(container.Record, Path.Combine(Options.ContainersDirectory, container.Id), files);
        }

        var rest = new Dictionary<string, EndpointSettings>(container.Record.Networks);
        rest.Remove(name);
        _services.Containers.Update(container, container.Record with { Networks = rest });
        Events.Publish("network", "disconnect", found.Id, NetworkAttributes(found, container.Id));
    }

    public static Dictionary<string, string> NetworkAttributes(Network network, string? container = null)
    {
        var attributes = new Dictionary<string, string> { ["name"] = network.Name, ["type"] = network.Driver };
        if (container is not null)
        {
            attributes["container"] = container;
        }

        return attributes;
    }

    /// <summary>Lets go of everything; containers go on.</summary>
    public async ValueTask DisposeAsync()
    {
        _services.Shims.Dispose();
        if (!List().Any(c => c.Status.HasProcess))
        {
            CgroupFiles.RemoveParent(Options.CgroupParent);
        }

        Builds.Dispose();
        await Networks.DisposeAsync().ConfigureAwait(false);
        await Images.DisposeAsync().ConfigureAwait(false);
        _services.Loop.Dispose();
        _services.Plugins.Dispose();
        _services.Ids?.Dispose();

        // Nobody appends any more.
        await _services.Logs.Finish().ConfigureAwait(false);
        await _database.DisposeAsync().ConfigureAwait(false);
    }
}
