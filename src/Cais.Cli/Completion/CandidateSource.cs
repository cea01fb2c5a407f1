using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Completion;

/// <summary>Names that a word can become: from the daemon, from the contexts, or fixed. A daemon that does not answer gives none.</summary>
internal static class CandidateSource
{
    public static async Task<(IEnumerable<(string Text, string Description)> Candidates, bool Files)> ForFlagAsync(Session session, Flag flag, string prefix) => flag.Name switch
    {
        "network" or "net" => (Matching(await NamesAsync(session, "/networks", "Name").ConfigureAwait(false), prefix), false),
        "volumes-from" or "link" => (Matching(await ContainersAsync(session, all: true).ConfigureAwait(false), prefix), false),
        "context" => (Matching(new ContextStore(session.Configuration.Directory).Names().Prepend(ContextStore.DefaultName), prefix), false),
        "restart" => (Matching(["always", "no", "on-failure", "unless-stopped"], prefix), false),
        "pull" => (Matching(["always", "missing", "never"], prefix), false),
        "attach" => (Matching(["stderr", "stdin", "stdout"], prefix), false),
        "signal" or "stop-signal" => (Matching(["SIGHUP", "SIGINT", "SIGKILL", "SIGQUIT", "SIGSTOP", "SIGTERM", "SIGUSR1", "SIGUSR2"], prefix), false),
        "log-driver" => (Matching(["fluentd", "gelf", "journald", "json-file", "local", "none", "syslog"], prefix), false),
        "log-level" => (Matching(["debug", "info", "warn", "error", "fatal"], prefix), false),
        "env" => (Matching(Environment.GetEnvironmentVariables().Keys.Cast<string>().Order(StringComparer.Ordinal), prefix), false),
        "env-file" or "label-file" or "cidfile" or "input" or "output" or "file" or "config" or "tlscacert" or "tlscert" or "tlskey" or "volume" or "iidfile" => ([], true),
        _ => ([], false),
    };

    /// <summary>What the command's synopsis has at that place says what kind of name belongs there.</summary>
    public static async Task<(IEnumerable<(string Text, string Description)> Candidates, bool Files)> ForArgumentAsync(
        Session session, Command command, int index, string prefix)
    {
        var places = command.Use.Split('\n')[0].Split(' ').Skip(1).Where(static p => p != "[OPTIONS]").ToList();
        if (places.Count == 0 || (index >= places.Count && !places[^1].Contains("...", StringComparison.Ordinal)))
        {
            return ([], false);
        }

        var place = places[Math.Min(index, places.Count - 1)].Trim('[', ']');
        var running = command.Name is "attach" or "exec" or "kill" or "pause" or "stop" or "top";
        if (place.Contains("SRC_PATH", StringComparison.Ordinal) || place.Contains("DEST_PATH", StringComparison.Ordinal))
        {
            return (Matching((await ContainersAsync(session, all: true).ConfigureAwait(false)).Select(static n => n + ":"), prefix), true);
        }

        IEnumerable<string>? names = place switch
        {
            ['C', 'O', 'N', 'T', 'A', ..] => await ContainersAsync(session, !running, command.Name == "start").ConfigureAwait(false),
            ['C', 'O', 'N', 'T', 'E', ..] => new ContextStore(session.Configuration.Directory).Names().Prepend(ContextStore.DefaultName),
            _ when place.Contains("IMAGE", StringComparison.Ordinal) || place.StartsWith("REPOSITORY", StringComparison.Ordinal) => await ImagesAsync(session).ConfigureAwait(false),
            ['N', 'A', 'M', 'E', '|', ..] =>
                [.. await ContainersAsync(session, all: true).ConfigureAwait(false), .. await ImagesAsync(session).ConfigureAwait(false), .. await NamesAsync(session, "/networks", "Name").ConfigureAwait(false)],
            ['N', 'A', 'M', 'E', ..] => await ImagesAsync(session).ConfigureAwait(false),
            ['N', 'E', 'T', ..] => await NamesAsync(session, "/networks", "Name").ConfigureAwait(false),
            ['V', 'O', 'L', ..] => await NamesAsync(session, "/volumes", "Name").ConfigureAwait(false),
            _ => null,
        };
        return names is null ? ([], true) : (Matching(names, prefix), false);
    }

    private static IEnumerable<(string, string)> Matching(IEnumerable<string> names, string prefix) =>
        names.Where(n => n.StartsWith(prefix, StringComparison.Ordinal)).Select(static n => (n, ""));

    private static async Task<IReadOnlyList<string>> ContainersAsync(Session session, bool all, bool stopped = false) =>
        await ReadAsync(session, new EngineRequest("GET", "/containers/json").With("all", all), root => root.EnumerateArray()
            .Where(c => !stopped || c.Text("State") != "running")
            .SelectMany(static c => c.Texts("Names")).Select(static n => n.TrimStart('/'))).ConfigureAwait(false);

    private static async Task<IReadOnlyList<string>> ImagesAsync(Session session) =>
        await ReadAsync(session, new EngineRequest("GET", "/images/json"), static root => root.EnumerateArray().SelectMany(static i => i.Texts("RepoTags"))).ConfigureAwait(false);

    private static async Task<IReadOnlyList<string>> NamesAsync(Session session, string path, string member) =>
        await ReadAsync(session, new EngineRequest("GET", path), root =>
            (root.ValueKind == JsonValueKind.Array ? root.EnumerateArray() : root.Items("Volumes")).Select(i => i.Text(member))).ConfigureAwait(false);

    private static async Task<IReadOnlyList<string>> ReadAsync(Session session, EngineRequest request, Func<JsonElement, IEnumerable<string>> read)
    {
        try
        {
            using var answer = await session.Engine.GetDocumentAsync(request).ConfigureAwait(false);
            return [.. read(answer.RootElement).Where(static n => n.Length > 0).Order(StringComparer.Ordinal)];
        }
        catch (Exception e) when (e is EngineApiException or IOException or InvalidDataException)
        {
            return [];
        }
    }
}
