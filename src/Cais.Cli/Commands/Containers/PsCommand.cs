using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>ps</c>, <c>container ls</c>: the list of containers.</summary>
internal static class PsCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Show all containers, not only running ones", 'a');
    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<int> Last = Flags.Int("last", "Show the n containers created last, running or not", 'n', -1);
    private static readonly Flag<bool> Latest = Flags.Bool("latest", "Show the container created last, running or not", 'l');
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only ids", 'q');
    private static readonly Flag<bool> Size = Flags.Bool("size", "Show sizes", 's');

    public static Command Define(string name) => new()
    {
        Use = name + " [OPTIONS]",
        Summary = "List containers",
        OtherNames = name == "ls" ? ["ps", "list"] : [],
        Aliases = ["container ls", "container list", "container ps", "ps"],
        Category = name == "ps" ? CommandCategory.Common : CommandCategory.Ordinary,
        Flags = [All, Filter, Format, Last, Latest, NoTrunc, Quiet, Size],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var format = context.Get(Format).Length > 0 ? context.Get(Format)
            : context.Get(Quiet) ? "" : session.Configuration.Format("psFormat") ?? "";
        var last = context.Get(Latest) ? 1 : context.Get(Last);
        var size = context.Get(Size) || (!context.Flags.Changed(Size) && MentionsSize(format));
        var list = ListFormat<ContainerRow>.Parse(ContainerRow.Schema, Resolve(format, context.Get(Quiet), size), DefaultTable(size));
        using var answer = await session.Engine.GetDocumentAsync(
            new EngineRequest("GET", "/containers/json")
                .With("all", context.Get(All))
                .With("limit", last > 0 ? last : null)
                .With("size", size)
                .With("filters", context.Get(Filter).ToJson())).ConfigureAwait(false);
        var truncate = !context.Get(NoTrunc);
        var now = DateTimeOffset.UtcNow;
        var rows = answer.RootElement.EnumerateArray().Select(c => new ContainerRow(c, truncate, now));
        list.Print(session.Out, rows);
        return 0;
    }

    private static string Resolve(string format, bool quiet, bool size) => format switch
    {
        _ when quiet => format is "" or "table" ? "{{.ID}}" : format == "raw" ? "container_id: {{.ID}}" : "{{.ID}}",
        "raw" => "container_id: {{.ID}}\nimage: {{.Image}}\ncommand: {{.Command}}\ncreated_at: {{.CreatedAt}}\nstate: {{- pad .State 1 0}}\n"
            + "status: {{- pad .Status 1 0}}\nnames: {{.Names}}\nlabels: {{- pad .Labels 1 0}}\nports: {{- pad .Ports 1 0}}\n"
            + (size ? "size: {{.Size}}\n" : ""),
        _ => format,
    };

    private static string DefaultTable(bool size) =>
        "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Ports}}\t{{.Names}}" + (size ? "\t{{.Size}}" : "");

    /// <summary>Sizes cost the daemon much: it is asked for them only when they are shown.</summary>
    private static bool MentionsSize(string format) => format.Contains(".Size", StringComparison.Ordinal) || format.Contains("json .}", StringComparison.Ordinal) || format.Contains("json . ", StringComparison.Ordinal);
}
