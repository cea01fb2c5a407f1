using Cais.Engine.Shims;
using Cais.Engine.Volumes;
using Cais.Ttrpc;
using Containerd.Task.V2;
using Containerd.V1.Types;

namespace Cais.Engine.Containers;

/// <summary>
/// What an engine does when it begins: its predecessor may have been killed at any moment. Containers that run are taken up again, and everything else
/// that is found, in the database, the run directory or as a process, is either owned or removed.
/// </summary>
internal sealed class ContainerRecovery(EngineServices services, ContainerLifecycle lifecycle, ContainerStarter starter, ContainerRemover remover, HostMounts mounts)
{
    private readonly Dictionary<Container, Shim> _found = [];

    /// <summary>First half, before networking: which containers still run.</summary>
    public async Task<IReadOnlyCollection<string>> Find()
    {
        var containers = services.Containers.List();
        foreach (var container in containers)
        {
            services.Volumes.Reserve(container.Id, container.Record.Mounts.Where(m => m.Name is not null).Select(m => m.Name!));
        }

        await Task.WhenAll(containers.Where(c => c.Status.ShimSocket is not null).Select(FindShim)).ConfigureAwait(false);
        foreach (var container in _found.Keys)
        {
            services.Volumes.Hold(container.Id, container.Record.Mounts.Where(m => m is { Type: "volume", Name: not null }).Select(m => m.Name!));
        }

        services.Volumes.Recover();
        PreparedMounts.Clear(services.Options.SubpathsDirectory);
        var unknown = Directory.EnumerateDirectories(services.Options.BundlesDirectory).Select(p => Path.GetFileName(p)).Where(id => services.Containers.Find(id) is null).ToList();
        await services.Shims.EndOrphans(_found.Values.Select(s => s.Socket).ToHashSet(), unknown).ConfigureAwait(false);
        return [.. _found.Keys.Select(c => c.Id)];
    }

    /// <summary>
    /// Second half: takes up what runs, puts away what does not, and sees to it that what has to run will. Those starts go on after this has ended: nobody
    /// who asks for something waits for them.
    /// </summary>
    public async Task Recover()
    {
        var start = new List<(Container Container, TimeSpan Delay)>();
        foreach (var container in services.Containers.List())
        {
            using var held = await container.Gate.Enter().ConfigureAwait(false);
            if (_found.TryGetValue(container, out var shim))
            {
                lifecycle.Begin(container, await starter.Adopt(container, shim).ConfigureAwait(false));
                continue;
            }

            var wasWaiting = container.Status.Phase == Phase.Restarting;
            if (container.Status.IsRunning || container.Status.ShimSocket is not null)
            {
                await PutAway(container).ConfigureAwait(false);
            }

            if (container.Record.HostConfig.AutoRemove == true && container.Status.Phase is Phase.Exited or Phase.Dead)
            {
                await remover.RemoveHeld(container, volumes: true).ConfigureAwait(false);
            }
            else if (wasWaiting || RestartPolicyRule.StartsWithDaemon(container.Record.HostConfig.RestartPolicy, container.Status))
            {
                // Who waited for its policy's next try waits for what is left of that time.
                var since = services.Time.GetUtcNow() - (container.Status.FinishedAt ?? DateTimeOffset.MinValue);
                var delay = wasWaiting && since < container.Status.RestartDelay ? container.Status.RestartDelay - since : TimeSpan.Zero;
                services.Containers.Update(container, container.Status with { Phase = Phase.Restarting });
                start.Add((container, delay));
            }
        }

        RemoveStrays();
        var starting = new Dictionary<string, Task>();
        foreach (var (container, delay) in start.OrderBy(s => Needed(s.Container).Count()).ThenBy(s => s.Container.Record.Created))
        {
            // Who lives in another's namespaces begins after that one.
            var needed = Needed(container).Select(n => starting.GetValueOrDefault(n)).OfType<Task>().ToList();
            starting[container.Id] = needed.Count == 0 ? lifecycle.ScheduleRestart(container, delay) : After(needed, container, delay);
        }
    }

    private async Task After(IEnumerable<Task> needed, Container container, TimeSpan delay)
    {
        await Task.WhenAll(needed).ConfigureAwait(false);
        await lifecycle.ScheduleRestart(container, delay).ConfigureAwait(false);
    }

    /// <summary>The containers without which it cannot start.</summary>
    private static IEnumerable<string> Needed(Container container)
    {
        var host = container.Record.HostConfig;
        return new[] { host.NetworkMode, host.IpcMode, host.PidMode }.Select(Specs.Namespaces.ContainerOf).OfType<string>();
    }

    private async Task FindShim(Container container)
    {
        if (await services.Shims.Connect(container.Status.ShimSocket!, container.Status.ShimService).ConfigureAwait(false) is not { } shim)
        {
            return;
        }

        try
        {
            var state = await shim.Tasks.StateAsync(new StateRequest { Id = container.Id }).WaitAsync(TimeSpan.FromSeconds(10)).ConfigureAwait(false);
            var known = container.Status.HasProcess && state.Status is Status.Running or Status.Paused or Status.Stopped;
            if (known || state.Status is Status.Running or Status.Paused)
            {
                // It was started although nobody has written that down yet, or is as written; one that has ended meanwhile ends now for us too.
                services.Containers.Update(container, container.Status with
                {
                    Phase = state.Status == Status.Paused ? Phase.Paused : Phase.Running,
                    Pid = (int)state.Pid,
                    StartedAt = container.Status.HasProcess ? container.Status.StartedAt : services.Time.GetUtcNow(),
                    Error = "",
                });
                lock (_found)
                {
                    _found[container] = shim;
                }

                return;
            }
        }
        catch (Exception e) when (e is TtrpcException or IOException or TimeoutException)
        {
            services.Log.Warn("a container's shim does not know its task", ("container", container.Id), ("error", e.Message));
        }

        await ShimTasks.KillAndDelete(shim, container.Id).ConfigureAwait(false);
        await ShimLauncher.Release(shim, container.Id).ConfigureAwait(false);
    }

    /// <summary>It was said to run, and does not: the machine was restarted, its shim was killed, or the engine while it put an ended process away.</summary>
    private async Task PutAway(Container container)
    {
        if (container.Status.HasProcess)
        {
            await CgroupFiles.Clear(services, container.Record).ConfigureAwait(false);
        }

        await starter.CleanUp(container.Record).ConfigureAwait(false);
        var ran = container.Status.IsRunning;
        var end = container.Status.HasProcess ? container.Status.End ?? new ProcessEnd(255, services.Time.GetUtcNow(), OomKilled: false) : null;
        services.Containers.Update(container, container.Status with
        {
            Phase = ran ? Phase.Exited : container.Status.Phase,
            Pid = 0,
            ExitCode = end?.ExitCode ?? container.Status.ExitCode,
            OomKilled = end?.OomKilled ?? container.Status.OomKilled,
            FinishedAt = end?.At ?? container.Status.FinishedAt,
            End = null,
            ShimSocket = null,
        });
    }

    /// <summary>Directories and pipes that no container owns.</summary>
    private void RemoveStrays()
    {
        foreach (var directory in new[] { services.Options.ContainersDirectory, services.Options.BundlesDirectory })
        {
            foreach (var path in Directory.EnumerateDirectories(directory))
            {
                var container = services.Containers.Find(Path.GetFileName(path));
                if (container is null || (directory == services.Options.BundlesDirectory && !container.Status.IsRunning))
                {
                    Trees.Delete(path);
                }
            }
        }

        foreach (var path in Directory.EnumerateFiles(services.Options.PipesDirectory))
        {
            var name = Path.GetFileName(path);
            if (name.Length < 64 || services.Containers.Find(name[..64]) is not { Status.HasProcess: true } || name.Count(c => c == '-') > 1)
            {
                File.Delete(path);
            }
        }

        mounts.ReleaseStrays(id => services.Containers.Find(id) is { Status.HasProcess: true });
        foreach (var id in services.Images.Snapshots.Containers())
        {
            // Images that are mounted are held under the container's id and a number.
            if (id.Length < 64 || services.Containers.Find(id[..64]) is null)
            {
                services.Images.Snapshots.RemoveAsync(id).GetAwaiter().GetResult();
            }
        }
    }
}
