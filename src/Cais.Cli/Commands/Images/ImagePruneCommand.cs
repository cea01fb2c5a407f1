using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Formatting;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.Images;

/// <summary><c>image prune</c></summary>
internal static class ImagePruneCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Remove all images that no container uses, not only those without a name", 'a');

    public static Command Define() => new()
    {
        Use = "prune [OPTIONS]",
        Summary = "Remove images that are not used",
        Flags = [All, Pruning.Filter, Pruning.Force],
        Run = static async context =>
        {
            var warning = context.Get(All)
                ? "This will remove all images without at least one container associated to them."
                : "This will remove all dangling images.";
            if (!Pruning.Confirm(context, warning))
            {
                throw new CommandException("image prune has been cancelled");
            }

            var (text, reclaimed) = await PruneAsync(context, Pruning.Conditions(context), context.Get(All)).ConfigureAwait(false);
            context.Session.Out.Write($"{text}Total reclaimed space: {Human.Size(reclaimed)}\n");
            return 0;
        },
    };

    public static async Task<(string Text, long Reclaimed)> PruneAsync(CommandContext context, FilterSet filter, bool all)
    {
        var (answer, reclaimed) = await Pruning.CallAsync(context, "/images/prune", filter.With("dangling", all ? "false" : "true")).ConfigureAwait(false);
        using (answer)
        {
            var lines = answer.RootElement.Items("ImagesDeleted")
                .Select(static i => i.Text("Untagged") is { Length: > 0 } name ? $"untagged: {name}" : $"deleted: {i.Text("Deleted")}").ToList();
            return (lines.Count == 0 ? "" : $"Deleted Images:\n{string.Join('\n', lines)}\n\n", reclaimed);
        }
    }
}
