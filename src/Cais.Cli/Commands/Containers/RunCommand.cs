using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Terminal;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>run</c>: create, attach, wait and start, in the order in which nothing of the container's output or end can be missed.</summary>
internal static class RunCommand
{
    public static readonly Flag<bool> Detach = Flags.Bool("detach", "Run in the background and print the container's id", 'd');
    public static readonly Flag<bool> SigProxy = Flags.Bool("sig-proxy", "Pass received signals on to the process", defaultValue: true);
    public static readonly Flag<string> DetachKeysFlag = Flags.Text("detach-keys", "Keys that leave the container running and go");

    public static Command Define() => new()
    {
        Use = "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
        Summary = "Create and run a new container from an image",
        Aliases = ["container run", "run"],
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.AtLeast(1),
        Interspersed = false,
        Flags = [.. ContainerFlags.All, Detach, SigProxy, DetachKeysFlag],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var detach = context.Get(Detach);
        var creator = new ContainerCreator(session, context.Flags);
        var builder = new CreateRequestBuilder(context.Flags, context.Arguments[0], [.. context.Arguments.Skip(1)], session);
        ContainerCreateRequest request;
        string id;
        try
        {
            creator.CheckPull();
            request = builder.Build(detach);
            if (detach && context.Get(ContainerFlags.Attach).Count > 0)
            {
                throw new CommandException("conflicting options: cannot specify both --attach and --detach");
            }

            CheckTerminal(session, request, detach);
        }
        catch (FormatException e)
        {
            return RunFailure.Report(context, e.Message, withHelp: true, RunFailure.EngineError);
        }

        try
        {
            id = await creator.CreateAsync(WithConsoleSize(request, session)).ConfigureAwait(false);
        }
        catch (CommandException e)
        {
            return RunFailure.Report(context, e.Message, withHelp: true, RunFailure.ExitCode(e.Message));
        }
        catch (EngineApiException e)
        {
            return RunFailure.Report(context, "Error response from daemon: " + e.Message, withHelp: true, RunFailure.ExitCode(e.Message));
        }
        catch (IOException e)
        {
            return RunFailure.Report(context, e.Message, withHelp: true, RunFailure.EngineError);
        }

        return await new ContainerRun(context, id, request).RunAsync().ConfigureAwait(false);
    }

    private static void CheckTerminal(Session session, ContainerCreateRequest request, bool detach)
    {
        if (!detach && request.AttachStdin == true && request.Tty == true && !session.Streams.InIsTerminal)
        {
            throw new CommandException("the input device is not a TTY");
        }
    }

    private static ContainerCreateRequest WithConsoleSize(ContainerCreateRequest request, Session session) =>
        request.Tty == true && session.Streams.OutIsTerminal && Posix.GetWindowSize(1) is ({ } rows, { } columns)
            ? request with { HostConfig = request.HostConfig! with { ConsoleSize = [rows, columns] } }
            : request;
}

/// <summary>The part of <c>run</c> behind the creation.</summary>
internal sealed class ContainerRun(CommandContext context, string id, ContainerCreateRequest request)
{
    private readonly Session _session = context.Session;
    private readonly EngineClient _engine = context.Session.Engine;
    private readonly bool _removes = context.Get(ContainerFlags.Remove);

    private bool Attaches => request.AttachStdin == true || request.AttachStdout == true || request.AttachStderr == true;

    public async Task<int> RunAsync()
    {
        if (!Attaches)
        {
            return await StartDetachedAsync().ConfigureAwait(false);
        }

        using var signals = context.Get(RunCommand.SigProxy) ? new SignalForwarder(_engine, id) : null;
        var keys = DetachSettings.Resolve(_session, context.Get(RunCommand.DetachKeysFlag));

        // One call after the other: the daemon answers both at once, and the first thread of a pool would cost more than either takes.
        using var exit = await _engine.WaitContainerAsync(id, _removes ? WaitCondition.Removed : WaitCondition.NextExit).ConfigureAwait(false);
        using var connection = await _engine.AttachContainerAsync(id, new AttachOptions
        {
            Stdin = request.AttachStdin == true,
            Stdout = request.AttachStdout == true,
            Stderr = request.AttachStderr == true,
            DetachKeys = keys.Text,
        }).ConfigureAwait(false);
        try
        {
            await _engine.StartContainerAsync(id).ConfigureAwait(false);
        }
        catch (EngineApiException e)
        {
            return await FailToStartAsync(e, exit).ConfigureAwait(false);
        }

        using var resize = request.Tty == true && _session.Streams.OutIsTerminal
            ? ResizeMonitor.Start((rows, columns) => _engine.ResizeContainerAsync(id, rows, columns))
            : null;
        var end = await new StreamSession
        {
            Streams = _session.Streams,
            Connection = connection,
            Stdin = request.AttachStdin == true,
            Stdout = request.AttachStdout == true,
            Stderr = request.AttachStderr == true,
            Tty = request.Tty == true,
            SignalsHandled = signals is not null,
            Detach = keys.Bytes,
        }.RunAsync().ConfigureAwait(false);
        return end == SessionEnd.Detached ? 0 : await exit.ExitAsync().ConfigureAwait(false);
    }

    private async Task<int> StartDetachedAsync()
    {
        try
        {
            await _engine.StartContainerAsync(id).ConfigureAwait(false);
            _session.Out.Write(id + "\n");
            return 0;
        }
        catch (EngineApiException e)
        {
            _session.Out.Write(id + "\n");
            return RunFailure.Report(context, "Error response from daemon: " + e.Message, withHelp: true, RunFailure.ExitCode(e.Message));
        }
    }

    private async Task<int> FailToStartAsync(EngineApiException error, PendingExit exit)
    {
        var code = RunFailure.Report(context, "Error response from daemon: " + error.Message, withHelp: true, RunFailure.ExitCode(error.Message));
        if (_removes)
        {
            try
            {
                await exit.ExitAsync().ConfigureAwait(false);
            }
            catch (Exception e) when (e is EngineApiException or IOException)
            {
                // It is gone, which is what was waited for.
            }
        }

        return code;
    }
}

/// <summary>The detach keys in force: flag, configuration, default.</summary>
internal static class DetachSettings
{
    public static (byte[] Bytes, string Text) Resolve(Session session, string flag)
    {
        var text = flag.Length > 0 ? flag : session.Configuration.DetachKeys ?? "";
        return (text.Length > 0 && DetachKeys.Parse(text) is { } keys ? keys : DetachKeys.Default, text);
    }
}
