using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Commands.Images;
using Cais.Cli.Commands.Networks;
using Cais.Cli.Commands.Volumes;
using Cais.Cli.Formatting;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>system prune</c>: everything that is not used, kind after kind.</summary>
internal static class SystemPruneCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Remove all images that no container uses, not only those without a name", 'a');
    private static readonly Flag<Values.FilterSet> Filter = Pruning.Filter.Since("1.28");
    private static readonly Flag<bool> Volumes = Flags.Bool("volumes", "Remove anonymous volumes too");

    public static Command Define() => new()
    {
        Use = "prune [OPTIONS]",
        Summary = "Remove everything that is not used",
        Flags = [All, Filter, Pruning.Force, Volumes],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var filter = Pruning.Conditions(context);
        if (context.Get(Volumes) && filter.Contains("until"))
        {
            throw new CommandException("ERROR: The \"until\" filter is not supported with \"--volumes\"");
        }

        if (!Pruning.Confirm(context, Warning(context, filter)))
        {
            throw new CommandException("system prune has been cancelled");
        }

        var output = context.Session.Out;
        var (text, total) = await ContainerPruneCommand.PruneAsync(context, filter).ConfigureAwait(false);
        output.Write(text);
        output.Write(await NetworkPruneCommand.PruneAsync(context, filter).ConfigureAwait(false));
        if (context.Get(Volumes))
        {
            var (volumes, reclaimed) = await VolumePruneCommand.PruneAsync(context, filter).ConfigureAwait(false);
            output.Write(volumes);
            total += reclaimed;
        }

        var (images, fromImages) = await ImagePruneCommand.PruneAsync(context, filter, context.Get(All)).ConfigureAwait(false);
        output.Write(images);
        var (cache, fromCache) = await BuilderPruneCommand.PruneAsync(context, filter, context.Get(All)).ConfigureAwait(false);
        output.Write(cache);
        output.Write($"Total reclaimed space: {Human.Size(total + fromImages + fromCache)}\n");
        return 0;
    }

    private static string Warning(CommandContext context, Values.FilterSet filter)
    {
        var lines = new List<string> { "all stopped containers", "all networks not used by at least one container" };
        if (context.Get(Volumes))
        {
            lines.Add("all anonymous volumes not used by at least one container");
        }

        lines.Add(context.Get(All) ? "all images without at least one container associated to them" : "all dangling images");
        lines.Add(context.Get(All) ? "all build cache" : "unused build cache");
        var text = "This will remove:\n" + string.Concat(lines.Select(static l => $"  - {l}\n"));
        return filter.ToJson() is { } json ? $"{text}\n  Items to be pruned will be filtered with:\n  - {json}\n" : text;
    }
}

/// <summary><c>builder prune</c></summary>
internal static class BuilderPruneCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Remove all build cache, not only what nothing refers to", 'a');
    private static readonly Flag<long> KeepStorage = Flags.Bytes("keep-storage", "Space that the cache may keep");

    public static Command Define() => new()
    {
        Use = "prune",
        Summary = "Remove build cache",
        Flags = [All, Pruning.Filter, Pruning.Force, KeepStorage],
        Run = static async context =>
        {
            var warning = context.Get(All) ? "This will remove all build cache." : "This will remove all dangling build cache.";
            if (!Pruning.Confirm(context, warning))
            {
                throw new CommandException("builder prune has been cancelled");
            }

            var (text, reclaimed) = await PruneAsync(context, Pruning.Conditions(context), context.Get(All), context.Get(KeepStorage)).ConfigureAwait(false);
            context.Session.Out.Write($"{text}Total reclaimed space: {Human.Size(reclaimed)}\n");
            return 0;
        },
    };

    public static async Task<(string Text, long Reclaimed)> PruneAsync(CommandContext context, Values.FilterSet filter, bool all, long keep = 0)
    {
        using var answer = await context.Session.Engine.GetDocumentAsync(
            new Client.EngineRequest("POST", "/build/prune").With("all", all).With("keep-storage", keep > 0 ? keep : null).With("filters", filter.ToJson())).ConfigureAwait(false);
        var ids = answer.RootElement.Texts("CachesDeleted").ToList();
        return (ids.Count == 0 ? "" : $"Deleted build cache objects:\n{string.Join('\n', ids)}\n\n", answer.RootElement.Number("SpaceReclaimed"));
    }
}
