using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cais.Cli.Tests.Fake;

namespace Cais.Cli.Tests;

/// <summary>
/// The same command lines, given to docker 28.2.2 and to this client, against the same fake daemon, must give the same output, error
/// output, exit code and requests. What docker did is kept in Golden/; with CAIS_RECORD_GOLDEN=/path/to/docker set, it is asked
/// again. CAIS_GOLDEN_ACTUAL names a directory for what this client did, to compare with diff.
/// </summary>
public sealed partial class GoldenTests
{
    private static readonly string Directory = Path.Combine(RepositoryRoot(), "tests", "Cais.Cli.Tests", "Golden");

    private static readonly Dictionary<string, string[]> Cases = GoldenCases.All.Concat(TemplateCases.All()).ToDictionary();

    public static TheoryData<string> Names()
    {
        var data = new TheoryData<string>();
        foreach (var name in Cases.Keys)
        {
            data.Add(name);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Output_is_dockers(string name)
    {
        var arguments = Cases[name];
        var file = Path.Combine(Directory, name + ".txt");
        using var engine = StandardEngine.Create();
        if (Environment.GetEnvironmentVariable("CAIS_RECORD_GOLDEN") is { Length: > 0 } docker)
        {
            var theirs = await CliRun.DockerAsync(docker, engine, arguments);
            await File.WriteAllTextAsync(file, Render(theirs, engine, "docker", arguments.Contains("-d")), TestContext.Current.CancellationToken);
            engine.Forget();
        }

        var expected = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
        var ours = await CliRun.CaisAsync(engine, arguments);
        var actual = Render(ours, engine, "cais", arguments.Contains("-d"));
        if (Environment.GetEnvironmentVariable("CAIS_GOLDEN_ACTUAL") is { Length: > 0 } directory)
        {
            await File.WriteAllTextAsync(Path.Combine(directory, name + ".txt"), actual, TestContext.Current.CancellationToken);
        }

        Assert.Equal(expected, actual, ignoreLineEndingDifferences: false);
    }

    private static string Render(CliRun run, FakeEngine engine, string program, bool detached)
    {
        var text = new StringBuilder();
        text.Append("exit ").Append(run.ExitCode).Append("\n--- stdout\n").Append(run.Output).Append("--- stderr\n").Append(run.Error).Append("--- requests\n");
        foreach (var request in engine.Requests.Where(r => !IsLookUp(r) && !(detached && r.Path.EndsWith("/wait", StringComparison.Ordinal))).Select(Describe).Order(StringComparer.Ordinal))
        {
            text.Append(request).Append('\n');
        }

        // 28.2.2 prints "SRun" for one kind of mistake; that slip is not kept.
        var result = text.ToString().Replace(engine.SocketPath, "/fake.sock", StringComparison.Ordinal).Replace("SRun '", "Run '", StringComparison.Ordinal);
        return program == "docker" ? Ours().Replace(result, static m => m.Value == "Docker" ? "Cais" : "cais") : result;
    }

    /// <summary>docker looks some things up first, for messages that the daemon's own answer gives as well: those round trips are saved.</summary>
    private static bool IsLookUp(FakeRequest request) => request.Method == "GET"
        && (request.Path == "/info" || request.Path.StartsWith("/plugins/", StringComparison.Ordinal)
            || (request.Path.StartsWith("/containers/", StringComparison.Ordinal) && request.Path.EndsWith("/json", StringComparison.Ordinal)))
        || request.Path == "/containers/missing/exec"
        || (request.Method == "GET" && request.Path is "/networks/front" or "/networks/missing");

    /// <summary>A request with the order of its parameters and members taken out, and what says nothing (null, empty, zero, false).</summary>
    private static string Describe(FakeRequest request)
    {
        var query = string.Join('&', request.Query.Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Select(static p => Uri.UnescapeDataString(p.Replace('+', ' ')))
            .Where(static p => p != "verbose=1" && !p.EndsWith('=') && !p.EndsWith("=0", StringComparison.Ordinal) && !p.EndsWith("=false", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal));
        var body = request.Body;
        if (body.StartsWith('{'))
        {
            using var json = JsonDocument.Parse(body);
            var canonical = new StringBuilder();
            Canonical(canonical, json.RootElement);
            body = canonical.ToString();
            if (request.Path.EndsWith("/exec", StringComparison.Ordinal))
            {
                // 28.2.2 still sends a member here that the API never had.
                body = body.Replace(",\"Detach\":true", "", StringComparison.Ordinal);
            }
        }

        return $"{request.Method} {request.Path}{(query.Length > 0 ? "?" + query : "")}{(body.Length > 0 ? " " + body : "")}";
    }

    private static void Canonical(StringBuilder output, JsonElement element, bool sorted = false)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                output.Append('{').AppendJoin(',', element.EnumerateObject().Where(static p => !IsNothing(p.Value)).Where(static p => p.Name != "NetworkingConfig" || p.Value.GetProperty("EndpointsConfig").EnumerateObject().Any()).OrderBy(static p => p.Name, StringComparer.Ordinal).Select(static p =>
                {
                    var member = new StringBuilder();
                    Canonical(member, p.Value, sorted: p.Name is "Binds" or "Env");
                    return $"\"{p.Name}\":{member}";
                })).Append('}');
                break;
            case JsonValueKind.Array:
                var items = element.EnumerateArray().Select(static e =>
                {
                    var item = new StringBuilder();
                    Canonical(item, e);
                    return item.ToString();
                });
                output.Append('[').AppendJoin(',', sorted ? items.Order(StringComparer.Ordinal) : items).Append(']');
                break;
            case JsonValueKind.String:
                output.Append('"').Append(element.GetString()).Append('"');
                break;
            default:
                output.Append(element.GetRawText());
                break;
        }
    }

    private static bool IsNothing(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null or JsonValueKind.False => true,
        JsonValueKind.Number => value.GetRawText() == "0",
        JsonValueKind.String => value.GetString()!.Length == 0,
        JsonValueKind.Array => value.GetArrayLength() == 0 || value.EnumerateArray().All(IsNothing) && value.EnumerateArray().All(static v => v.ValueKind == JsonValueKind.Number),
        JsonValueKind.Object => value.EnumerateObject().All(static p => IsNothing(p.Value)) && value.EnumerateObject().Any(),
        _ => false,
    };

    /// <summary>The other product's name, but not where it is part of a path, an address or a media type.</summary>
    [GeneratedRegex(@"(?<![\w/.""-])[Dd]ocker(?![\w./-]|:\S)")]
    private static partial Regex Ours();

    private static string RepositoryRoot()
    {
        var directory = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(directory, "Cais.slnx")))
        {
            directory = Path.GetDirectoryName(directory)!;
        }

        return directory;
    }
}
