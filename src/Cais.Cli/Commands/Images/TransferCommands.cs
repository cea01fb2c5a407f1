using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Images;

/// <summary><c>pull</c></summary>
internal static class PullCommand
{
    private static readonly Flag<bool> AllTags = Flags.Bool("all-tags", "Fetch every tag of the repository", 'a');
    private static readonly Flag<string> Platform = Flags.Text("platform", "Platform of the image, if it is made for several", api: "1.32");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Do not show the progress", 'q');

    public static Command Define() => new()
    {
        Use = "pull [OPTIONS] NAME[:TAG|@DIGEST]",
        Summary = "Download an image from a registry",
        Aliases = ["image pull", "pull"],
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.Exactly(1),
        Flags = [AllTags, Containers.ContainerFlags.DisableContentTrust, Platform, Quiet],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var (session, image) = (context.Session, context.Arguments[0]);
        var (allTags, quiet) = (context.Get(AllTags), context.Get(Quiet));
        var reference = ImagePuller.Parse(image);
        if (allTags && (reference.Tag is not null || reference.Digest is not null))
        {
            throw new CommandException("tag can't be used with --all-tags/-a");
        }

        if (!allTags && reference.Tag is null && reference.Digest is null && !quiet)
        {
            session.Out.Write($"Using default tag: {Reference.DefaultTag}\n");
            await session.Out.FlushAsync().ConfigureAwait(false);
        }

        var display = quiet ? null : new ProgressDisplay(session.Out, session.Streams.OutIsTerminal);
        var platform = context.Get(Platform) is { Length: > 0 } text ? text : session.Environment("DOCKER_DEFAULT_PLATFORM");
        await ImagePuller.PullAsync(session, image, platform, display, allTags).ConfigureAwait(false);
        session.Out.Write((allTags ? reference : reference.WithDefaultTag()) + "\n");
        return 0;
    }
}

/// <summary><c>push</c></summary>
internal static class PushCommand
{
    private static readonly Flag<bool> AllTags = Flags.Bool("all-tags", "Push every tag of the repository", 'a');
    private static readonly Flag<string> Platform = Flags.Text("platform", "Push only the image for this platform: 'os[/arch[/variant]]'", api: "1.46");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Do not show the progress", 'q');

    public static Command Define() => new()
    {
        Use = "push [OPTIONS] NAME[:TAG]",
        Summary = "Upload an image to a registry",
        Aliases = ["image push", "push"],
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.Exactly(1),
        Flags = [AllTags, Containers.ContainerFlags.DisableContentTrust, Platform, Quiet],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var (allTags, quiet) = (context.Get(AllTags), context.Get(Quiet));
        var reference = ImagePuller.Parse(context.Arguments[0]);
        if (allTags && (reference.Tag is not null || reference.Digest is not null))
        {
            throw new CommandException("tag can't be used with --all-tags/-a");
        }

        if (!allTags && reference.Tag is null && reference.Digest is null)
        {
            reference = reference.WithDefaultTag();
            if (!quiet)
            {
                session.Out.Write($"Using default tag: {Reference.DefaultTag}\n");
                await session.Out.FlushAsync().ConfigureAwait(false);
            }
        }

        var auth = new RegistryCredentials(session.Configuration).Header(reference.Domain);
        var platform = context.Get(Platform) is { Length: > 0 } text ? PlatformOption.ToJson(text) : null;
        using var response = await session.Engine.PushImageAsync(reference.Name, reference.Tag, auth, platform).ConfigureAwait(false);
        if (quiet)
        {
            await ProgressDisplay.DrainAsync(response.ReadJsonStream()).ConfigureAwait(false);
            session.Out.Write(reference + "\n");
        }
        else
        {
            await new ProgressDisplay(session.Out, session.Streams.OutIsTerminal).ShowAsync(response.ReadJsonStream()).ConfigureAwait(false);
        }

        return 0;
    }
}

/// <summary>Platforms as some calls want them: a JSON object.</summary>
internal static class PlatformOption
{
    public static string ToJson(string text)
    {
        var parts = text.Split('/');
        var json = new System.Text.StringBuilder("{\"os\":");
        GoJson.WriteString(json, parts.Length > 1 ? parts[0] : "linux");
        json.Append(",\"architecture\":");
        GoJson.WriteString(json, parts.Length > 1 ? parts[1] : parts[0]);
        if (parts.Length > 2)
        {
            json.Append(",\"variant\":");
            GoJson.WriteString(json, parts[2]);
        }

        return json.Append('}').ToString();
    }
}
