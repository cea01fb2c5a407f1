using Cais.Engine.Logging;
using Cais.Linux;
using Cais.Linux.Io;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Engine.Shims;

/// <summary>
/// Starts shims, one for each container. One is kept ready ahead of need, so that a container's start does not wait for a program's: it gets the
/// container's id with the Create call.
/// </summary>
internal sealed class ShimLauncher : IDisposable
{
    private readonly Lock _gate = new();
    private readonly EventLoop _loop;
    private readonly EngineLog _log;
    private readonly string _directory;
    private readonly string _program;
    private readonly ForeignShims _foreign;
    private readonly DescriptorLimit? _limit;
    private Task<Shim>? _spare;
    private bool _disposed;

    public ShimLauncher(EventLoop loop, EngineOptions options, EngineLog log)
    {
        _loop = loop;
        _log = log;
        _directory = options.ShimsDirectory;
        _program = options.ShimPath ?? Programs.Find("containerd-shim-cais-v2");
        _limit = options.ContainerDescriptors;
        Directory.CreateDirectory(_directory);
        Events = new ShimEvents(loop, _directory);
        _foreign = new ForeignShims(loop, Events, options.ContainerDescriptors, log);
    }

    /// <summary>What shims tell without being asked.</summary>
    public ShimEvents Events { get; }

    /// <summary>Another's shim, with the container's bundle.</summary>
    public Task<Shim> Start(string program, string id, string bundle) => _foreign.Start(program, id, bundle);

    /// <summary>A shim for one container: the spare one, or a new one.</summary>
    public async Task<Shim> Take()
    {
        Task<Shim>? spare;
        lock (_gate)
        {
            (spare, _spare) = (_spare, null);
        }

        if (spare is not null)
        {
            try
            {
                var shim = await spare.ConfigureAwait(false);
                if (!shim.Tasks.Connection.Closed.IsCompleted)
                {
                    return shim;
                }

                Forget(shim);
            }
            catch (Exception e) when (e is IOException or TtrpcException or EngineException)
            {
                _log.Warn("the spare shim could not be used", ("error", e.Message));
            }
        }

        return await Start().ConfigureAwait(false);
    }

    /// <summary>Makes sure that the next container finds a shim waiting.</summary>
    public void Prepare()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _spare ??= Task.Run(Start);
            }
        }
    }

    /// <summary>Connects to a shim that was there before this engine was; null when it is gone.</summary>
    public async Task<Shim?> Connect(string socket, string? service = null)
    {
        try
        {
            return new Shim(socket, await ForeignShims.Connect(_loop, socket).ConfigureAwait(false), service ?? TaskClient.V2);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ECONNREFUSED)
        {
            return null;
        }
    }

    /// <summary>Tells a shim that has no task any more to end, and forgets it.</summary>
    public static async Task Release(Shim shim, string id)
    {
        try
        {
            await shim.Tasks.ShutdownAsync(new ShutdownRequest { Id = id, Now = true }).WaitAsync(TimeSpan.FromSeconds(5)).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or TtrpcException or TimeoutException)
        {
            // It answers by going away, or has gone already.
        }

        Forget(shim);
    }

    /// <summary>
    /// Ends the shims of this run directory that no container is known to have: the spare of an engine that was killed, and those of its builds, whose
    /// commands, among <paramref name="ids"/>, are killed.
    /// </summary>
    public async Task EndOrphans(IReadOnlySet<string> owned, IReadOnlyCollection<string> ids)
    {
        foreach (var socket in Directory.EnumerateFiles(_directory, "*.sock"))
        {
            if (owned.Contains(socket))
            {
                continue;
            }

            if (await Connect(socket).ConfigureAwait(false) is { } orphan)
            {
                foreach (var id in ids)
                {
                    await ShimTasks.KillAndDelete(orphan, id).ConfigureAwait(false);
                }

                await Release(orphan, "").ConfigureAwait(false);
            }
            else
            {
                File.Delete(socket);
            }
        }
    }

    /// <summary>Ends the spare; shims of containers go on.</summary>
    public void Dispose()
    {
        Events.Dispose();
        Task<Shim>? spare;
        lock (_gate)
        {
            _disposed = true;
            (spare, _spare) = (_spare, null);
        }

        if (spare is { IsCompletedSuccessfully: true })
        {
            Release(spare.Result, "").GetAwaiter().GetResult();
        }
    }

    private static void Forget(Shim shim)
    {
        shim.Dispose();
        File.Delete(shim.Socket);
    }

    private async Task<Shim> Start()
    {
        var socket = Path.Combine(_directory, RandomId.New()[..20] + ".sock");
        Task<ExitStatus> exit;
        using (var listener = UnixSocket.Listen(socket))
        {
            var child = ChildProcess.Start(new ChildCommand
            {
                Program = _program,
                Arguments = ["-namespace", "cais", "-address", "", "-topics", ShimEvents.OutOfMemory, "serve"],
                WorkingDirectory = _directory,
                Environment = new Dictionary<string, string?> { ["TTRPC_ADDRESS"] = Events.Address },
                Descriptors = [null, null, null, listener],
                NewSession = true,
            });
            exit = Reap(child);

            // It has no container yet: in time for those that it will have. Of one that has ended already the next lines tell.
            _limit?.TryApplyTo(child.Pid);
        }

        try
        {
            return new Shim(socket, await TtrpcClient.ConnectAsync(_loop, socket).ConfigureAwait(false), exit: exit);
        }
        catch (LinuxException e) when (e.Errno == Errno.ECONNREFUSED)
        {
            // The one that had the listening socket is gone.
            File.Delete(socket);
            throw Shim.Died(await exit.ConfigureAwait(false), e);
        }
    }

    private async Task<ExitStatus> Reap(ChildProcess child)
    {
        using (child)
        {
            var status = await child.WaitAsync(_loop).ConfigureAwait(false);
            if (status.ShellCode != 0)
            {
                _log.Warn("a shim ended unexpectedly", ("pid", child.Pid), ("status", status.ShellCode));
            }

            return status;
        }
    }
}
