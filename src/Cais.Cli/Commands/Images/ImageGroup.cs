using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary><c>image ...</c></summary>
internal static class ImageGroup
{
    public static Command Define() => new()
    {
        Use = "image COMMAND",
        Summary = "Manage images",
        Category = CommandCategory.Management,
        Children =
        [
            Builds.BuildImageCommand.Define,
            HistoryCommand.Define,
            ImageInspectCommand.Define,
            ImportCommand.Define,
            LoadCommand.Define,
            static () => ImagesCommand.Define("ls"),
            ImagePruneCommand.Define,
            PullCommand.Define,
            PushCommand.Define,
            static () => RmiCommand.Define("rm"),
            SaveCommand.Define,
            TagCommand.Define,
        ],
    };
}

/// <summary><c>image inspect</c></summary>
internal static class ImageInspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');
    private static readonly Flag<string> Platform = Flags.Text("platform", "Inspect the image for this platform: 'os[/arch[/variant]]'", api: "1.49");

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] IMAGE [IMAGE...]",
        Summary = "Display detailed information on one or more images",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Format, Platform],
        Run = static context => InspectPrinter.RunAsync(
            context,
            context.Get(Format),
            context.Arguments,
            async name => await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/images/{EngineRequest.Escape(name)}/json")
                    .With("platform", context.Get(Platform) is { Length: > 0 } platform ? PlatformOption.ToJson(platform) : null)).ConfigureAwait(false)),
    };
}
