using Cais.Daemon.Tests.Api;

namespace Cais.Daemon.Tests.Coverage;

[Collection(DaemonCollection.Name)]
[Trait("Tier", "integration")]
public sealed class ApiCoverageTests(TestDaemon daemon)
{
    /// <summary>Covered where there is a registry or a client at the other end: tests/Cais.EndToEnd.Tests.</summary>
    private static readonly Dictionary<(string Operation, CaseKind Kind), string> Elsewhere = new()
    {
        [("POST /images/{name}/push", CaseKind.Good)] = "ImageTests",
        [("POST /auth", CaseKind.Good)] = "ImageTests",
        [("PUT /volumes/{name}", CaseKind.Good)] = "needs a swarm's cluster volumes",
        [("GET /images/search", CaseKind.Good)] = "needs Docker Hub, or its like",
        [("GET /distribution/{name}/json", CaseKind.Good)] = "ImageTests",
        [("GET /containers/{id}/attach/ws", CaseKind.Good)] = "needs a websocket: beside the other streams",
        [("GET /containers/{id}/checkpoints", CaseKind.Good)] = "experimental: ArchiveApiTests",
        [("GET /containers/{id}/checkpoints", CaseKind.NotFound)] = "experimental: ArchiveApiTests",
        [("POST /containers/{id}/checkpoints", CaseKind.Good)] = "experimental: ArchiveApiTests",
        [("POST /containers/{id}/checkpoints", CaseKind.NotFound)] = "experimental: ArchiveApiTests",
        [("DELETE /containers/{id}/checkpoints/{checkpoint}", CaseKind.Good)] = "experimental: ArchiveApiTests",
        [("DELETE /containers/{id}/checkpoints/{checkpoint}", CaseKind.NotFound)] = "experimental: ArchiveApiTests",
        [("POST /build/cancel", CaseKind.Good)] = "needs a build that goes on",
        [("POST /session", CaseKind.Good)] = "buildx",
        [("POST /grpc", CaseKind.Good)] = "buildx",
        [("GET /plugins/privileges", CaseKind.Good)] = "501: there are no managed plugins",
        [("POST /plugins/pull", CaseKind.Good)] = "501: there are no managed plugins",
        [("POST /plugins/create", CaseKind.Good)] = "501: there are no managed plugins",
    };

    public static TheoryData<int> Cases()
    {
        var data = new TheoryData<int>();
        for (var i = 0; i < ApiCases.All.Count; i++)
        {
            data.Add(new TheoryDataRow<int>(i) { TestDisplayName = ApiCases.All[i].ToString() });
        }

        return data;
    }

    private HashSet<string> Served => [.. daemon.Router.Routes.Select(r => $"{r.Method} {r.Pattern.Replace("*}", "}", StringComparison.Ordinal)}").Append("GET /networks/")];

    [Theory]
    [MemberData(nameof(Cases))]
    public async Task An_endpoint_answers_as_described(int index)
    {
        var asked = ApiCases.All[index];
        await using var world = new CaseWorld(daemon);
        using var content = await world.Content(asked.Body);
        using var request = new HttpRequestMessage(new HttpMethod(asked.Method), new Uri(await world.Fill(asked.Target), UriKind.Relative)) { Content = content };
        using var response = await daemon.Client.SendAsync(request, TestContext.Current.CancellationToken);
        var body = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

        // What is not served yet says so, as any path does that there is not.
        var expected = Served.Contains(asked.Operation) || asked.Status == 400 && asked.Target.StartsWith("/v1.99", StringComparison.Ordinal) ? asked.Status : 404;
        Assert.True(expected == (int)response.StatusCode, $"{asked}: {(int)response.StatusCode} {body[..Math.Min(body.Length, 500)]}");
        if (expected >= 400 && asked.Method != "HEAD")
        {
            Assert.False(string.IsNullOrEmpty((await TestDaemon.Json(response)).GetProperty("message").GetString()));
        }
    }

    [Fact]
    public void Every_endpoint_that_is_served_has_a_good_a_bad_and_a_not_found_case()
    {
        var missing = EndpointTable.Endpoints
            .Where(e => Served.Contains(e.Operation))
            .SelectMany(e => Enum.GetValues<CaseKind>().Select(k => (e.Operation, k)))
            .Where(c => !Elsewhere.ContainsKey(c) && !ApiCases.All.Any(a => a.Operation == c.Operation && a.Kind == c.k))
            .Where(c => !(c.k == CaseKind.NotFound && IsSwarm(c.Operation)) && !Unserved(c.Operation, c.k));
        Assert.Equal([], missing.Select(c => $"{c.Operation}: {c.k}"));
    }

    [Fact]
    public void Every_case_is_about_an_endpoint_that_there_is()
    {
        var known = EndpointTable.Endpoints.Select(e => e.Operation).ToHashSet();
        Assert.Equal([], ApiCases.All.Select(c => c.Operation).Where(o => !known.Contains(o)).Distinct());
    }

    [Fact]
    public void The_page_about_coverage_is_true()
    {
        var path = Path.Combine(Repository.Root, "docs", "api-coverage.md");
        var page = EndpointTable.Page(Served);
        if (Environment.GetEnvironmentVariable("CAIS_WRITE_DOCS") is { Length: > 0 })
        {
            File.WriteAllText(path, page);
        }

        Assert.Equal(page, File.Exists(path) ? File.ReadAllText(path) : "");
    }

    /// <summary>Nothing of a swarm can be looked for where there is none.</summary>
    private static bool IsSwarm(string operation) =>
        operation.Split(' ')[1].Split('/')[1] is "nodes" or "services" or "tasks" or "secrets" or "configs";

    /// <summary>Managed plugins cannot be had: what would make one has no good case, and nothing to be missing.</summary>
    private static bool Unserved(string operation, CaseKind kind) => operation.Contains(" /plugins/", StringComparison.Ordinal) && (kind == CaseKind.Good
        || (kind == CaseKind.NotFound && !operation.Contains('{')) || operation == "POST /plugins/create");
}
