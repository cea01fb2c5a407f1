using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary>Removal of everything of a kind that is not used: what the <c>prune</c> commands have in common.</summary>
internal static class Pruning
{
    public static readonly Flag<bool> Force = Flags.Bool("force", "Do not ask", 'f');
    public static readonly Flag<FilterSet> Filter = Flags.Filter(null, "Only what matches the condition (\"until=24h\", \"label=a\")");

    /// <summary>Shows the warning and asks; without a terminal the answer comes from standard input all the same.</summary>
    public static bool Confirm(CommandContext context, string warning)
    {
        if (context.Get(Force))
        {
            return true;
        }

        var output = context.Session.Out;
        output.Write($"WARNING! {warning}\nAre you sure you want to continue? [y/N] ");
        output.Flush();
        var answer = ReadLine(context.Session.Streams.RawIn).Trim();
        return answer.Equals("y", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>The conditions given and those that the configuration adds to every prune.</summary>
    public static FilterSet Conditions(CommandContext context)
    {
        var filter = context.Get(Filter);
        foreach (var condition in context.Session.Configuration.Root is { ValueKind: JsonValueKind.Object } root ? root.Texts("pruneFilters") : [])
        {
            filter = filter.Add(condition);
        }

        return filter;
    }

    public static async Task<(JsonDocument Answer, long Reclaimed)> CallAsync(CommandContext context, string path, FilterSet filter)
    {
        var answer = await context.Session.Engine.GetDocumentAsync(new EngineRequest("POST", path).With("filters", filter.ToJson())).ConfigureAwait(false);
        return (answer, answer.RootElement.Number("SpaceReclaimed"));
    }

    public static string ReadLine(Stream input)
    {
        var line = new List<byte>();
        var one = new byte[1];
        while (input.Read(one) == 1 && one[0] != '\n')
        {
            line.Add(one[0]);
        }

        return System.Text.Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
    }
}

/// <summary><c>container prune</c></summary>
internal static class ContainerPruneCommand
{
    public static Command Define() => new()
    {
        Use = "prune [OPTIONS]",
        Summary = "Remove all containers that do not run",
        Flags = [Pruning.Filter, Pruning.Force],
        Run = static async context =>
        {
            if (!Pruning.Confirm(context, "This will remove all stopped containers."))
            {
                throw new CommandException("container prune has been cancelled");
            }

            var (text, reclaimed) = await PruneAsync(context, Pruning.Conditions(context)).ConfigureAwait(false);
            context.Session.Out.Write($"{text}Total reclaimed space: {Human.Size(reclaimed)}\n");
            return 0;
        },
    };

    public static async Task<(string Text, long Reclaimed)> PruneAsync(CommandContext context, FilterSet filter)
    {
        var (answer, reclaimed) = await Pruning.CallAsync(context, "/containers/prune", filter).ConfigureAwait(false);
        using (answer)
        {
            var ids = answer.RootElement.Texts("ContainersDeleted").ToList();
            return (ids.Count == 0 ? "" : $"Deleted Containers:\n{string.Join('\n', ids)}\n\n", reclaimed);
        }
    }
}
