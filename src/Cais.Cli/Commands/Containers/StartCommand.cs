using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Terminal;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>start</c></summary>
internal static class StartCommand
{
    private static readonly Flag<bool> Attach = Flags.Bool("attach", "Attach output and pass signals on", 'a');
    private static readonly Flag<string> Checkpoint = Flags.Text("checkpoint", "Restore from this checkpoint");
    private static readonly Flag<string> CheckpointDir = Flags.Text("checkpoint-dir", "Where checkpoints are kept");
    private static readonly Flag<string> DetachKeysFlag = Flags.Text("detach-keys", "Keys that leave the container running and go");
    private static readonly Flag<bool> Interactive = Flags.Bool("interactive", "Attach the container's STDIN", 'i');

    public static Command Define() => new()
    {
        Use = "start [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Start one or more stopped containers",
        Aliases = ["container start", "start"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Attach, Checkpoint, CheckpointDir, DetachKeysFlag, Interactive],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        if (context.Get(Attach) || context.Get(Interactive))
        {
            return context.Arguments is [var container]
                ? await StartAttachedAsync(context, container).ConfigureAwait(false)
                : throw new CommandException("you cannot start and attach multiple containers at once");
        }

        if (context.Get(Checkpoint).Length > 0)
        {
            if (context.Arguments is not [var restored])
            {
                throw new CommandException("you cannot restore multiple containers at once");
            }

            await context.Session.Engine.StartContainerAsync(restored, null, context.Get(Checkpoint), context.Get(CheckpointDir)).ConfigureAwait(false);
            return 0;
        }

        var failed = new List<string>();
        foreach (var name in context.Arguments)
        {
            try
            {
                await context.Session.Engine.StartContainerAsync(name, null, "", "").ConfigureAwait(false);
                context.Session.Out.Write(name + "\n");
                await context.Session.Out.FlushAsync().ConfigureAwait(false);
            }
            catch (EngineApiException e)
            {
                context.Session.Err.Write($"Error response from daemon: {e.Message}\n");
                failed.Add(name);
            }
        }

        return failed.Count == 0 ? 0 : throw new CommandException("Error: failed to start containers: " + string.Join(", ", failed));
    }

    private static async Task<int> StartAttachedAsync(CommandContext context, string name)
    {
        var session = context.Session;
        var engine = session.Engine;
        using var inspected = await engine.GetDocumentAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(name)}/json")).ConfigureAwait(false);
        var container = inspected.RootElement;
        var id = name;
        var config = container.Member("Config");
        var tty = config?.Truth("Tty") == true;
        var stdin = context.Get(Interactive) && config?.Truth("OpenStdin") == true;
        var removes = container.Member("HostConfig")?.Truth("AutoRemove") == true;
        using var signals = !tty ? new SignalForwarder(engine, id) : null;
        var keys = DetachSettings.Resolve(session, context.Get(DetachKeysFlag));
        using var connection = await engine.AttachContainerAsync(
            id,
            new AttachOptions { Stdin = stdin, Stdout = context.Get(Attach), Stderr = context.Get(Attach), DetachKeys = keys.Text }).ConfigureAwait(false);
        using var exit = await engine.WaitContainerAsync(id, removes ? WaitCondition.Removed : WaitCondition.NextExit).ConfigureAwait(false);
        await engine.StartContainerAsync(id, null, context.Get(Checkpoint), context.Get(CheckpointDir)).ConfigureAwait(false);
        using var resize = tty && session.Streams.OutIsTerminal
            ? ResizeMonitor.Start((rows, columns) => engine.ResizeContainerAsync(id, rows, columns))
            : null;
        var end = await new StreamSession
        {
            Streams = session.Streams,
            Connection = connection,
            Stdin = stdin,
            Stdout = context.Get(Attach),
            Stderr = context.Get(Attach),
            Tty = tty,
            SignalsHandled = signals is not null,
            Detach = keys.Bytes,
        }.RunAsync().ConfigureAwait(false);
        return end == SessionEnd.Detached ? 0 : await exit.ExitAsync().ConfigureAwait(false);
    }
}
