using Cais.Cli.CommandLine;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>create</c>: makes a container without starting it, and prints its id.</summary>
internal static class CreateCommand
{
    public static Command Define() => new()
    {
        Use = "create [OPTIONS] IMAGE [COMMAND] [ARG...]",
        Summary = "Create a new container",
        Aliases = ["container create", "create"],
        Arguments = ArgumentRule.AtLeast(1),
        Interspersed = false,
        Flags = ContainerFlags.All,
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var creator = new ContainerCreator(context.Session, context.Flags);
        try
        {
            creator.CheckPull();
            var request = new CreateRequestBuilder(context.Flags, context.Arguments[0], [.. context.Arguments.Skip(1)], context.Session).Build(detach: false);
            var id = await creator.CreateAsync(request).ConfigureAwait(false);
            context.Session.Out.Write(id + "\n");
            return 0;
        }
        catch (FormatException e)
        {
            return RunFailure.Report(context, e.Message, withHelp: true, RunFailure.EngineError);
        }
    }
}
