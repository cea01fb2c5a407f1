using System.IO.Pipelines;
using Cais.Engine.Execs;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Ttrpc;
using Containerd.Task.V2;

namespace Cais.Engine.Containers;

/// <summary>What a client wants of a container's streams.</summary>
public sealed record AttachRequest
{
    /// <summary>First what was written before.</summary>
    public bool Logs { get; init; }

    /// <summary>Then what is being written.</summary>
    public bool Stream { get; init; }

    public bool Stdin { get; init; }

    public bool Stdout { get; init; }

    public bool Stderr { get; init; }

    /// <summary>In frames that tell the streams apart; a terminal's bytes and a WebSocket's come as they are.</summary>
    public bool Framed { get; init; }

    /// <summary>The bytes by which the client takes its leave without ending anything; empty for none.</summary>
    public IReadOnlyList<byte> DetachKeys { get; init; } = [];
}

/// <summary>Joins clients to processes: attach, exec and logs.</summary>
internal sealed class ContainerStreams(EngineServices services)
{
    /// <summary>Serves one attached client until the process or the client is done.</summary>
    public async Task Attach(Container container, AttachRequest request, IDuplexPipe client)
    {
        var terminal = container.Record.Config.Tty == true;
        var output = new OutputClient(client.Output, request.Framed, request.Stdout, request.Stderr, services.Options.ContainersDirectory);
        if (request.Logs)
        {
            await Replay(container, request, client.Output, request.Framed).ConfigureAwait(false);
        }

        if (!request.Stream)
        {
            return;
        }

        services.Tell(container, "attach");
        if (request.Stdout || request.Stderr)
        {
            container.Output.Add(output);
        }

        try
        {
            var input = request.Stdin && container.Record.Config.OpenStdin == true
                ? Input(client.Input, KeysFor(terminal, request.DetachKeys), async () => (await container.Begun.ConfigureAwait(false))?.Streams)
                : Drain(client.Input);
            var outputDone = request.Stdout || request.Stderr ? output.Done : container.NextStop;
            while (!outputDone.IsCompleted)
            {
                if (await Task.WhenAny(outputDone, input).ConfigureAwait(false) != input || outputDone.IsCompleted)
                {
                    break;
                }

                var end = await input.ConfigureAwait(false);
                if (end == InputEnd.Detached)
                {
                    services.Tell(container, "detach");
                    break;
                }

                // A terminal's client that says no more has left (docker's finds the detach keys itself); the terminal stays open.
                if (terminal && request.Stdin)
                {
                    break;
                }

                if (request.Stdin && container.Record.Config.StdinOnce == true && end == InputEnd.Closed)
                {
                    await CloseInput(container).ConfigureAwait(false);
                }

                // The client has said its last, but goes on listening.
                await outputDone.ConfigureAwait(false);
            }
        }
        finally
        {
            container.Output.Remove(output);
        }

        if (request.Stdout || request.Stderr)
        {
            await output.Done.ConfigureAwait(false);
        }
    }

    /// <summary>Serves the client of a command in a container.</summary>
    public async Task AttachExec(Exec exec, IDuplexPipe client, IReadOnlyList<byte> detachKeys, Func<Task> start)
    {
        var request = exec.Request;
        var terminal = request.Tty == true;
        var output = new OutputClient(
            client.Output, framed: !terminal, request.AttachStdout == true, request.AttachStderr == true || terminal, services.Options.ContainersDirectory);
        exec.Output.Add(output);
        try
        {
            await start().ConfigureAwait(false);
        }
        catch (EngineException e)
        {
            // The head is sent: docker tells the reason in the stream. Exec has ended its output, so nobody else writes.
            var text = System.Text.Encoding.UTF8.GetBytes(e.Message + "\r\n");
            if (terminal)
            {
                await client.Output.WriteAsync(text).ConfigureAwait(false);
            }
            else
            {
                Frame.Write(client.Output, StreamKind.Stderr, text);
                await client.Output.FlushAsync().ConfigureAwait(false);
            }

            return;
        }

        var input = request.AttachStdin == true ? Input(client.Input, KeysFor(terminal, detachKeys), () => Task.FromResult(exec.Streams)) : Drain(client.Input);
        try
        {
            if (await Task.WhenAny(exec.Finished.Task, input).ConfigureAwait(false) == input && !exec.Finished.Task.IsCompleted)
            {
                var end = await input.ConfigureAwait(false);
                if (end == InputEnd.Detached)
                {
                    services.Tell(exec.Container, "exec_detach", ("execID", exec.Id));
                    return;
                }

                if (terminal && request.AttachStdin == true)
                {
                    return;
                }

                if (request.AttachStdin == true)
                {
                    await ExecService.CloseInput(exec).ConfigureAwait(false);
                }

                await output.Done.ConfigureAwait(false);
            }

            await exec.Finished.Task.ConfigureAwait(false);
        }
        finally
        {
            exec.Output.Remove(output);
        }

        await output.Done.ConfigureAwait(false);
    }

    /// <summary>The container's log, as the query asks.</summary>
    public IAsyncEnumerable<(LogEntry Entry, string? Attributes)> ReadLogs(Container container, LogQuery query, CancellationToken cancellation) =>
        services.Logs.Read(container.Record, container.Task?.Log, query, cancellation);

    public static async Task Resize(Container container, uint height, uint width)
    {
        if (container.Task is not { } task || !container.Status.HasProcess)
        {
            throw EngineException.Conflict($"Container {container.Id} is not running");
        }

        try
        {
            await task.Shim.Tasks.ResizePtyAsync(new ResizePtyRequest { Id = container.Id, Height = height, Width = width }).ConfigureAwait(false);
        }
        catch (TtrpcException e)
        {
            throw EngineException.System(e.Message, e);
        }
    }

    private async Task Replay(Container container, AttachRequest request, PipeWriter to, bool framed)
    {
        var query = new LogQuery { Stdout = request.Stdout, Stderr = request.Stderr };
        await foreach (var (entry, _) in ReadLogs(container, query, CancellationToken.None).ConfigureAwait(false))
        {
            if (framed)
            {
                Frame.Write(to, entry.Stream, entry.Line.Span);
            }
            else
            {
                System.Buffers.BuffersExtensions.Write(to, entry.Line.Span);
            }

            if ((await to.FlushAsync().ConfigureAwait(false)).IsCompleted)
            {
                return;
            }
        }
    }

    private static async Task CloseInput(Container container)
    {
        if (container.Task is not { } task)
        {
            return;
        }

        task.Streams.CloseInput();
        try
        {
            await task.Shim.Tasks.CloseIOAsync(new CloseIORequest { Id = container.Id, Stdin = true }).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
            // Ended meanwhile.
        }
    }

    private enum InputEnd
    {
        Closed,
        Detached,
    }

    /// <summary>Only a terminal has keys: anything else is data, which may hold any bytes.</summary>
    private static IReadOnlyList<byte> KeysFor(bool terminal, IReadOnlyList<byte> keys) => terminal ? keys : [];

    /// <summary>Carries the client's bytes to the process. Before the process runs there is nobody to take them: they wait.</summary>
    private static async Task<InputEnd> Input(PipeReader from, IReadOnlyList<byte> detachKeys, Func<Task<ProcessStreams?>> streams)
    {
        var detach = new DetachKeys(detachKeys);
        try
        {
            while (true)
            {
                var read = await from.ReadAsync().ConfigureAwait(false);
                foreach (var segment in read.Buffer)
                {
                    var (bytes, detached) = detach.Filter(segment);
                    if (bytes.Length > 0)
                    {
                        if (await streams().ConfigureAwait(false) is not { } process)
                        {
                            return InputEnd.Closed;
                        }

                        await process.WriteInput(bytes, CancellationToken.None).ConfigureAwait(false);
                    }

                    if (detached)
                    {
                        return InputEnd.Detached;
                    }
                }

                from.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    await streams().ConfigureAwait(false);
                    return InputEnd.Closed;
                }
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or ObjectDisposedException)
        {
            // The process does not read any more, or the client's connection broke.
            return InputEnd.Closed;
        }
    }

    /// <summary>Notices when a client that only listens goes away.</summary>
    private static async Task<InputEnd> Drain(PipeReader from)
    {
        try
        {
            while (true)
            {
                var read = await from.ReadAsync().ConfigureAwait(false);
                from.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    return InputEnd.Closed;
                }
            }
        }
        catch (Exception e) when (e is IOException or InvalidOperationException)
        {
            return InputEnd.Closed;
        }
    }
}
