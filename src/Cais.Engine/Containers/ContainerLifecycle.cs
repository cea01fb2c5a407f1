using System.Globalization;
using Cais.Engine.Shims;
using Cais.Linux;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Engine.Containers;

/// <summary>
/// Everything that changes what a container is doing. One change at a time for each container, held by its gate; waiting for a process to end
/// happens outside of it, so that its end can be recorded meanwhile.
/// </summary>
internal sealed class ContainerLifecycle(EngineServices services, ContainerStarter starter, ContainerRemover remover)
{
    /// <summary>After SIGKILL: the kernel needs moments, a machine under load some more.</summary>
    private static readonly TimeSpan KillTimeout = TimeSpan.FromSeconds(10);

    /// <summary>Told of every process that has begun, for health checks.</summary>
    public Action<Container>? Started { get; set; }

    /// <summary>Told of every process that has ended.</summary>
    public Action<Container>? Stopped { get; set; }

    /// <exception cref="EngineException">NotModified: it runs already. Conflict: paused, or on its way out.</exception>
    public async Task Start(Container container, string? checkpoint = null)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        switch (container.Status.Phase)
        {
            case Phase.Running or Phase.Restarting when container.Status.Phase == Phase.Running:
                throw EngineException.NotModified();
            case Phase.Restarting:
                CancelRestart(container);
                break;
            case Phase.Paused:
                throw EngineException.Conflict("cannot start a paused container, try unpause instead");
            case Phase.Removing or Phase.Dead:
                throw EngineException.Conflict("container is marked for removal and cannot be started");
        }

        services.Containers.Update(container, container.Status with { StoppedByUser = false, RestartCount = 0, RestartDelay = TimeSpan.Zero });
        await StartHeld(container, checkpoint).ConfigureAwait(false);
    }

    /// <summary>Sends the stop signal, and SIGKILL when the time is over.</summary>
    /// <param name="container">What to stop.</param>
    /// <param name="signal">Instead of the container's own stop signal.</param>
    /// <param name="seconds">Instead of the container's own time; negative waits for ever.</param>
    /// <param name="cancellation">The caller waits no longer; the stop goes on.</param>
    /// <exception cref="EngineException">NotModified: it does not run.</exception>
    public async Task Stop(Container container, string? signal, int? seconds, CancellationToken cancellation)
    {
        var number = SignalOf(signal ?? container.Record.Config.StopSignal, Signals.Terminate);
        if (await BeginStop(container).ConfigureAwait(false) is not { } task)
        {
            return;
        }

        services.Tell(container, "kill", ("signal", number.ToString(CultureInfo.InvariantCulture)));
        var patience = seconds ?? (int?)container.Record.Config.StopTimeout ?? services.Options.DefaultStopTimeout;
        if (await TrySignal(container, task, number).ConfigureAwait(false))
        {
            var limit = patience < 0 ? Timeout.InfiniteTimeSpan : TimeSpan.FromSeconds(patience);
            if (!await Ends(task, limit, cancellation).ConfigureAwait(false))
            {
                services.Log.Info("the container did not stop in time and is killed", ("container", container.Id), ("seconds", patience));
                services.Tell(container, "kill", ("signal", "9"));
                await TrySignal(container, task, Signals.Kill).ConfigureAwait(false);
                await EndsOrFails(container, task).ConfigureAwait(false);
            }
        }
        else
        {
            await EndsOrFails(container, task).ConfigureAwait(false);
        }

        services.Tell(container, "stop");
    }

    public async Task Restart(Container container, string? signal, int? seconds, CancellationToken cancellation)
    {
        if (container.Status.IsRunning)
        {
            try
            {
                await Stop(container, signal, seconds, cancellation).ConfigureAwait(false);
            }
            catch (EngineException e) when (e.Kind == ErrorKind.NotModified)
            {
                // Ended by itself meanwhile.
            }
        }

        await Start(container).ConfigureAwait(false);
        services.Tell(container, "restart");
    }

    /// <exception cref="EngineException">Conflict: it does not run. InvalidParameter: no such signal.</exception>
    public async Task Kill(Container container, string? signal)
    {
        var number = SignalOf(signal, Signals.Kill, $"cannot kill container: {container.Name}: ");
        RunningTask task;
        using (await container.Gate.Enter().ConfigureAwait(false))
        {
            if (!container.Status.IsRunning)
            {
                throw EngineException.Conflict($"cannot kill container: {container.Name}: container {container.Id} is not running");
            }

            if (container.Status.Phase == Phase.Restarting)
            {
                CancelRestart(container);
                BecomeExited(container);
                return;
            }

            task = container.Task!;

            // Docker lets any signal end the restart policy of a container without a stop signal of its own, even a SIGHUP that only reloads: here it
            // takes one that is meant to end the process.
            if (number is Signals.Kill or Signals.Terminate || number == SignalOf(container.Record.Config.StopSignal, Signals.Terminate))
            {
                task.StopRequested = true;
                services.Containers.Update(container, container.Status with { StoppedByUser = true });
            }
        }

        services.Tell(container, "kill", ("signal", number.ToString(CultureInfo.InvariantCulture)));
        if (!await TrySignal(container, task, number).ConfigureAwait(false) && number != Signals.Kill)
        {
            throw EngineException.Conflict($"cannot kill container: {container.Name}: container {container.Id} is not running");
        }

        if (number == Signals.Kill)
        {
            await EndsOrFails(container, task).ConfigureAwait(false);
        }
    }

    public async Task Pause(Container container)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        switch (container.Status.Phase)
        {
            case Phase.Paused:
                throw EngineException.Conflict($"Container {container.Id} is already paused");
            case Phase.Restarting:
                throw EngineException.Conflict($"Container {container.Id} is restarting, wait until the container is running");
            case not Phase.Running:
                throw EngineException.Conflict($"container {container.Id} is not running");
        }

        await container.Task!.Shim.Tasks.PauseAsync(new PauseRequest { Id = container.Id }).ConfigureAwait(false);
        services.Containers.Update(container, container.Status with { Phase = Phase.Paused });
        services.Tell(container, "pause");
    }

    public async Task Unpause(Container container)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        if (container.Status.Phase != Phase.Paused)
        {
            throw EngineException.Conflict($"Container {container.Id} is not paused");
        }

        await container.Task!.Shim.Tasks.ResumeAsync(new ResumeRequest { Id = container.Id }).ConfigureAwait(false);
        services.Containers.Update(container, container.Status with { Phase = Phase.Running });
        services.Tell(container, "unpause");
    }

    /// <summary>Removes the container. With <paramref name="force"/> it is killed first if need be.</summary>
    public async Task Remove(Container container, bool force, bool volumes)
    {
        while (true)
        {
            RunningTask? task;
            using (await container.Gate.Enter().ConfigureAwait(false))
            {
                if (services.Containers.Find(container.Id) != container)
                {
                    throw EngineException.NotFound($"No such container: {container.Id}");
                }

                if (container.Status.IsRunning && !force)
                {
                    var what = container.Status.Phase == Phase.Paused ? "paused" : "running";
                    throw EngineException.Conflict(what == "paused"
                        ? $"cannot remove container \"{container.Name}\": container is paused and must be unpaused first"
                        : $"cannot remove container \"{container.Name}\": container is running: stop the container before removing or force remove");
                }

                CancelRestart(container);
                task = container.Task;
                if (task is null)
                {
                    await remover.RemoveHeld(container, volumes).ConfigureAwait(false);
                    return;
                }

                task.StopRequested = true;
                services.Containers.Update(container, container.Status with { StoppedByUser = true });
            }

            services.Tell(container, "kill", ("signal", "9"));
            await TrySignal(container, task, Signals.Kill).ConfigureAwait(false);
            await EndsOrFails(container, task).ConfigureAwait(false);
            if (services.Containers.Find(container.Id) != container)
            {
                // It was to be removed by itself (--rm), and has been.
                return;
            }
        }
    }

    /// <summary>Starts it; the gate is held.</summary>
    internal async Task StartHeld(Container container, string? checkpoint = null)
    {
        try
        {
            var task = await starter.Start(container, checkpoint).ConfigureAwait(false);
            Begin(container, task);
            services.Tell(container, "start");
        }
        catch (EngineException)
        {
            services.Tell(container, "die", ("exitCode", container.Status.ExitCode.ToString(CultureInfo.InvariantCulture)), ("execDuration", "0"));
            if (container.Status.Phase == Phase.Exited)
            {
                container.SignalStopped();
            }

            if (container.Record.HostConfig.AutoRemove == true && container.Status.Phase != Phase.Removing)
            {
                await remover.RemoveHeld(container, volumes: true).ConfigureAwait(false);
            }

            throw;
        }
    }

    /// <summary>Follows a process that runs, new or found again.</summary>
    internal void Begin(Container container, RunningTask task)
    {
        container.Task = task;
        _ = Watch(container, task);
        Started?.Invoke(container);
    }

    /// <summary>The kernel has killed a process of a container, which may go on without it.</summary>
    public async Task OutOfMemory(string id)
    {
        if (services.Containers.Find(id) is not { Task: { } task } container || !task.ShouldTellOutOfMemory())
        {
            return;
        }

        services.Tell(container, "oom");
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        if (container.Task == task && container.Status is { HasProcess: true, OomKilled: false })
        {
            services.Containers.Update(container, container.Status with { OomKilled = true });
        }
    }

    private async Task Watch(Container container, RunningTask task)
    {
        ProcessExit exit;
        try
        {
            var answer = await task.Shim.Tasks.WaitAsync(new WaitRequest { Id = container.Id }).ConfigureAwait(false);
            exit = new ProcessExit((int)answer.ExitStatus, answer.ExitedAt?.ToDateTimeOffset() ?? services.Time.GetUtcNow());
        }
        catch (Exception e) when (e is IOException or TtrpcException)
        {
            // The shim is gone, and with it who could tell the exit code: somebody killed it.
            services.Log.Error("the container's shim is gone", ("container", container.Id), ("error", e.Message));
            KillLeftover(container);
            exit = new ProcessExit(255, services.Time.GetUtcNow());
        }

        try
        {
            using var held = await container.Gate.Enter().ConfigureAwait(false);
            if (container.Task == task)
            {
                await Finish(container, task, exit).ConfigureAwait(false);
            }
        }
#pragma warning disable CA1031 // Nobody awaits this: what is not caught here would be lost.
        catch (Exception e)
#pragma warning restore CA1031
        {
            services.Log.Error("recording a container's end failed", ("container", container.Id), ("error", $"{e.GetType().Name}: {e.Message}"));
        }
        finally
        {
            task.Finish();
        }
    }

    /// <summary>The process has ended: put everything away, say so, and see what the restart policy wants.</summary>
    private async Task Finish(Container container, RunningTask task, ProcessExit exit)
    {
        var record = container.Record;
        var trace = new PhaseTrace("container exit", services.Log, services.Options.Trace);
        Stopped?.Invoke(container);
        task.Ending = true;
        var oom = CgroupFiles.WasOutOfMemory(services, record);
        services.Containers.Update(container, container.Status with { End = new ProcessEnd(exit.Code, exit.At, oom) });
        await ShimTasksDelete(task.Shim, container.Id).ConfigureAwait(false);
        trace.Mark("delete");
        try
        {
            await task.Streams.Ended.WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            services.Log.Warn("the container's output is still held open by another process and is cut off", ("container", container.Id));
        }

        trace.Mark("output");
        task.Streams.Dispose();
        task.Log?.Dispose();
        container.Output.Complete();
        var releasing = ShimLauncher.Release(task.Shim, container.Id);
        await starter.CleanUp(record).ConfigureAwait(false);
        trace.Mark("clean-up");
        container.Task = null;

        var ranFor = exit.At - (container.Status.StartedAt ?? exit.At);
        var policy = record.HostConfig.RestartPolicy;
        var stopped = task.StopRequested || (policy?.Name is "unless-stopped" && container.Status.StoppedByUser);
        var delay = RestartPolicyRule.Decide(policy, exit.Code, stopped, container.Status.RestartCount, ranFor, container.Status.RestartDelay);
        services.Containers.Update(container, container.Status with
        {
            Phase = delay is null ? Phase.Exited : Phase.Restarting,
            Pid = 0,
            ExitCode = exit.Code,
            OomKilled = oom,
            FinishedAt = exit.At,
            End = null,
            ShimSocket = null,
            RestartCount = container.Status.RestartCount + (delay is null ? 0 : 1),
            RestartDelay = delay ?? TimeSpan.Zero,
        });
        if (oom && task.ShouldTellOutOfMemory())
        {
            services.Tell(container, "oom");
        }

        services.Tell(
            container,
            "die",
            ("exitCode", exit.Code.ToString(CultureInfo.InvariantCulture)),
            ("execDuration", ((long)ranFor.TotalSeconds).ToString(CultureInfo.InvariantCulture)));
        if (delay is { } pause)
        {
            _ = ScheduleRestart(container, pause);
            return;
        }

        if (record.HostConfig.AutoRemove == true)
        {
            await remover.RemoveHeld(container, volumes: true).ConfigureAwait(false);
        }
        else
        {
            container.SignalStopped();
        }

        trace.Mark("record");
        trace.Done();
        _ = releasing;
    }

    /// <summary>Starts a container that waits for it in a while, unless somebody does something else with it first. Ends when that is decided; never fails.</summary>
    internal Task ScheduleRestart(Container container, TimeSpan delay)
    {
        var pending = new CancellationTokenSource();
        container.PendingRestart = pending;
        return Later();

        async Task Later()
        {
            try
            {
                await Task.Delay(delay, services.Time, pending.Token).ConfigureAwait(false);
                using var held = await container.Gate.Enter(pending.Token).ConfigureAwait(false);
                if (container.PendingRestart == pending && container.Status.Phase == Phase.Restarting)
                {
                    container.PendingRestart = null;
                    await StartHeld(container).ConfigureAwait(false);
                }
            }
            catch (OperationCanceledException)
            {
                // Stopped, started or removed by somebody meanwhile.
            }
            catch (EngineException e)
            {
                services.Log.Error("restarting the container failed", ("container", container.Id), ("error", e.Message));
                TryAgain(container);
            }
#pragma warning disable CA1031 // Nobody else hears of it.
            catch (Exception e)
#pragma warning restore CA1031
            {
                services.Log.Error("restarting the container failed", ("container", container.Id), ("error", $"{e.GetType().Name}: {e.Message}"));
            }
            finally
            {
                pending.Dispose();
            }
        }
    }

    /// <summary>A start by a policy that says "always" is tried again until it works: what was missing (a network, a mount's source) may come.</summary>
    private void TryAgain(Container container)
    {
        var status = container.Status;
        if (status.Phase == Phase.Exited && container.Record.HostConfig.RestartPolicy is { Name: "always" or "unless-stopped" } policy
            && services.Containers.Find(container.Id) == container
            && RestartPolicyRule.Decide(policy, status.ExitCode, status.StoppedByUser, status.RestartCount, TimeSpan.Zero, status.RestartDelay) is { } delay)
        {
            services.Containers.Update(container, status with { Phase = Phase.Restarting, RestartDelay = delay, RestartCount = status.RestartCount + 1 });
            _ = ScheduleRestart(container, delay);
        }
    }

    private async Task<RunningTask?> BeginStop(Container container)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        if (!container.Status.IsRunning)
        {
            throw EngineException.NotModified();
        }

        services.Containers.Update(container, container.Status with { StoppedByUser = true });
        if (container.Status.Phase == Phase.Restarting)
        {
            CancelRestart(container);
            BecomeExited(container);
            return null;
        }

        container.Task!.StopRequested = true;
        return container.Task;
    }

    private void BecomeExited(Container container)
    {
        services.Containers.Update(container, container.Status with { Phase = Phase.Exited, StoppedByUser = true });
        container.SignalStopped();
        services.Tell(container, "stop");
    }

    private static void CancelRestart(Container container)
    {
        container.PendingRestart?.Cancel();
        container.PendingRestart = null;
    }

    /// <summary>False when the process has ended already.</summary>
    private async Task<bool> TrySignal(Container container, RunningTask task, int signal)
    {
        try
        {
            await task.Shim.Tasks.KillAsync(new KillRequest { Id = container.Id, Signal = (uint)signal }).ConfigureAwait(false);

            // A frozen process dies only once it is thawed. A signal that is not meant to end it waits for that, as docker's does.
            if (container.Status.Phase == Phase.Paused && task.StopRequested)
            {
                await Thaw(container, task).ConfigureAwait(false);
            }

            return true;
        }
        catch (TtrpcException e) when (e.Code is TtrpcStatusCode.NotFound or TtrpcStatusCode.FailedPrecondition)
        {
            return false;
        }
        catch (TtrpcClosedException)
        {
            return false;
        }
    }

    private async Task Thaw(Container container, RunningTask task)
    {
        using var held = await container.Gate.Enter().ConfigureAwait(false);
        if (container.Task == task && container.Status.Phase == Phase.Paused)
        {
            await task.Shim.Tasks.ResumeAsync(new ResumeRequest { Id = container.Id }).ConfigureAwait(false);
            services.Containers.Update(container, container.Status with { Phase = Phase.Running });
            services.Tell(container, "unpause");
        }
    }

    private static async Task<bool> Ends(RunningTask task, TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            await task.Finished.WaitAsync(limit, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            return false;
        }
    }

    private static async Task EndsOrFails(Container container, RunningTask task)
    {
        if (!await Ends(task, KillTimeout, CancellationToken.None).ConfigureAwait(false))
        {
            throw EngineException.System($"cannot stop container: {container.Name}: tried to kill container, but did not receive an exit event");
        }
    }

    private static async Task ShimTasksDelete(Shim shim, string id)
    {
        try
        {
            await shim.Tasks.DeleteAsync(new DeleteRequest { Id = id }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or TtrpcException)
        {
            // The shim is gone: what it held went with it.
        }
    }

    private static void KillLeftover(Container container)
    {
        if (container.Status.Pid is > 0 and var pid)
        {
            Signals.Send(pid, Signals.Kill);
        }
    }

    /// <exception cref="EngineException">InvalidParameter: <c>invalid signal: x</c>, after what <paramref name="doing"/> says.</exception>
    internal static int SignalOf(string? text, int otherwise, string doing = "") => string.IsNullOrEmpty(text) ? otherwise
        : Signals.TryParse(text, out var signal) && signal > 0 ? signal
        : throw EngineException.InvalidParameter($"{doing}invalid signal: {text}");
}
