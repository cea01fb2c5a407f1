using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary><c>load</c></summary>
internal static class LoadCommand
{
    private static readonly Flag<string> Input = Flags.Text("input", "Read from this archive instead of STDIN", 'i');
    private static readonly Flag<IReadOnlyList<string>> Platform = Flags.Slice("platform", "Load only the image for these platforms: 'os[/arch[/variant]]'", api: "1.48");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Do not show the progress", 'q');

    public static Command Define() => new()
    {
        Use = "load [OPTIONS]",
        Summary = "Load an image from a tar archive or STDIN",
        Aliases = ["image load", "load"],
        Flags = [Input, Platform, Quiet],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var path = context.Get(Input);
        if (path.Length == 0 && session.Streams.InIsTerminal)
        {
            throw new CommandException("requested load from stdin, but stdin is empty");
        }

        await using var archive = path.Length > 0 ? LocalFile.OpenRead(path) : session.Streams.RawIn;
        var quiet = context.Get(Quiet) || !session.Streams.OutIsTerminal;
        using var response = await session.Engine.LoadImagesAsync(archive, quiet, [.. context.Get(Platform).Select(PlatformOption.ToJson)]).ConfigureAwait(false);
        if (response.Head["Content-Type"]?.StartsWith("application/json", StringComparison.Ordinal) == true)
        {
            await new ProgressDisplay(session.Out, session.Streams.OutIsTerminal).ShowAsync(response.ReadJsonStream()).ConfigureAwait(false);
        }
        else
        {
            await response.Body.CopyToAsync(session.Streams.RawOut).ConfigureAwait(false);
        }

        return 0;
    }
}

/// <summary><c>save</c></summary>
internal static class SaveCommand
{
    private static readonly Flag<string> Output = Flags.Text("output", "Write to this file instead of STDOUT", 'o');
    private static readonly Flag<IReadOnlyList<string>> Platform = Flags.Slice("platform", "Save only the image for these platforms: 'os[/arch[/variant]]'", api: "1.48");

    public static Command Define() => new()
    {
        Use = "save [OPTIONS] IMAGE [IMAGE...]",
        Summary = "Save one or more images to a tar archive (streamed to STDOUT by default)",
        Aliases = ["image save", "save"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Output, Platform],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var path = context.Get(Output);
        if (path.Length == 0 && context.Session.Streams.OutIsTerminal)
        {
            throw new CommandException("cowardly refusing to save to a terminal. Use the -o flag or redirect");
        }

        if (path.Length > 0)
        {
            LocalFile.CheckWritable(path, "failed to save image");
        }

        using var response = await context.Session.Engine.SaveImagesAsync(
            context.Arguments, [.. context.Get(Platform).Select(PlatformOption.ToJson)]).ConfigureAwait(false);
        await LocalFile.WriteAsync(path, context.Session.Streams.RawOut, response.Body).ConfigureAwait(false);
        return 0;
    }
}

/// <summary><c>import</c></summary>
internal static class ImportCommand
{
    private static readonly Flag<IReadOnlyList<string>> Change = Flags.List("change", "Apply a Dockerfile instruction to the image", 'c');
    private static readonly Flag<string> Message = Flags.Text("message", "Comment of the image", 'm');
    private static readonly Flag<string> Platform = Flags.Text("platform", "Platform of the image", api: "1.32");

    public static Command Define() => new()
    {
        Use = "import [OPTIONS] file|URL|- [REPOSITORY[:TAG]]",
        Summary = "Import the contents from a tarball to create a filesystem image",
        Aliases = ["image import", "import"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Change, Message, Platform],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var source = context.Arguments[0];
        var isUrl = source.StartsWith("http://", StringComparison.OrdinalIgnoreCase) || source.StartsWith("https://", StringComparison.OrdinalIgnoreCase);
        await using var archive = isUrl ? null : source == "-" ? session.Streams.RawIn : LocalFile.OpenRead(source);
        var reference = context.Arguments.Count > 1 && context.Arguments[1].Length > 0 ? ImagePuller.Parse(context.Arguments[1]) : null;
        var request = new EngineRequest("POST", "/images/create") { BodyStream = archive, ContentType = archive is null ? null : "text/plain" }
            .With("fromSrc", isUrl ? source : "-")
            .With("repo", context.Arguments.Count > 1 ? context.Arguments[1] : null)
            .With("message", context.Get(Message))
            .With("platform", context.Get(Platform))
            .WithEach("changes", context.Get(Change));
        using var response = await session.Engine.SendAsync(request).ConfigureAwait(false);
        await new ProgressDisplay(session.Out, session.Streams.OutIsTerminal).ShowAsync(response.ReadJsonStream()).ConfigureAwait(false);
        return reference is null ? 0 : 0;
    }
}
