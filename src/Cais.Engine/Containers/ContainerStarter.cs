using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Shims;
using Cais.Engine.Specs;
using Cais.Engine.Volumes;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Status;
using Cais.Networking;
using Cais.Oci;
using Cais.Oci.Runtime;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Engine.Containers;

/// <summary>Turns a container into a process: what is slow is done at once, and what was done is undone when a part fails.</summary>
internal sealed class ContainerStarter(EngineServices services, ContainerNetwork networks, ContainerLinks links, HostMounts hostMounts)
{
    private readonly UserCache _users = new();

    /// <summary>Starts it. The caller holds its gate and has checked that it may be started.</summary>
    /// <param name="container">What to start.</param>
    /// <param name="checkpoint">A directory with its processes as they once were, to go on from there.</param>
    /// <exception cref="EngineException">It could not; nothing is left of the attempt.</exception>
    public async Task<RunningTask> Start(Container container, string? checkpoint = null)
    {
        var record = container.Record;
        var trace = new PhaseTrace("container start", services.Log, services.Options.Trace);
        var runtime = RuntimeResolver.Resolve(record.Runtime, services.Options)
            ?? throw EngineException.InvalidParameter($"unknown or invalid runtime name: {record.Runtime}");
        links.CheckStart(record);
        UserSpaces.Check(record.HostConfig, services.Ids is not null);
        var ids = UserSpaces.IdsOf(record.HostConfig, services);
        if (ids is not null && runtime.Shim is not null)
        {
            throw EngineException.InvalidParameter(
                $"runtime {record.Runtime} has a shim of its own, which cannot give a container's files the ids of a user namespace: use --userns=host");
        }

        var bundle = Path.Combine(services.Options.BundlesDirectory, record.Id);
        Directory.CreateDirectory(bundle);
        if (ids is not null)
        {
            // For runtimes that let the container's root go to its files by itself.
            PathAttributes.ChangeOwner(bundle, 0, ids.Root.Group);
            PathAttributes.ChangeMode(bundle, 0b111_001_000);
        }

        var taking = runtime.Shim is null ? services.Shims.Take() : null;
        var connecting = Task.Run(() => networks.Begin(record));
        ProcessStreams? streams = null;
        ContainerLog? log = null;
        var created = false;
        try
        {
            var rootfs = container.Rootfs ??= await Rootfs(record).ConfigureAwait(false);
            var user = _users.Resolve(record, rootfs);
            using var mounts = await PreparedMounts.Make(record, services.Volumes, services.Options.SubpathsDirectory, ids, CancellationToken.None).ConfigureAwait(false);
            var sources = hostMounts.Prepare(mounts.Record, ids);
            var edits = services.Cdi.EditsOf(record.HostConfig.DeviceRequests);
            var directory = Path.Combine(services.Options.ContainersDirectory, record.Id);
            log = services.Logs.Open(record);
            container.Output.Restart();
            streams = ProcessStreams.Create(
                services.Loop, PipePrefix(record.Id), container.Output, log, record.Config.OpenStdin == true, record.Config.Tty == true, ids?.Root);
            trace.Mark("files");

            var network = await connecting.ConfigureAwait(false);
            networks.WriteFiles(record, directory);
            trace.Mark("network");

            using var space = UserSpaces.Open(record.HostConfig, network?.Sandbox, record.Id, services);
            var spec = SpecGenerator.Generate(mounts.Record, SpecOptionsOf(record, user, network?.Sandbox, directory) with
            {
                Ids = space?.Ids,
                UserNamespace = space?.Path,
                Sources = sources,
                SharedMemoryPath = hostMounts.SharedMemoryOf(record),
                Edits = edits,
            });
            File.WriteAllBytes(Path.Combine(bundle, "config.json"), PlainJson.Bytes(spec, SpecJson.Default.Spec));
            trace.Mark("spec");

            // Another's shim reads its bundle when it starts.
            taking ??= services.Shims.Start(runtime.Shim!, record.Id, bundle);
            var shim = await taking.ConfigureAwait(false);
            services.Containers.Update(container, container.Status with { ShimSocket = shim.Socket, ShimService = shim.Service == TaskClient.V2 ? null : shim.Service });
            trace.Mark("shim");

            // The container is made while the kernel still connects its network; hooks and others' runtimes may look at it earlier than its program.
            var built = network?.Built ?? Task.CompletedTask;
            if (spec.Hooks is not null || runtime.Shim is not null || runtime.Program is not null)
            {
                await built.ConfigureAwait(false);
            }

            await shim.Tasks.CreateAsync(CreateRequest(record, runtime, bundle, rootfs, ids, streams, checkpoint)).ConfigureAwait(false);
            created = true;
            trace.Mark("create");
            await built.ConfigureAwait(false);
            trace.Mark("connected");
            var started = await shim.Tasks.StartAsync(new StartRequest { Id = record.Id }).ConfigureAwait(false);
            trace.Mark("start");
            services.Containers.Update(container, container.Status with
            {
                Phase = Phase.Running,
                Pid = (int)started.Pid,
                ExitCode = 0,
                Error = "",
                OomKilled = false,
                StartedAt = services.Time.GetUtcNow(),
                FinishedAt = container.Status.FinishedAt,
                Health = null,
            });
            links.Begun(record);
            trace.Mark("record");
            trace.Done();
            services.Shims.Prepare();
            return new RunningTask(shim, streams, log);
        }
        catch (Exception e)
        {
            var cause = taking is { IsCompletedSuccessfully: true } ? await taking.Result.Explain(e).ConfigureAwait(false) : e;
            await Undo(container, taking, connecting, created).ConfigureAwait(false);
            streams?.Dispose();
            log?.Dispose();
            container.Output.Complete();
            var (exitCode, error) = StartErrors.Explain(cause);
            services.Containers.Update(container, container.Status with
            {
                Phase = container.Status.Phase == Phase.Created ? Phase.Created : Phase.Exited,
                Pid = 0,
                ExitCode = exitCode,
                Error = error.Message,
                ShimSocket = null,
                FinishedAt = container.Status.FinishedAt,
            });
            throw error;
        }
    }

    /// <summary>Takes up a process that runs since before this engine: its pipes and its log.</summary>
    public async Task<RunningTask> Adopt(Container container, Shim shim)
    {
        var record = container.Record;
        var log = services.Logs.Open(record);
        container.Output.Restart();
        var lastLogged = DateTimeOffset.MinValue;
        if (log?.Files is not null)
        {
            await foreach (var (entry, _) in services.Logs.Read(record, null, new LogQuery { Stdout = true, Stderr = true, Tail = 1 }, CancellationToken.None)
                .ConfigureAwait(false))
            {
                lastLogged = entry.Time;
            }
        }

        var streams = ProcessStreams.Reopen(
            services.Loop, PipePrefix(record.Id), container.Output, log, record.Config.OpenStdin == true, record.Config.Tty == true, lastLogged);
        return new RunningTask(shim, streams, log);
    }

    /// <summary>Removes what a run leaves in the run directory and gives back volumes and network. Safe to repeat.</summary>
    public async Task CleanUp(ContainerRecord record)
    {
        await networks.Destroy(record.Id).ConfigureAwait(false);
        hostMounts.Release(record.Id);
        Trees.Delete(Path.Combine(services.Options.BundlesDirectory, record.Id));
        foreach (var mount in record.Mounts.Where(m => m.Type == "volume" && m.Name is not null))
        {
            await services.Volumes.Unmount(mount.Name!, record.Id).ConfigureAwait(false);
        }
    }

    /// <summary>What specs of processes in this container depend on.</summary>
    public SpecOptions SpecOptionsOf(ContainerRecord record, ProcessUser user, Sandbox? sandbox, string directory) => new()
    {
        Host = services.Host,
        User = user,
        Directory = directory,
        NetworkNamespace = networks.NamespacePath(record, sandbox),
        Hostname = networks.HostnameOf(record),
        LinkEnvironment = record.Links.Count > 0 ? links.Environment(record) : [],
        Find = services.Containers.Get,
        CgroupParent = services.Options.CgroupParent,
        Seccomp = services.Seccomp,
        ShmSize = services.Options.DefaultShmSize,
        NoNewPrivileges = services.Options.NoNewPrivileges,
        DefaultUlimits = services.Options.DefaultUlimits,
        InitPath = record.HostConfig.Init ?? services.Options.Init ? services.Options.InitPath ?? Programs.Find("cais-init") : null,
    };

    /// <summary>As whom a command in a running container runs.</summary>
    public ProcessUser UserOf(Container container, string? user) => (container.Rootfs ?? services.Images.Snapshots.Find(container.Id)) is { } rootfs
        ? _users.Resolve(container.Record, rootfs, user)
        : new UserDatabase([], []).Resolve(user, null);

    public string PipePrefix(string id) => Path.Combine(services.Options.PipesDirectory, id);

    private CreateTaskRequest CreateRequest(
        ContainerRecord record, ResolvedRuntime runtime, string bundle, RootfsMount rootfs, MappedIds? ids, ProcessStreams streams, string? checkpoint)
    {
        var request = new CreateTaskRequest
        {
            Id = record.Id,
            Bundle = bundle,
            Terminal = record.Config.Tty == true,
            Stdin = streams.StdinPath,
            Stdout = streams.StdoutPath,
            Stderr = streams.StderrPath,
            Checkpoint = checkpoint ?? "",
        };
        var mount = new Containerd.Types.Mount { Type = "overlay", Source = "overlay" };
        mount.Options.Add("lowerdir=" + string.Join(':', rootfs.LowerDirs));
        mount.Options.Add("upperdir=" + rootfs.UpperDir);
        mount.Options.Add("workdir=" + rootfs.WorkDir);
        mount.Options.Add(ids?.Map.ToMountOptions() ?? []);
        request.Rootfs.Add(mount);
        request.Options = ShimOptions.Of(record.Runtime, runtime, services.Options);
        return request;
    }

    /// <summary>Once in the engine's life: a power failure may have taken unpacked layers, which are then unpacked again.</summary>
    private async Task<RootfsMount> Rootfs(ContainerRecord record)
    {
        var rootfs = services.Images.Resolve(record.ImageId) is { } image
            ? await services.Images.Snapshots.PrepareAsync(record.Id, image, CancellationToken.None).ConfigureAwait(false)
            : services.Images.Snapshots.Find(record.Id);
        return rootfs ?? throw EngineException.System($"the file system of container {record.Id} is gone: remove the container and create it again");
    }

    private async Task Undo(Container container, Task<Shim>? taking, Task<SandboxStart?> connecting, bool created)
    {
        try
        {
            if (taking is not null && await Settled(taking).ConfigureAwait(false) is { } shim)
            {
                if (created)
                {
                    await ShimTasks.KillAndDelete(shim, container.Id).ConfigureAwait(false);
                }

                await ShimLauncher.Release(shim, container.Id).ConfigureAwait(false);
            }

            if (await Settled(connecting).ConfigureAwait(false) is { } network)
            {
                await network.Built.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            await CleanUp(container.Record).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or NetworkException or EngineException)
        {
            services.Log.Error("cleaning up after a failed start failed", ("container", container.Id), ("error", e.Message));
        }
    }

    private static async Task<T?> Settled<T>(Task<T> task)
    {
        await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return task.IsCompletedSuccessfully ? task.Result : default;
    }
}
