using System.Collections.Concurrent;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>stats</c>: a live table of what containers use.</summary>
internal static class StatsCommand
{
    private static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(500);

    private static readonly Flag<bool> All = Flags.Bool("all", "Show all containers, not only running ones", 'a');
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> NoStream = Flags.Bool("no-stream", "Print one measurement and end");
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");

    public static Command Define() => new()
    {
        Use = "stats [OPTIONS] [CONTAINER...]",
        Summary = "Show what containers use, as it changes",
        Aliases = ["container stats", "stats"],
        Arguments = ArgumentRule.AtLeast(0),
        Flags = [All, Format, NoStream, NoTrunc],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var format = context.Get(Format).Length > 0 ? context.Get(Format) : session.Configuration.Format("statsFormat") ?? "";
        var list = ListFormat<StatsRow>.Parse(
            StatsRow.Schema, format, "{{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}");
        var rows = new ConcurrentDictionary<string, StatsRow>();
        var failures = new ConcurrentQueue<string>();
        var truncate = !context.Get(NoTrunc);
        var names = await NamesAsync(context).ConfigureAwait(false);
        foreach (var name in names)
        {
            rows[name] = new StatsRow(name, truncate);
        }

        if (context.Get(NoStream))
        {
            await Task.WhenAll(names.Select(name => Task.Run(() => WatchAsync(session.Engine, name, rows, failures, once: true)))).ConfigureAwait(false);
            if (!failures.IsEmpty)
            {
                throw new CommandException(string.Join('\n', failures));
            }

            list.Print(session.Out, names.Select(n => rows[n]));
            return 0;
        }

        foreach (var name in names)
        {
            Watch(session.Engine, name, rows, failures);
        }

        if (context.Arguments.Count == 0)
        {
            FollowContainers(session.Engine, rows, failures, truncate, context.Get(All));
        }

        while (true)
        {
            var text = new StringWriter { NewLine = "\n" };
            list.Print(text, rows.OrderBy(static r => r.Key, StringComparer.Ordinal).Select(static r => r.Value));
            var isTable = format is "" or "table" || format.StartsWith("table ", StringComparison.Ordinal);

            // From the top: every line's rest is cleared, then what is below.
            session.Out.Write(isTable ? "\x1b[H" + text.ToString().Replace("\n", "\x1b[K\n", StringComparison.Ordinal) + "\x1b[J" : text.ToString());
            await session.Out.FlushAsync().ConfigureAwait(false);
            if (!failures.IsEmpty && context.Arguments.Count > 0 && rows.Values.All(static r => !r.Valid))
            {
                throw new CommandException(string.Join('\n', failures));
            }

            if (rows.IsEmpty && context.Arguments.Count > 0)
            {
                return 0;
            }

            await Task.Delay(Pace).ConfigureAwait(false);
        }
    }

    private static async Task<IReadOnlyList<string>> NamesAsync(CommandContext context)
    {
        if (context.Arguments.Count > 0)
        {
            return context.Arguments;
        }

        using var answer = await context.Session.Engine.GetDocumentAsync(
            new EngineRequest("GET", "/containers/json").With("all", context.Get(All))).ConfigureAwait(false);
        return [.. answer.RootElement.EnumerateArray().Select(static c => c.Text("Id"))];
    }

    private static void Watch(
        EngineClient engine, string name, ConcurrentDictionary<string, StatsRow> rows, ConcurrentQueue<string> failures) =>
        new Thread(() => WatchAsync(engine, name, rows, failures, once: false).GetAwaiter().GetResult()) { IsBackground = true }.Start();

    private static async Task WatchAsync(
        EngineClient engine, string name, ConcurrentDictionary<string, StatsRow> rows, ConcurrentQueue<string> failures, bool once)
    {
        try
        {
            using var response = await engine.SendAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(name)}/stats").With("stream", once ? "0" : "1")).ConfigureAwait(false);
            var stream = response.ReadJsonStream();
            while (await stream.NextAsync().ConfigureAwait(false) is { } stats)
            {
                using (stats)
                {
                    rows[name] = rows[name].With(stats.RootElement);
                }
            }

            if (!once)
            {
                rows.TryRemove(name, out _);
            }
        }
        catch (EngineApiException e)
        {
            failures.Enqueue("Error response from daemon: " + e.Message);
            rows.TryRemove(name, out _);
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            failures.Enqueue(e.Message);
            rows.TryRemove(name, out _);
        }
    }

    /// <summary>Containers that start from now on join the table.</summary>
    private static void FollowContainers(
        EngineClient engine, ConcurrentDictionary<string, StatsRow> rows, ConcurrentQueue<string> failures, bool truncate, bool all) =>
        new Thread(() =>
        {
            try
            {
                using var response = engine.EventsAsync(filters: """{"type":{"container":true}}""").GetAwaiter().GetResult();
                var stream = response.ReadJsonStream();
                while (stream.NextAsync().AsTask().GetAwaiter().GetResult() is { } message)
                {
                    using (message)
                    {
                        var (action, id) = (message.RootElement.Text("Action"), message.RootElement.Member("Actor")?.Text("ID") ?? "");
                        if ((action == "start" || (all && action == "create")) && rows.TryAdd(id, new StatsRow(id, truncate)))
                        {
                            Watch(engine, id, rows, failures);
                        }
                        else if (action == "destroy" || (!all && action == "die"))
                        {
                            rows.TryRemove(id, out _);
                        }
                    }
                }
            }
            catch (Exception e) when (e is IOException or InvalidDataException or EngineApiException)
            {
                // Without events the table keeps to the containers it has.
            }
        })
        { IsBackground = true }.Start();
}
