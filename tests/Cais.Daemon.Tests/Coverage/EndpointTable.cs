using System.Globalization;
using System.Text;

namespace Cais.Daemon.Tests.Coverage;

/// <summary>The API's endpoints (Data/engine-api.tsv), and the page that says which of them are covered by what.</summary>
internal static class EndpointTable
{
    /// <summary>On listeners of their own, of Go's run-time, or no endpoints at all.</summary>
    private static readonly string[] OtherAreas = ["NetworkDiagnostic", "Debug", "Metrics"];

    public static IReadOnlyList<(string Area, string Operation)> Endpoints { get; } =
    [
        .. File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Data", "engine-api.tsv"))
            .Skip(1)
            .Select(l => l.Split('\t'))
            .Where(f => !OtherAreas.Contains(f[0]) && f[1] is "GET" or "HEAD" or "POST" or "PUT" or "DELETE" && !f[2].StartsWith("/{", StringComparison.Ordinal))
            .Select(f => (f[0], $"{f[1]} {f[2]}")),
    ];

    public static string Page(IReadOnlySet<string> served)
    {
        var page = new StringBuilder("""
            # API coverage

            Every endpoint of the Engine API (1.55), and the cases in `tests/Cais.Daemon.Tests/Coverage/ApiCases.cs` that ask a running daemon: a good request, a bad one, and one
            for what is not there, each with the status that must come back. Every JSON answer is held against the API's description as well. Further tests of an endpoint
            are beside them.

            *version*: the endpoint takes nothing that could be wrong, so that it is asked in a version that does not exist. *path*: it names nothing that could be missing, so
            that it is asked under a name that does not exist. A node that is in no swarm answers 503, which is all that its good cases can be.

            This page is written by the test suite: `CAIS_WRITE_DOCS=1 ./test.sh Daemon`.

            | area | endpoint | good | bad input | not found |
            |---|---|---|---|---|

            """.Replace("\r", "", StringComparison.Ordinal));
        foreach (var (area, operation) in Endpoints)
        {
            page.Append(CultureInfo.InvariantCulture, $"| {area} | `{operation}` | ");
            page.Append(served.Contains(operation)
                ? string.Join(" | ", Enum.GetValues<CaseKind>().Select(k => Cell(operation, k)))
                : "not served | | ");
            page.Append(" |\n");
        }

        return page.ToString();
    }

    private static string Cell(string operation, CaseKind kind) => string.Join(", ", ApiCases.All.Where(c => c.Operation == operation && c.Kind == kind).Select(c =>
        c.Target.StartsWith("/v1.99", StringComparison.Ordinal) ? $"{c.Status} (version)"
        : kind == CaseKind.NotFound && c.Operation.Split(' ')[1] is var path && !path.Contains('{') && !c.Target.Split('?')[0].Equals(path, StringComparison.Ordinal) ? $"{c.Status} (path)"
        : $"{c.Status}"));
}
