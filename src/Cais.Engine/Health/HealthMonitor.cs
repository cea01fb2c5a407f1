using System.IO.Pipelines;
using System.Text;
using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Execs;
using Cais.Engine.Io;

namespace Cais.Engine.Health;

/// <summary>Runs containers' health checks, each as a command in its container, and records what they say.</summary>
internal sealed class HealthMonitor(EngineServices services, ExecService execs)
{
    private const int Kept = 5;
    private const int LongestOutput = 4096;
    private static readonly TimeSpan DefaultInterval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan DefaultStartInterval = TimeSpan.FromSeconds(5);

    private readonly System.Runtime.CompilerServices.ConditionalWeakTable<Container, CancellationTokenSource> _running = new();

    /// <summary>A container's process has begun.</summary>
    public void Start(Container container)
    {
        if (CommandOf(container.Record.Config) is not { } command)
        {
            return;
        }

        var stop = new CancellationTokenSource();
        _running.AddOrUpdate(container, stop);
        services.Containers.Update(container, container.Status with { Health = new HealthState { Status = "starting", FailingStreak = 0, Log = [] } });
        _ = Run(container, command, stop.Token);
    }

    /// <summary>It has ended.</summary>
    public void Stop(Container container)
    {
        if (_running.TryGetValue(container, out var stop))
        {
            stop.Cancel();
            _running.Remove(container);
            if (container.Status.Health is { } health)
            {
                services.Containers.Update(container, container.Status with { Health = health with { Status = "unhealthy" } });
            }
        }
    }

    /// <summary>What to run, or null where there is no check.</summary>
    internal static IReadOnlyList<string>? CommandOf(ContainerConfig config) => config.Healthcheck?.Test switch
    {
        { Count: > 1 } test when test[0] == "CMD" => [.. test.Skip(1)],
        { Count: > 1 } test when test[0] == "CMD-SHELL" => [.. config.Shell is { Count: > 0 } shell ? shell : ["/bin/sh", "-c"], test[1]],
        _ => null,
    };

    /// <summary>The state after one more result.</summary>
    internal static HealthState Next(HealthState before, HealthcheckResult result, HealthConfig config, bool inStartPeriod)
    {
        List<HealthcheckResult> log = [.. (before.Log ?? []).TakeLast(Kept - 1), result];
        if (result.ExitCode == 0)
        {
            return new HealthState { Status = "healthy", FailingStreak = 0, Log = log };
        }

        // Failures of a container that is still starting count for nothing until it was healthy once.
        if (inStartPeriod && before.Status == "starting")
        {
            return before with { Log = log };
        }

        var streak = (before.FailingStreak ?? 0) + 1;
        var retries = config.Retries is > 0 and var asked ? asked : 3;
        return new HealthState { Status = streak >= retries ? "unhealthy" : before.Status, FailingStreak = streak, Log = log };
    }

    private async Task Run(Container container, IReadOnlyList<string> command, CancellationToken cancellation)
    {
        var config = container.Record.Config.Healthcheck!;
        var interval = Span(config.Interval, DefaultInterval);
        var startPeriod = Span(config.StartPeriod, TimeSpan.Zero);
        var startInterval = startPeriod > TimeSpan.Zero ? Span(config.StartInterval, DefaultStartInterval) : interval;
        var begun = services.Time.GetUtcNow();
        try
        {
            while (true)
            {
                var starting = services.Time.GetUtcNow() - begun < startPeriod && container.Status.Health?.Status == "starting";
                await Task.Delay(starting ? startInterval : interval, services.Time, cancellation).ConfigureAwait(false);
                if (container.Status.Phase != Phase.Running)
                {
                    continue;
                }

                var result = await Probe(container, command, Span(config.Timeout, TimeSpan.FromSeconds(30)), cancellation).ConfigureAwait(false);
                if (cancellation.IsCancellationRequested)
                {
                    return;
                }

                services.HealthChecks.Count(failed: result.ExitCode != 0);
                using var held = await container.Gate.Enter(cancellation).ConfigureAwait(false);
                var before = container.Status.Health ?? new HealthState { Status = "starting" };
                var after = Next(before, result, config, services.Time.GetUtcNow() - begun < startPeriod);
                services.Containers.Update(container, container.Status with { Health = after });
                if (before.Status != after.Status)
                {
                    services.Tell(container, $"health_status: {after.Status}");
                }
            }
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task<HealthcheckResult> Probe(Container container, IReadOnlyList<string> command, TimeSpan timeout, CancellationToken cancellation)
    {
        var start = services.Time.GetUtcNow();
        var pipe = new Pipe();
        try
        {
            var exec = execs.Create(container, new ContainerExecRequest { Cmd = command, AttachStdout = true, AttachStderr = true });
            var output = new OutputClient(pipe.Writer, framed: false, stdout: true, stderr: true, services.Options.ContainersDirectory);
            exec.Output.Add(output);
            var reading = Read(pipe.Reader);
            await execs.Start(exec).ConfigureAwait(false);
            try
            {
                await exec.Finished.Task.WaitAsync(timeout, services.Time, cancellation).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                exec.Output.Remove(output);
                await ExecService.Kill(exec).ConfigureAwait(false);
                await output.Done.ConfigureAwait(false);
                await pipe.Writer.CompleteAsync().ConfigureAwait(false);
                await reading.ConfigureAwait(false);
                return Result(start, -1, $"Health check exceeded timeout ({Durations.Go(timeout)})");
            }

            await output.Done.ConfigureAwait(false);
            await pipe.Writer.CompleteAsync().ConfigureAwait(false);
            return Result(start, exec.ExitCode ?? -1, await reading.ConfigureAwait(false));
        }
        catch (EngineException e)
        {
            return Result(start, -1, e.Message);
        }
    }

    private HealthcheckResult Result(DateTimeOffset start, int exitCode, string output) => new()
    {
        Start = Timestamps.Format(start),
        End = Timestamps.Format(services.Time.GetUtcNow()),
        ExitCode = exitCode,
        Output = output,
    };

    private static async Task<string> Read(PipeReader reader)
    {
        var text = new MemoryStream();
        while (true)
        {
            var read = await reader.ReadAsync().ConfigureAwait(false);
            foreach (var segment in read.Buffer)
            {
                text.Write(segment.Span[..(int)Math.Min(segment.Length, Math.Max(0, LongestOutput - text.Length))]);
            }

            reader.AdvanceTo(read.Buffer.End);
            if (read.IsCompleted)
            {
                return Encoding.UTF8.GetString(text.ToArray());
            }
        }
    }

    private static TimeSpan Span(long? nanoseconds, TimeSpan otherwise) => nanoseconds is > 0 ? TimeSpan.FromTicks(nanoseconds.Value / 100) : otherwise;
}
