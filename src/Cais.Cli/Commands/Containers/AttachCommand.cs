using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Terminal;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>attach</c>: connects to the streams of a running container.</summary>
internal static class AttachCommand
{
    private static readonly Flag<string> DetachKeysFlag = Flags.Text("detach-keys", "Keys that leave the container running and go");
    private static readonly Flag<bool> NoStdin = Flags.Bool("no-stdin", "Do not attach STDIN");
    private static readonly Flag<bool> SigProxy = Flags.Bool("sig-proxy", "Pass received signals on to the process", defaultValue: true);

    public static Command Define() => new()
    {
        Use = "attach [OPTIONS] CONTAINER",
        Summary = "Attach local standard input, output, and error streams to a running container",
        Aliases = ["container attach", "attach"],
        Arguments = ArgumentRule.Exactly(1),
        Flags = [DetachKeysFlag, NoStdin, SigProxy],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var engine = session.Engine;
        var id = context.Arguments[0];

        // First of all, so that an end between the look-up and the attachment is not missed.
        using var exit = await engine.WaitContainerAsync(id, WaitCondition.NotRunning).ConfigureAwait(false);
        using var inspected = await engine.GetDocumentAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/json")).ConfigureAwait(false);
        var (state, config) = (inspected.RootElement.Member("State"), inspected.RootElement.Member("Config"));
        var refusal = state is null ? null
            : !state.Value.Truth("Running") ? "cannot attach to a stopped container, start it first"
            : state.Value.Truth("Paused") ? "cannot attach to a paused container, unpause it first"
            : state.Value.Truth("Restarting") ? "cannot attach to a restarting container, wait until it is running"
            : null;
        if (refusal is not null)
        {
            throw new CommandException(refusal);
        }

        var tty = config?.Truth("Tty") == true;
        var stdin = !context.Get(NoStdin) && config?.Truth("OpenStdin") == true;
        if (stdin && tty && !session.Streams.InIsTerminal)
        {
            throw new CommandException("the input device is not a TTY");
        }

        using var signals = context.Get(SigProxy) && !tty ? new SignalForwarder(engine, id) : null;
        var keys = DetachSettings.Resolve(session, context.Get(DetachKeysFlag));
        using var connection = await engine.AttachContainerAsync(
            id, new AttachOptions { Stdin = stdin, Stdout = true, Stderr = true, DetachKeys = keys.Text }).ConfigureAwait(false);
        using var resize = tty && session.Streams.OutIsTerminal
            ? ResizeMonitor.Start((rows, columns) => engine.ResizeContainerAsync(id, rows, columns))
            : null;
        var end = await new StreamSession
        {
            Streams = session.Streams,
            Connection = connection,
            Stdin = stdin,
            Stdout = true,
            Stderr = true,
            Tty = tty,
            SignalsHandled = signals is not null,
            Detach = keys.Bytes,
        }.RunAsync().ConfigureAwait(false);
        return end == SessionEnd.Detached
            ? throw new CommandException("read escape sequence")
            : await exit.ExitAsync().ConfigureAwait(false);
    }
}
