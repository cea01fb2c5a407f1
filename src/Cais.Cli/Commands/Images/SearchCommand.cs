using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;
using Cais.Oci.Images;

namespace Cais.Cli.Commands.Images;

/// <summary><c>search</c></summary>
internal static class SearchCommand
{
    private const int DescriptionWidth = 45;

    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<int> Limit = Flags.Int("limit", "Most results to show");
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");

    private sealed record Row(JsonElement Result, bool Truncate)
    {
        public static readonly RowSchema<Row> Schema = new(
            "*registry.searchContext",
            [
                new("Description", "DESCRIPTION", static r => r.Description),
                new("IsAutomated", "AUTOMATED", static r => r.Result.Truth("is_automated") ? "[OK]" : ""),
                new("IsOfficial", "OFFICIAL", static r => r.Result.Truth("is_official") ? "[OK]" : ""),
                new("Name", "NAME", static r => r.Result.Text("name")),
                new("StarCount", "STARS", static r => r.Result.Number("star_count").ToString(System.Globalization.CultureInfo.InvariantCulture)),
            ]);

        private string Description
        {
            get
            {
                var text = Result.Text("description").Replace('\n', ' ').Replace("\r", "", StringComparison.Ordinal);
                return Truncate ? Human.Ellipsis(text, DescriptionWidth) : text;
            }
        }
    }

    public static Command Define() => new()
    {
        Use = "search [OPTIONS] TERM",
        Summary = "Search a registry for images",
        Category = CommandCategory.Common,
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Filter, Format, Limit, NoTrunc],
        Run = static async context =>
        {
            var term = context.Arguments[0];
            var list = ListFormat<Row>.Parse(Row.Schema, context.Get(Format), "{{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}");
            var domain = Reference.TryParse(term, out var reference) ? reference.Domain : Reference.DefaultDomain;
            using var answer = await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", "/images/search").With("term", term).With("limit", context.Get(Limit) > 0 ? context.Get(Limit) : null)
                    .With("filters", context.Get(Filter).ToJson())
                    .WithHeader("X-Registry-Auth", new RegistryCredentials(context.Session.Configuration).Header(domain))).ConfigureAwait(false);
            list.Print(context.Session.Out, answer.RootElement.EnumerateArray().Select(r => new Row(r, !context.Get(NoTrunc))));
            return 0;
        },
    };
}
