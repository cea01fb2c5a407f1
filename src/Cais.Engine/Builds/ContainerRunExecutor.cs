using System.IO.Pipelines;
using Cais.Build.Solving;
using Cais.Engine.Containers;
using Cais.Engine.Shims;
using Cais.Engine.Specs;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Networking;
using Cais.Oci;
using Cais.Oci.Runtime;
using Containerd.Runc.V1;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Builds;

/// <summary>
/// Runs a build's commands in containers like any other: the same shim, runtime, default capabilities and system call filter, a cgroup and a network
/// namespace of their own. They are in no list and in no database: what a crash leaves of one, the next start removes.
/// </summary>
internal sealed class ContainerRunExecutor(EngineServices services) : IRunExecutor
{
    private static readonly TimeSpan StreamsTimeout = TimeSpan.FromSeconds(2);

    private readonly string _directory = RunScratch.Clear(Path.Combine(services.Options.RunDirectory, "builds"));
    private readonly ContainerNetwork _networks = new(services);

    public async Task<int> RunAsync(RunRequest request, IRunOutput output, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(output);
        cancellation.ThrowIfCancellationRequested();
        var id = RandomId.New();
        var record = RunContainer.RecordOf(request, id);
        var taking = services.Shims.Take();
        var connecting = Task.Run(() => _networks.Create(record, cancellation), CancellationToken.None);
        var ids = UserSpaces.IdsOf(record.HostConfig, services);
        var scratch = new RunScratch(Path.Combine(_directory, id), ids);
        UserSpace? space = null;
        var bundle = Path.Combine(services.Options.BundlesDirectory, id);
        var streams = default(RunStreams);
        var created = false;
        try
        {
            var rootfs = new RootfsMount(id, request.LowerDirectories, request.UpperDirectory, request.WorkDirectory);
            using var points = new MountPoints(request.UpperDirectory);
            Spec spec;
            using (var files = RootFiles.Open(rootfs))
            {
                var user = UserDatabase.Read(files).Resolve(request.User, null);
                var mounts = request.Mounts.Select(scratch.Prepare).ToList();
                var sandbox = await connecting.ConfigureAwait(false);
                _networks.WriteFiles(record, scratch.Path);
                space = UserSpaces.Open(record.HostConfig, sandbox, id, services);
                spec = RunContainer.SpecOf(record, request, mounts, OptionsOf(record, user, sandbox, scratch.Path) with { Ids = space?.Ids, UserNamespace = space?.Path });
                points.Remember(files, spec.Mounts!.Select(m => m.Destination));
            }

            Directory.CreateDirectory(bundle);
            File.WriteAllBytes(Path.Combine(bundle, "config.json"), PlainJson.Bytes(spec, SpecJson.Default.Spec));
            streams = new RunStreams(services.Loop, Path.Combine(services.Options.PipesDirectory, id), request.Input, output, ids?.Root);
            var shim = await taking.ConfigureAwait(false);
            services.Shims.Prepare();

            // Before the call: canceled in the middle of it, nobody would know.
            created = true;
            await shim.Tasks.CreateAsync(CreateRequest(id, bundle, rootfs, ids, streams), cancellation).ConfigureAwait(false);
            var exit = shim.Tasks.WaitAsync(new WaitRequest { Id = id }, CancellationToken.None);
            await shim.Tasks.StartAsync(new StartRequest { Id = id }, cancellation).ConfigureAwait(false);
            var code = (int)(await exit.WaitAsync(cancellation).ConfigureAwait(false)).ExitStatus;
            try
            {
                await streams.Ended.WaitAsync(StreamsTimeout, cancellation).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Somebody outside the container holds its output open.
            }

            await shim.Tasks.DeleteAsync(new DeleteRequest { Id = id }, CancellationToken.None).ConfigureAwait(false);
            created = false;
            return code;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw new IOException(StartErrors.Explain(e).Error.Message, e);
        }
        finally
        {
            await CleanUp(id, taking, connecting, created).ConfigureAwait(false);
            streams?.Dispose();
            space?.Dispose();
            Trees.Delete(bundle);
            scratch.Dispose();
        }
    }

    /// <summary>Kills what may still run, and gives back shim and network. A failure here must not hide what the command's outcome was.</summary>
    private async Task CleanUp(string id, Task<Shim> taking, Task<Sandbox?> connecting, bool created)
    {
        try
        {
            await ((Task)taking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (taking.IsCompletedSuccessfully)
            {
                var shim = taking.Result;
                if (created)
                {
                    await ShimTasks.KillAndDelete(shim, id).ConfigureAwait(false);
                }

                await ShimLauncher.Release(shim, id).ConfigureAwait(false);
            }

            await ((Task)connecting).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _networks.Destroy(id).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or NetworkException or Linux.LinuxException)
        {
            services.Log.Error("cleaning up after a build step failed", ("container", id), ("error", e.Message));
        }
    }

    private SpecOptions OptionsOf(ContainerRecord record, ProcessUser user, Sandbox? sandbox, string directory) => new()
    {
        Host = services.Host,
        User = user,
        Directory = directory,
        NetworkNamespace = _networks.NamespacePath(record, sandbox),
        Hostname = _networks.HostnameOf(record),
        Find = services.Containers.Get,
        CgroupParent = services.Options.CgroupParent,
        Seccomp = services.Seccomp,
        ShmSize = services.Options.DefaultShmSize,
        NoNewPrivileges = services.Options.NoNewPrivileges,
        DefaultUlimits = services.Options.DefaultUlimits,
    };

    private CreateTaskRequest CreateRequest(string id, string bundle, RootfsMount rootfs, MappedIds? ids, RunStreams streams)
    {
        var request = new CreateTaskRequest { Id = id, Bundle = bundle, Stdin = streams.StdinPath ?? "", Stdout = streams.StdoutPath, Stderr = streams.StderrPath };
        var mount = new Containerd.Types.Mount { Type = "overlay", Source = "overlay" };
        mount.Options.Add("lowerdir=" + string.Join(':', rootfs.LowerDirs));
        mount.Options.Add("upperdir=" + rootfs.UpperDir);
        mount.Options.Add("workdir=" + rootfs.WorkDir);
        mount.Options.Add(ids?.Map.ToMountOptions() ?? []);
        request.Rootfs.Add(mount);
        var options = new Options { Root = Path.Combine(services.Options.RunDirectory, "runtimes", RuntimeChoice.BuiltIn) };
        request.Options = new Any { TypeUrl = Options.Descriptor.FullName, Value = options.ToByteString() };
        return request;
    }

    /// <summary>A command's two outputs, read as they come, and its input.</summary>
    private sealed class RunStreams : IDisposable
    {
        private readonly DescriptorWriter? _stdin;
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly List<DescriptorReader> _readers = [];
        private int _open = 2;

        public RunStreams(EventLoop loop, string prefix, PipeReader? input, IRunOutput output, (uint User, uint Group)? owner)
        {
            if (input is not null)
            {
                StdinPath = prefix + "-stdin";
                Fifo.Create(StdinPath, owner: owner);

                // Open for reading too, so that it can be opened before anybody reads.
                _stdin = new DescriptorWriter(loop, Fifo.OpenBoth(StdinPath));
                _ = FeedAsync(input, _stdin);
            }

            (StdoutPath, StderrPath) = (prefix + "-stdout", prefix + "-stderr");
            foreach (var path in (ReadOnlySpan<string>)[StdoutPath, StderrPath])
            {
                var isError = path == StderrPath;
                Fifo.Create(path, owner: owner);
                _readers.Add(DescriptorReader.Start(
                    loop,
                    Fifo.OpenRead(path),
                    data =>
                    {
                        output.Write(isError, data);
                        return true;
                    },
                    _ =>
                    {
                        if (Interlocked.Decrement(ref _open) == 0)
                        {
                            _ended.TrySetResult();
                        }
                    }));
            }
        }

        public string? StdinPath { get; }

        public string StdoutPath { get; }

        public string StderrPath { get; }

        public Task Ended => _ended.Task;

        public void Dispose()
        {
            _stdin?.Dispose();
            _readers.ForEach(r => r.Dispose());
            File.Delete(StdoutPath);
            File.Delete(StderrPath);
            if (StdinPath is not null)
            {
                File.Delete(StdinPath);
            }
        }

        private static async Task FeedAsync(PipeReader input, DescriptorWriter stdin)
        {
            try
            {
                while (await input.ReadAsync().ConfigureAwait(false) is { IsCanceled: false, Buffer: var buffer } read)
                {
                    foreach (var part in buffer)
                    {
                        await stdin.WriteAsync(part).ConfigureAwait(false);
                    }

                    input.AdvanceTo(buffer.End);
                    if (read.IsCompleted)
                    {
                        break;
                    }
                }

                stdin.Complete();
            }
            catch (Exception e) when (e is Linux.LinuxException or IOException or ObjectDisposedException or InvalidOperationException)
            {
                // The command has ended, and does not listen any more.
            }

            await input.CompleteAsync().ConfigureAwait(false);
        }
    }
}
