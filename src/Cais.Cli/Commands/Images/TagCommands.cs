using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary><c>tag</c></summary>
internal static class TagCommand
{
    public static Command Define() => new()
    {
        Use = "tag SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]",
        Summary = "Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE",
        Aliases = ["image tag", "tag"],
        Arguments = ArgumentRule.Exactly(2),
        Flags = [],
        Run = static async context =>
        {
            Oci.Images.Reference reference;
            try
            {
                reference = Oci.Images.Reference.Parse(context.Arguments[1]);
            }
            catch (Oci.Images.ImageFormatException e)
            {
                throw new CommandException($"Error parsing reference: {GoQuote.Quote(context.Arguments[1])} is not a valid repository/tag: {e.Message}");
            }

            if (reference.Digest is not null)
            {
                throw new CommandException("refusing to create a tag with a digest reference");
            }

            var target = reference.WithDefaultTag();
            await context.Session.Engine.TagImageAsync(context.Arguments[0], target.Name, target.Tag).ConfigureAwait(false);
            return 0;
        },
    };
}

/// <summary><c>rmi</c>, <c>image rm</c></summary>
internal static class RmiCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "Remove even if it is in use under this name", 'f');
    private static readonly Flag<bool> NoPrune = Flags.Bool("no-prune", "Keep parents that have no name");
    private static readonly Flag<IReadOnlyList<string>> Platform = Flags.Slice("platform", "Remove only the image for these platforms: 'os[/arch[/variant]]'", api: "1.50");

    public static Command Define(string name) => new()
    {
        Use = name + " [OPTIONS] IMAGE [IMAGE...]",
        Summary = "Remove one or more images",
        OtherNames = name == "rm" ? ["remove"] : [],
        Aliases = ["image rm", "image remove", "rmi"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Force, NoPrune, Platform],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var failures = new List<string>();
        var fatal = false;
        foreach (var image in context.Arguments)
        {
            try
            {
                using var answer = await session.Engine.GetDocumentAsync(
                    new EngineRequest("DELETE", "/images/" + EngineRequest.Escape(image))
                        .With("force", context.Get(Force)).With("noprune", context.Get(NoPrune))
                        .WithEach("platforms", context.Get(Platform).Select(PlatformOption.ToJson))).ConfigureAwait(false);
                foreach (var item in answer.RootElement.EnumerateArray())
                {
                    session.Out.Write(item.Text("Deleted") is { Length: > 0 } deleted ? $"Deleted: {deleted}\n" : $"Untagged: {item.Text("Untagged")}\n");
                }
            }
            catch (EngineApiException e)
            {
                fatal |= !e.IsNotFound;
                failures.Add("Error response from daemon: " + e.Message);
            }
        }

        await session.Out.FlushAsync().ConfigureAwait(false);
        failures.ForEach(f => session.Err.Write(f + "\n"));

        // --force: images that are not there are no failure.
        return failures.Count > 0 && (fatal || !context.Get(Force)) ? 1 : 0;
    }
}
