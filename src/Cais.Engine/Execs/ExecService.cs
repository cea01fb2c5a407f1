using System.Globalization;
using System.Text;
using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Io;
using Cais.Engine.Specs;
using Cais.Oci;
using Cais.Oci.Runtime;
using Cais.Ttrpc;
using Containerd.Task.V2;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace Cais.Engine.Execs;

/// <summary>Commands in running containers. They live as long as the engine and their container, and are remembered a while after they ended.</summary>
internal sealed class ExecService(EngineServices services, ContainerStarter starter)
{
    /// <summary>Ended commands stay for those who ask for their exit code, the oldest go first.</summary>
    private const int Remembered = 32;

    /// <summary>How long a resize waits for a command that is being started.</summary>
    private static readonly TimeSpan StartTimeout = TimeSpan.FromSeconds(10);

    private const string SpecType = "types.containerd.io/opencontainers/runtime-spec/1/Process";

    private readonly Lock _gate = new();
    private readonly Dictionary<string, Exec> _execs = [];

    /// <exception cref="EngineException">Conflict: the container does not run. InvalidParameter: no command.</exception>
    public Exec Create(Container container, ContainerExecRequest request)
    {
        if (request.Cmd is not { Count: > 0 })
        {
            throw EngineException.InvalidParameter("No exec command specified");
        }

        foreach (var variable in request.Env ?? [])
        {
            if (variable.Length == 0 || variable[0] == '=')
            {
                throw EngineException.InvalidParameter($"invalid environment variable: {variable}");
            }
        }

        if (request.WorkingDir is { Length: > 0 } directory && directory[0] != '/')
        {
            throw EngineException.InvalidParameter($"the working directory '{directory}' is invalid, it needs to be an absolute path");
        }

        CheckRunning(container);
        if (request.User is { Length: > 0 } user)
        {
            // While there is an answer that can say it: once the streams are open only the exit code would be left.
            starter.UserOf(container, user);
        }

        var exec = new Exec(RandomId.New(), container, request);
        lock (_gate)
        {
            _execs[exec.Id] = exec;
            container.Execs[exec.Id] = exec;
            Forget(container);
        }

        Tell(exec, "exec_create");
        return exec;
    }

    /// <exception cref="EngineException">NotFound: <c>No such exec instance: x</c>.</exception>
    public Exec Get(string id)
    {
        lock (_gate)
        {
            return _execs.GetValueOrDefault(id) ?? throw EngineException.NotFound($"No such exec instance: {id}");
        }
    }

    /// <summary>Ids of the commands that run in a container now.</summary>
    public IReadOnlyList<string>? RunningIn(Container container)
    {
        lock (_gate)
        {
            var ids = container.Execs.Values.Where(e => e.Running).Select(e => e.Id).ToList();
            return ids.Count > 0 ? ids : null;
        }
    }

    /// <summary>The container has stopped, and its commands with it.</summary>
    public void ContainerStopped(Container container)
    {
        lock (_gate)
        {
            foreach (var exec in container.Execs.Values.Where(e => !e.Started || e.ExitCode is not null).ToList())
            {
                _execs.Remove(exec.Id);
                container.Execs.Remove(exec.Id);
            }
        }
    }

    /// <summary>Checks that it may be started, before the answer's head is sent.</summary>
    public static void CheckStart(Exec exec)
    {
        if (exec.Started)
        {
            throw EngineException.Conflict(exec.Running
                ? $"exec {exec.Id} is already running"
                : $"exec command {exec.Id} has already run");
        }

        CheckRunning(exec.Container);
        exec.Claimed = true;
    }

    /// <summary>Starts it. Whoever wants its output has been added to <see cref="Exec.Output"/> before.</summary>
    /// <exception cref="EngineException">InvalidParameter: there is no such program. Conflict: it has been started already.</exception>
    public async Task Start(Exec exec, IReadOnlyList<long>? consoleSize = null)
    {
        using var held = await exec.Gate.Enter().ConfigureAwait(false);
        CheckStart(exec);
        exec.Started = true;
        var container = exec.Container;
        var task = container.Task ?? throw NotRunning(container);
        var request = consoleSize is { Count: 2 } ? exec.Request with { ConsoleSize = consoleSize } : exec.Request;
        var trace = new PhaseTrace("exec start", services.Log, services.Options.Trace);
        try
        {
            var user = starter.UserOf(container, string.IsNullOrEmpty(request.User) ? null : request.User);
            var options = starter.SpecOptionsOf(container.Record, user, null, "");
            var process = SpecGenerator.ExecProcess(container.Record, request, options);
            exec.Streams = ProcessStreams.Create(
                services.Loop, $"{starter.PipePrefix(container.Id)}-{exec.Id[..16]}", exec.Output, null, request.AttachStdin == true, request.Tty == true,
                UserSpaces.IdsOf(container.Record.HostConfig, services)?.Root);
            trace.Mark("files");
            await task.Shim.Tasks.ExecAsync(new ExecProcessRequest
            {
                Id = container.Id,
                ExecId = exec.Id,
                Terminal = request.Tty == true,
                Stdin = exec.Streams.StdinPath,
                Stdout = exec.Streams.StdoutPath,
                Stderr = exec.Streams.StderrPath,
                Spec = new Any { TypeUrl = SpecType, Value = ByteString.CopyFrom(PlainJson.Bytes(process, SpecJson.Default.Process)) },
            }).ConfigureAwait(false);
            trace.Mark("exec");
            var started = await task.Shim.Tasks.StartAsync(new StartRequest { Id = container.Id, ExecId = exec.Id }).ConfigureAwait(false);
            trace.Mark("start");
            exec.Pid = (int)started.Pid;
            exec.Running = true;
            exec.Begun.TrySetResult();
            Tell(exec, "exec_start");
            _ = Watch(exec, task);
            trace.Done();
        }
        catch (Exception e) when (e is TtrpcException or IOException or EngineException)
        {
            var (exitCode, error) = Explain(e);
            exec.ExitCode = exitCode;
            await Delete(task, exec).ConfigureAwait(false);
            exec.Streams?.Dispose();
            exec.Output.Complete();
            exec.Begun.TrySetResult();
            exec.Finished.TrySetResult();
            throw error;
        }
    }

    /// <summary>Ends a command that runs too long.</summary>
    public static async Task Kill(Exec exec)
    {
        if (exec.Container.Task is { } task)
        {
            try
            {
                await task.Shim.Tasks.KillAsync(new KillRequest { Id = exec.Container.Id, ExecId = exec.Id, Signal = 9 }).ConfigureAwait(false);
            }
            catch (Exception e) when (e is TtrpcException or IOException)
            {
                // Ended meanwhile.
            }
        }
    }

    /// <summary>Clients resize as soon as they are answered, which may be before the process has begun.</summary>
    public static async Task Resize(Exec exec, uint height, uint width)
    {
        if (exec.Claimed)
        {
            try
            {
                await exec.Begun.Task.WaitAsync(StartTimeout).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                throw EngineException.System("timeout waiting for exec session ready");
            }
        }

        if (!exec.Running || exec.Container.Task is not { } task)
        {
            throw EngineException.Conflict($"exec process {exec.Id} is not running");
        }

        await task.Shim.Tasks.ResizePtyAsync(new ResizePtyRequest { Id = exec.Container.Id, ExecId = exec.Id, Height = height, Width = width }).ConfigureAwait(false);
    }

    /// <summary>The client has no more to send.</summary>
    public static async Task CloseInput(Exec exec)
    {
        exec.Streams?.CloseInput();
        if (exec.Container.Task is { } task && exec.Running)
        {
            try
            {
                await task.Shim.Tasks.CloseIOAsync(new CloseIORequest { Id = exec.Container.Id, ExecId = exec.Id, Stdin = true }).ConfigureAwait(false);
            }
            catch (Exception e) when (e is TtrpcException or IOException)
            {
                // Ended meanwhile.
            }
        }
    }

    public static ExecInspectResponse Describe(Exec exec) => new()
    {
        ID = exec.Id,
        Running = exec.Running,
        ExitCode = exec.ExitCode,
        ProcessConfig = new ProcessConfig
        {
            Tty = exec.Request.Tty == true,
            Entrypoint = exec.Request.Cmd![0],
            Arguments = [.. exec.Request.Cmd.Skip(1)],
            Privileged = exec.Request.Privileged == true,
            User = exec.Request.User is { Length: > 0 } user ? user : null,
        },
        OpenStdin = exec.Request.AttachStdin == true,
        OpenStderr = exec.Request.AttachStderr == true,
        OpenStdout = exec.Request.AttachStdout == true,
        CanRemove = false,
        ContainerID = exec.Container.Id,
        DetachKeys = exec.Request.DetachKeys ?? "",
        Pid = exec.Pid,
    };

    private async Task Watch(Exec exec, RunningTask task)
    {
        var exitCode = 255;
        try
        {
            var exit = await task.Shim.Tasks.WaitAsync(new WaitRequest { Id = exec.Container.Id, ExecId = exec.Id }).ConfigureAwait(false);
            exitCode = (int)exit.ExitStatus;
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
            // The container is gone, and its commands with it.
        }

        // Known before the output ends: who has read everything may ask for it at once.
        exec.ExitCode = exitCode;
        exec.Running = false;
        await Delete(task, exec).ConfigureAwait(false);
        var streams = exec.Streams!;
        try
        {
            // A command that leaves a daemon behind with its output is over all the same.
            await streams.Ended.WaitAsync(TimeSpan.FromSeconds(2)).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
        }

        streams.Dispose();
        exec.Output.Complete();
        exec.Finished.TrySetResult();
        Tell(exec, "exec_die", ("exitCode", exitCode.ToString(CultureInfo.InvariantCulture)));
    }

    private static async Task Delete(RunningTask task, Exec exec)
    {
        try
        {
            await task.Shim.Tasks.DeleteAsync(new DeleteRequest { Id = exec.Container.Id, ExecId = exec.Id }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
        }
    }

    private static (int ExitCode, EngineException Error) Explain(Exception e)
    {
        var (exitCode, error) = StartErrors.Explain(e);
        if (e is EngineException)
        {
            return (exitCode, error);
        }

        return (exitCode, new EngineException(error.Kind, e.Message.StartsWith("OCI runtime", StringComparison.Ordinal) ? e.Message.TrimEnd() : $"OCI runtime exec failed: exec failed: {e.Message.TrimEnd()}", e));
    }

    private static void CheckRunning(Container container)
    {
        switch (container.Status.Phase)
        {
            case Phase.Paused:
                throw EngineException.Conflict($"Container {container.Name} is paused, unpause the container before exec");
            case Phase.Restarting:
                throw EngineException.Conflict($"Container {container.Id} is restarting, wait until the container is running");
            case not Phase.Running:
                throw NotRunning(container);
        }
    }

    private static EngineException NotRunning(Container container) => EngineException.Conflict($"container {container.Id} is not running");

    private void Tell(Exec exec, string action, params ReadOnlySpan<(string, string)> more)
    {
        var name = action;
        if (action is "exec_create" or "exec_start")
        {
            name = new StringBuilder(action).Append(": ").AppendJoin(' ', exec.Request.Cmd!).ToString();
        }

        services.Tell(exec.Container, name, [("execID", exec.Id), .. more]);
    }

    /// <summary>Under the lock.</summary>
    private void Forget(Container container)
    {
        var ended = container.Execs.Values.Where(e => e.ExitCode is not null).ToList();
        foreach (var old in ended.Take(ended.Count - Remembered))
        {
            container.Execs.Remove(old.Id);
            _execs.Remove(old.Id);
        }
    }
}
