using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Terminal;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>exec</c>: a further process in a running container.</summary>
internal static class ExecCommand
{
    private static readonly Flag<bool> Detach = Flags.Bool("detach", "Run the command in the background", 'd');
    private static readonly Flag<string> DetachKeysFlag = Flags.Text("detach-keys", "Keys that leave the command running and go");
    private static readonly Flag<IReadOnlyList<string>> Env = Flags.List("env", "Set environment variables", 'e', static text => EnvironmentOption.Check(text, Environment.GetEnvironmentVariable), api: "1.25");
    private static readonly Flag<IReadOnlyList<string>> EnvFile = Flags.List("env-file", "Read environment variables from a file", api: "1.25");
    private static readonly Flag<bool> Interactive = Flags.Bool("interactive", "Keep STDIN open even if not attached", 'i');
    private static readonly Flag<bool> Privileged = Flags.Bool("privileged", "Give the command every privilege of the host");
    private static readonly Flag<bool> Tty = Flags.Bool("tty", "Give the command a terminal", 't');
    private static readonly Flag<string> User = Flags.Text("user", "User name or uid (form: <name|uid>[:<group|gid>])", 'u');
    private static readonly Flag<string> Workdir = Flags.Text("workdir", "Working directory in the container", 'w', api: "1.35");

    public static Command Define() => new()
    {
        Use = "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
        Summary = "Execute a command in a running container",
        Aliases = ["container exec", "exec"],
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.AtLeast(2),
        Interspersed = false,
        Flags = [Detach, DetachKeysFlag, Env, EnvFile, Interactive, Privileged, Tty, User, Workdir],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var engine = session.Engine;
        var (detach, tty) = (context.Get(Detach), context.Get(Tty));
        var stdin = context.Get(Interactive) && !detach;
        IReadOnlyList<long>? size = tty && !detach && session.Streams.OutIsTerminal && Posix.GetWindowSize(1) is ({ } rows, { } columns) ? [rows, columns] : null;
        var keys = DetachSettings.Resolve(session, context.Get(DetachKeysFlag));
        IReadOnlyList<string> environment;
        try
        {
            environment = EnvironmentOption.Collect(context.Get(EnvFile), context.Get(Env), session.RawEnvironment);
        }
        catch (FormatException e)
        {
            throw new CommandException(e.Message);
        }

        if (!detach && stdin && tty && !session.Streams.InIsTerminal)
        {
            throw new CommandException("the input device is not a TTY");
        }

        var id = await engine.CreateExecAsync(context.Arguments[0], new ContainerExecRequest
        {
            AttachStdin = stdin,
            AttachStdout = !detach,
            AttachStderr = !detach,
            ConsoleSize = size,
            DetachKeys = keys.Text.Length > 0 ? keys.Text : null,
            Tty = tty,
            Env = environment.Count > 0 ? environment : null,
            Cmd = [.. context.Arguments.Skip(1)],
            Privileged = context.Get(Privileged),
            User = context.Get(User),
            WorkingDir = context.Get(Workdir),
        }).ConfigureAwait(false);
        var start = new ExecStartRequest { Detach = detach, Tty = tty, ConsoleSize = size };
        if (detach)
        {
            await engine.StartExecDetachedAsync(id, start).ConfigureAwait(false);
            return 0;
        }

        using var connection = await engine.StartExecAsync(id, start).ConfigureAwait(false);
        using var resize = tty && session.Streams.InIsTerminal
            ? ResizeMonitor.Start((height, width) => engine.ResizeExecAsync(id, height, width))
            : null;
        var end = await new StreamSession
        {
            Streams = session.Streams,
            Connection = connection,
            Stdin = stdin,
            Stdout = true,
            Stderr = true,
            Tty = tty,
            Detach = keys.Bytes,
        }.RunAsync().ConfigureAwait(false);
        if (end == SessionEnd.Detached)
        {
            throw new CommandException("read escape sequence");
        }

        return (await engine.ExecStatusAsync(id).ConfigureAwait(false)).ExitCode;
    }
}
