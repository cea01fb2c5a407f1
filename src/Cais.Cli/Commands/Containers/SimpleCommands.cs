using Cais.Cli.CommandLine;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>stop</c></summary>
internal static class StopCommand
{
    private static readonly Flag<string> Signal = Flags.Text("signal", "Signal to ask with", 's');
    private static readonly Flag<int> Timeout = Flags.Int("timeout", "Seconds to wait before killing the container", 't');

    /// <summary>The older name of <c>--timeout</c>.</summary>
    private static readonly Flag<int> Time = Timeout.HiddenAlias("time", "use --timeout instead");

    public static Command Define() => new()
    {
        Use = "stop [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Stop one or more running containers",
        Aliases = ["container stop", "stop"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Signal, Timeout, Time],
        Run = static context =>
        {
            var timeout = context.Flags.Changed(Timeout) ? context.Get(Timeout) : (int?)null;
            return EachArgument.RunAsync(context, name => context.Session.Engine.StopContainerAsync(name, context.Get(Signal), timeout));
        },
    };
}

/// <summary><c>kill</c></summary>
internal static class KillCommand
{
    private static readonly Flag<string> Signal = Flags.Text("signal", "Signal to send", 's');

    public static Command Define() => new()
    {
        Use = "kill [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Kill one or more running containers",
        Aliases = ["container kill", "kill"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Signal],
        Run = static context => EachArgument.RunAsync(context, name => context.Session.Engine.KillContainerAsync(name, context.Get(Signal))),
    };
}

/// <summary><c>rm</c></summary>
internal static class RmCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "Kill the container first if it runs", 'f');
    private static readonly Flag<bool> Link = Flags.Bool("link", "Remove the link, not the container", 'l');
    private static readonly Flag<bool> Volumes = Flags.Bool("volumes", "Remove its anonymous volumes too", 'v');

    public static Command Define() => new()
    {
        Use = "rm [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Remove one or more containers",
        OtherNames = ["remove"],
        Aliases = ["container rm", "container remove", "rm"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Force, Link, Volumes],
        Run = static context => EachArgument.RunAsync(context, async Task<string?> (name) =>
        {
            try
            {
                await context.Session.Engine.RemoveContainerAsync(name.Trim('/'), context.Get(Volumes), context.Get(Link), context.Get(Force)).ConfigureAwait(false);
            }
            catch (EngineApiException e) when (e.IsNotFound && context.Get(Force))
            {
                // --force: gone is what was wanted. docker says so, and calls it no failure.
                context.Session.Err.Write($"Error response from daemon: {e.Message}\n");
                return null;
            }

            return name;
        }),
    };
}

/// <summary><c>wait</c></summary>
internal static class WaitCommand
{
    public static Command Define() => new()
    {
        Use = "wait CONTAINER [CONTAINER...]",
        Summary = "Block until one or more containers stop, then print their exit codes",
        Aliases = ["container wait", "wait"],
        Arguments = ArgumentRule.AtLeast(1),
        Run = static context => EachArgument.RunAsync(context, async Task<string?> (name) =>
        {
            using var exit = await context.Session.Engine.WaitContainerAsync(name, WaitCondition.NotRunning).ConfigureAwait(false);
            var code = await exit.ExitAsync().ConfigureAwait(false);
            return code.ToString(System.Globalization.CultureInfo.InvariantCulture);
        }),
    };
}
