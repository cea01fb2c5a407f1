using System.Reflection;
using System.Text;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Specification;

/// <summary>
/// Holds the specification's demands, the tests and docs/runtime-spec.md together: none without a test, no test that names what is not
/// there, and the page is what the two say. Set CAIS_ACCEPT_DOCS=1 to write the page anew.
/// </summary>
public sealed class SentenceTable
{
    private static readonly string[] Pages = ["runtime.md", "runtime-linux.md", "config.md", "config-linux.md"];

    private sealed record Demand(string Page, string Key, string Section, string Text);

    private static List<Demand> Demands => [.. File.ReadAllLines(Path.Combine(SourceTree.Root, "tests/Cais.Runtime.Tests/Specification/sentences.tsv"))
        .Where(line => line.Length > 0 && line[0] != '#')
        .Select(line => line.Split('\t'))
        .Select(fields => new Demand(fields[0], fields[1], fields[2], fields[3]))];

    private static ILookup<(string, string), string> Tests => typeof(SentenceTable).Assembly.GetTypes()
        .SelectMany(type => type.GetMethods())
        .SelectMany(method => method.GetCustomAttributes<SentenceAttribute>(), (method, sentence) => (method, sentence))
        .OrderBy(pair => pair.method.DeclaringType!.Name, StringComparer.Ordinal).ThenBy(pair => pair.method.Name, StringComparer.Ordinal)
        .ToLookup(pair => (pair.sentence.Page, pair.sentence.Key), pair => $"{pair.method.DeclaringType!.Name}.{pair.method.Name}");

    [Fact]
    public void Every_demand_has_a_test() =>
        Assert.Empty(Demands.Where(demand => !Tests.Contains((demand.Page, demand.Key))).Select(demand => $"{demand.Page} {demand.Key}"));

    [Fact]
    public void Every_test_names_a_demand_that_is_listed_once()
    {
        var known = Demands.Select(demand => (demand.Page, demand.Key)).ToList();
        Assert.Equal(known.Count, known.Distinct().Count());
        Assert.Empty(Tests.Where(group => !known.Contains(group.Key)).Select(group => $"{group.Key}: {string.Join(", ", group)}"));
        Assert.All(Demands, demand => Assert.Contains(demand.Page, Pages));
    }

    [Fact]
    public void The_page_in_docs_is_up_to_date()
    {
        var path = Path.Combine(SourceTree.Root, "docs/runtime-spec.md");
        var text = Write();
        if (Environment.GetEnvironmentVariable("CAIS_ACCEPT_DOCS") == "1")
        {
            File.WriteAllText(path, text);
        }

        Assert.Equal(text, File.ReadAllText(path));
    }

    private static string Write()
    {
        var text = new StringBuilder("""
            # The runtime specification, demand by demand

            Each sentence with "MUST" or "MUST NOT" of the OCI runtime specification 1.3 that concerns a runtime on Linux, in the order of its pages, by the
            heading it stands under, in our words; and the tests in `tests/Cais.Runtime.Tests` that hold it. Sentences that say the same of several hooks are one row.
            "Must" in small letters and REQUIRED are listed where a runtime can break them. Not listed: what is about other platforms, about who writes a
            configuration where a runtime cannot tell, and about future versions of the specification.

            This page is written by a test from `Specification/sentences.tsv` and the `[Sentence]` attributes of the tests; do not edit it.

            """);
        var tests = Tests;
        foreach (var page in Pages)
        {
            text.Append($"\n## {page}\n\n| section | demand | tests |\n|---|---|---|\n");
            var section = "";
            foreach (var demand in Demands.Where(demand => demand.Page == page))
            {
                var names = string.Join("<br>", tests[(demand.Page, demand.Key)].Select(name => $"`{name}`"));
                text.Append($"| {(demand.Section == section ? "" : demand.Section)} | {demand.Text} | {names} |\n");
                section = demand.Section;
            }
        }

        return text.ToString();
    }
}
