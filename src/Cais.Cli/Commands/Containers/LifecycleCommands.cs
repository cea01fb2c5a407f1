using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>restart</c></summary>
internal static class RestartCommand
{
    private static readonly Flag<string> Signal = Flags.Text("signal", "Signal to ask with", 's');
    private static readonly Flag<int> Timeout = Flags.Int("timeout", "Seconds to wait before killing the container", 't');
    private static readonly Flag<int> Time = Timeout.HiddenAlias("time", "use --timeout instead");

    public static Command Define() => new()
    {
        Use = "restart [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Stop and start one or more containers",
        Aliases = ["container restart", "restart"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Signal, Timeout, Time],
        Run = static context =>
        {
            var timeout = context.Flags.Changed(Timeout) ? context.Get(Timeout) : (int?)null;
            return EachArgument.RunAsync(context, name => context.Session.Engine.RestartContainerAsync(name, context.Get(Signal), timeout));
        },
    };
}

/// <summary><c>pause</c></summary>
internal static class PauseCommand
{
    public static Command Define() => new()
    {
        Use = "pause CONTAINER [CONTAINER...]",
        Summary = "Hold all processes of one or more containers",
        Aliases = ["container pause", "pause"],
        Arguments = ArgumentRule.AtLeast(1),
        Run = static context => EachArgument.RunAsync(context, name => context.Session.Engine.PauseContainerAsync(name)),
    };
}

/// <summary><c>unpause</c></summary>
internal static class UnpauseCommand
{
    public static Command Define() => new()
    {
        Use = "unpause CONTAINER [CONTAINER...]",
        Summary = "Let the processes of one or more containers go on",
        Aliases = ["container unpause", "unpause"],
        Arguments = ArgumentRule.AtLeast(1),
        Run = static context => EachArgument.RunAsync(context, name => context.Session.Engine.UnpauseContainerAsync(name)),
    };
}

/// <summary><c>rename</c></summary>
internal static class RenameCommand
{
    public static Command Define() => new()
    {
        Use = "rename CONTAINER NEW_NAME",
        Summary = "Give a container another name",
        Aliases = ["container rename", "rename"],
        Arguments = ArgumentRule.Exactly(2),
        Run = static async context =>
        {
            var (from, to) = (context.Arguments[0].Trim(), context.Arguments[1].Trim());
            if (from.Length == 0 || to.Length == 0)
            {
                throw new CommandException("Error: Neither old nor new names may be empty");
            }

            await context.Session.Engine.RenameContainerAsync(from, to).ConfigureAwait(false);
            return 0;
        },
    };
}
