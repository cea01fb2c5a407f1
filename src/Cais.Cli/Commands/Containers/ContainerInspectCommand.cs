using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>container inspect</c></summary>
internal static class ContainerInspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');
    private static readonly Flag<bool> Size = Flags.Bool("size", "Show sizes", 's');

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] CONTAINER [CONTAINER...]",
        Summary = "Display detailed information on one or more containers",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Format, Size],
        Run = static context => InspectPrinter.RunAsync(
            context,
            context.Get(Format),
            context.Arguments,
            async name => await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(name)}/json").With("size", context.Get(Size))).ConfigureAwait(false)),
    };
}
