using System.Globalization;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Images;

/// <summary>One step in the making of an image.</summary>
internal sealed class HistoryRow(JsonElement step, bool truncate, bool human, DateTimeOffset now)
{
    private const int CreatedByWidth = 45;

    public static readonly RowSchema<HistoryRow> Schema = new(
        "*image.historyContext",
        [
            new("Comment", "COMMENT", static r => r.Step.Text("Comment")),
            new("CreatedAt", "CREATED AT", static r => r.Created <= 0 ? "N/A" : Human.Unix(r.Created).ToLocalTime().ToString("yyyy-MM-dd'T'HH:mm:ssK", CultureInfo.InvariantCulture).Replace("+00:00", "Z", StringComparison.Ordinal)),
            new("CreatedBy", "CREATED BY", static r => r.CreatedBy),
            new("CreatedSince", "CREATED", static r => r.Created <= 0 ? "N/A" : Human.Ago(r.Created, r.Now)),
            new("ID", "IMAGE", static r => r.Id),
            new("Size", "SIZE", static r => r.Size),
        ]);

    private JsonElement Step => step;

    private DateTimeOffset Now => now;

    private long Created => step.Number("Created");

    private string Id => truncate ? Human.ShortId(step.Text("Id")) : step.Text("Id");

    private string CreatedBy
    {
        get
        {
            var command = step.Text("CreatedBy").Replace('\t', ' ');
            return truncate ? Human.Ellipsis(command, CreatedByWidth) : command;
        }
    }

    private string Size => human ? Human.Size(step.Number("Size"), 3) : step.Number("Size").ToString(CultureInfo.InvariantCulture);
}

/// <summary><c>history</c></summary>
internal static class HistoryCommand
{
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> ForHumans = Flags.Bool("human", "Print sizes and dates for people", 'H', defaultValue: true);
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");
    private static readonly Flag<string> Platform = Flags.Text("platform", "History of the image for this platform: 'os[/arch[/variant]]'", api: "1.48");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only ids", 'q');

    public static Command Define() => new()
    {
        Use = "history [OPTIONS] IMAGE",
        Summary = "Show how an image was made",
        Aliases = ["image history", "history"],
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Format, ForHumans, NoTrunc, Platform, Quiet],
        Run = static async context =>
        {
            var human = context.Get(ForHumans);
            var list = ListFormat<HistoryRow>.Parse(
                HistoryRow.Schema,
                context.Get(Quiet) ? "{{.ID}}" : context.Get(Format),
                human ? "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}" : "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}");
            using var answer = await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/images/{EngineRequest.Escape(context.Arguments[0])}/history")
                    .With("platform", context.Get(Platform) is { Length: > 0 } platform ? PlatformOption.ToJson(platform) : null)).ConfigureAwait(false);
            var now = DateTimeOffset.UtcNow;
            list.Print(context.Session.Out, answer.RootElement.EnumerateArray().Select(s => new HistoryRow(s, !context.Get(NoTrunc), human, now)));
            return 0;
        },
    };
}
