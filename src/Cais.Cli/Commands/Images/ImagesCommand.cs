using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary><c>images</c>, <c>image ls</c>: the list of images.</summary>
internal static class ImagesCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Show all images, also those that only others stand on", 'a');
    private static readonly Flag<bool> Digests = Flags.Bool("digests", "Show digests");
    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only ids", 'q');
    private static readonly Flag<bool> Tree = Flags.Bool("tree", "Show what an image holds for each platform", api: "1.47");

    public static Command Define(string name) => new()
    {
        Use = name + " [OPTIONS] [REPOSITORY[:TAG]]",
        Summary = "List images",
        OtherNames = name == "ls" ? ["list"] : [],
        Aliases = ["image ls", "image list", "images"],
        Category = name == "images" ? CommandCategory.Common : CommandCategory.Ordinary,
        Arguments = ArgumentRule.AtMost(1),
        Flags = [All, Digests, Filter, Format, NoTrunc, Quiet, Tree],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var (quiet, digests) = (context.Get(Quiet), context.Get(Digests));
        var format = context.Get(Format).Length > 0 ? context.Get(Format) : quiet ? "" : session.Configuration.Format("imagesFormat") ?? "";
        var filter = context.Arguments is [var name] ? context.Get(Filter).With("reference", name) : context.Get(Filter);
        if (context.Get(Tree))
        {
            return await ImageTree.PrintAsync(context, filter, context.Get(All)).ConfigureAwait(false);
        }

        var template = quiet ? "{{.ID}}"
            : format == "raw"
                ? "repository: {{.Repository}}\n{{if .Tag}}tag: {{.Tag}}\n{{end}}" + (digests ? "digest: {{.Digest}}\n" : "")
                    + "image_id: {{.ID}}\ncreated_at: {{.CreatedAt}}\nvirtual_size: {{.Size}}\n"
                : format;
        var table = "{{.Repository}}\t{{.Tag}}\t" + (digests ? "{{.Digest}}\t" : "")
            + "{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}";
        var list = ListFormat<ImageRow>.Parse(ImageRow.Schema, template, table);
        using var answer = await session.Engine.GetDocumentAsync(
            new EngineRequest("GET", "/images/json").With("all", context.Get(All)).With("filters", filter.ToJson())).ConfigureAwait(false);
        var showDigests = digests || format.Contains(".Digest", StringComparison.Ordinal);
        list.Print(session.Out, ImageRow.Expand(answer.RootElement, showDigests && !quiet, !context.Get(NoTrunc), DateTimeOffset.UtcNow));
        return 0;
    }
}
