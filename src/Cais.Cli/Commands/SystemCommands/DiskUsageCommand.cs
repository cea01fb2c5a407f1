using System.Globalization;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary>The space that one kind of object takes.</summary>
internal sealed record UsageRow(string Type, int Total, int Active, long Size, long Reclaimable, bool WithPercent)
{
    public static readonly RowSchema<UsageRow> Schema = new(
        "*formatter.diskUsageContext",
        [
            new("Active", "ACTIVE", static r => r.Active.ToString(CultureInfo.InvariantCulture)),
            new("Reclaimable", "RECLAIMABLE", static r => r.Size > 0 && r.WithPercent
                ? $"{Human.Size(r.Reclaimable)} ({r.Reclaimable * 100 / r.Size}%)"
                : Human.Size(r.Reclaimable)),
            new("Size", "SIZE", static r => Human.Size(r.Size)),
            new("TotalCount", "TOTAL", static r => r.Total.ToString(CultureInfo.InvariantCulture)),
            new("Type", "TYPE", static r => r.Type),
        ]);
}

/// <summary><c>system df</c></summary>
internal static class DiskUsageCommand
{
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> Verbose = Flags.Bool("verbose", "Show every object", 'v');

    public static Command Define() => new()
    {
        Use = "df [OPTIONS]",
        Summary = "Show how much space the engine uses",
        Flags = [Format, Verbose],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var list = ListFormat<UsageRow>.Parse(UsageRow.Schema, context.Get(Format), "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}");
        using var answer = await context.Session.Engine.GetDocumentAsync(
            new EngineRequest("GET", "/system/df").With("verbose", true)).ConfigureAwait(false);
        var usage = new Usage(answer.RootElement);
        if (context.Get(Verbose) && context.Get(Format) is "" or "table")
        {
            PrintDetails(context, usage);
        }
        else
        {
            list.Print(context.Session.Out, [usage.Images, usage.Containers, usage.Volumes, usage.BuildCache]);
        }

        return 0;
    }

    private static void PrintDetails(CommandContext context, Usage usage)
    {
        var output = context.Session.Out;
        var now = DateTimeOffset.UtcNow;
        output.Write("Images space usage:\n\n");
        ListFormat<Images.ImageRow>.Parse(
            Images.ImageRow.Schema, "", "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{if .CreatedSince }}{{.CreatedSince}}{{else}}N/A{{end}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}")
            .Print(output, usage.ImageItems.Select(i => Images.ImageRow.Expand(i, digests: false, truncate: true, now).First()));
        output.Write("\nContainers space usage:\n\n");
        ListFormat<ContainerRow>.Parse(
            ContainerRow.Schema, "", "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}")
            .Print(output, usage.ContainerItems.Select(c => new ContainerRow(c, truncate: true, now, virtualSize: false)));
        output.Write("\nLocal Volumes space usage:\n\n");
        ListFormat<Volumes.VolumeRow>.Parse(Cli.Commands.Volumes.VolumeRow.Schema, "", "{{.Name}}\t{{.Links}}\t{{.Size}}")
            .Print(output, usage.VolumeItems.Select(static v => new Volumes.VolumeRow(v)));
        output.Write($"\nBuild cache usage: {Human.Size(usage.BuildCache.Size)}\n\n");
        var text = new StringWriter { NewLine = "\n" };
        text.Write("CACHE ID\tCACHE TYPE\tSIZE\tCREATED\tLAST USED\tUSAGE\tSHARED\n");
        foreach (var item in usage.CacheItems)
        {
            var created = item.Time("CreatedAt") is { } c ? Human.Duration(now - c) + " ago" : "";
            var used = item.Time("LastUsedAt") is { } l ? Human.Duration(now - l) + " ago" : "";
            var id = Human.ShortId(item.Text("ID")) + (item.Truth("InUse") ? "*" : "");
            text.Write($"{id}\t{item.Text("Type")}\t{Human.Size(item.Number("Size"), 3)}\t{created}\t{used}\t{item.Number("UsageCount").ToString(CultureInfo.InvariantCulture)}\t{(item.Truth("Shared") ? "true" : "false")}\n");
        }

        output.Write(TabWriter.Align(text.ToString()));
    }

    /// <summary>What the daemon answers, in the older form (lists at the top) or the newer (an object for each kind).</summary>
    private sealed class Usage(JsonElement answer)
    {
        public IEnumerable<JsonElement> ImageItems => Items("Images", "ImageUsage", "ImagesDiskUsage");

        public IEnumerable<JsonElement> ContainerItems => Items("Containers", "ContainerUsage", "ContainersDiskUsage");

        public IEnumerable<JsonElement> VolumeItems => Items("Volumes", "VolumeUsage", "VolumesDiskUsage");

        public IEnumerable<JsonElement> CacheItems => Items("BuildCache", "BuildCacheUsage", "BuildCacheDiskUsage");

        public UsageRow Images
        {
            get
            {
                var size = answer.Member("LayersSize") is not null ? answer.Number("LayersSize") : ImageItems.Sum(static i => i.Number("Size"));
                var used = ImageItems.Where(static i => i.Number("Containers") != 0 && i.Number("SharedSize") >= 0).Sum(static i => i.Number("Size") - i.Number("SharedSize"));
                return new("Images", ImageItems.Count(), ImageItems.Count(static i => i.Number("Containers") > 0), size, Math.Max(0, size - used), true);
            }
        }

        public UsageRow Containers => new(
            "Containers",
            ContainerItems.Count(),
            ContainerItems.Count(IsActive),
            ContainerItems.Sum(static c => c.Number("SizeRw")),
            ContainerItems.Where(static c => !IsActive(c)).Sum(static c => c.Number("SizeRw")),
            true);

        public UsageRow Volumes => new(
            "Local Volumes",
            VolumeItems.Count(),
            VolumeItems.Count(static v => v.Member("UsageData")?.Number("RefCount") > 0),
            VolumeItems.Sum(static v => Math.Max(v.Member("UsageData")?.Number("Size") ?? 0, 0)),
            VolumeItems.Where(static v => v.Member("UsageData") is { } u && u.Number("RefCount") == 0).Sum(static v => Math.Max(v.Member("UsageData")!.Value.Number("Size"), 0)),
            true);

        public UsageRow BuildCache => new(
            "Build Cache",
            CacheItems.Count(),
            CacheItems.Count(static c => c.Truth("InUse")),
            CacheItems.Where(static c => !c.Truth("Shared")).Sum(static c => c.Number("Size")),
            CacheItems.Where(static c => !c.Truth("Shared") && !c.Truth("InUse")).Sum(static c => c.Number("Size")),
            false);

        private static bool IsActive(JsonElement container) => container.Text("State") is "running" or "paused" or "restarting";

        private IEnumerable<JsonElement> Items(string older, params string[] newer)
        {
            if (answer.Member(older) is { ValueKind: JsonValueKind.Array })
            {
                return answer.Items(older);
            }

            return newer.Select(name => answer.Member(name)).FirstOrDefault(static m => m is not null)?.Items("Items") ?? [];
        }
    }
}
