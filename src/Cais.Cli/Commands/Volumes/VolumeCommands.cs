using System.Globalization;
using System.Text.Json;
using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Volumes;

/// <summary><c>volume ...</c></summary>
internal static class VolumeGroup
{
    public static Command Define() => new()
    {
        Use = "volume COMMAND",
        Summary = "Manage volumes",
        Category = CommandCategory.Management,
        Children =
        [
            VolumeCreateCommand.Define,
            VolumeInspectCommand.Define,
            VolumeListCommand.Define,
            VolumePruneCommand.Define,
            VolumeRemoveCommand.Define,
        ],
    };
}

/// <summary>One volume in the list.</summary>
internal sealed class VolumeRow(JsonElement volume)
{
    public static readonly RowSchema<VolumeRow> Schema = new(
        "*formatter.volumeContext",
        [
            new("Availability", "AVAILABILITY", static _ => "N/A"),
            new("Driver", "DRIVER", static r => r.Volume.Text("Driver")),
            new("Group", "GROUP", static _ => "N/A"),
            new("Labels", "LABELS", static r => r.Volume.LabelList("Labels")),
            new("Links", "LINKS", static r => r.Usage is { } usage ? usage.Number("RefCount").ToString(CultureInfo.InvariantCulture) : "N/A"),
            new("Mountpoint", "MOUNTPOINT", static r => r.Volume.Text("Mountpoint")),
            new("Name", "VOLUME NAME", static r => r.Volume.Text("Name")),
            new("Scope", "SCOPE", static r => r.Volume.Text("Scope")),
            new("Size", "SIZE", static r => r.Usage is { } usage ? Human.Size(usage.Number("Size")) : "N/A"),
            new("Status", "STATUS", static _ => "N/A"),
        ],
        static (row, key) => row.Volume.Members("Labels").Where(l => l.Name == key).Select(static l => l.Value.GetString()).FirstOrDefault() ?? "");

    private JsonElement Volume => volume;

    private JsonElement? Usage => volume.Member("UsageData");
}

/// <summary><c>volume ls</c></summary>
internal static class VolumeListCommand
{
    private static readonly Flag<bool> Cluster = Flags.Bool("cluster", "Show only the cluster's volumes", api: "1.42");
    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only names", 'q');

    public static Command Define() => new()
    {
        Use = "ls [OPTIONS]",
        Summary = "List volumes",
        OtherNames = ["list"],
        Aliases = ["volume ls", "volume list"],
        Flags = [Cluster, Filter, Format, Quiet],
        Run = static async context =>
        {
            var session = context.Session;
            var format = context.Get(Format).Length > 0 ? context.Get(Format)
                : context.Get(Quiet) ? "" : session.Configuration.Format("volumesFormat") ?? "";
            var list = ListFormat<VolumeRow>.Parse(
                VolumeRow.Schema,
                context.Get(Quiet) ? "{{.Name}}" : format == "raw" ? "name: {{.Name}}\ndriver: {{.Driver}}\n" : format,
                "{{.Driver}}\t{{.Name}}");
            using var answer = await session.Engine.GetDocumentAsync(
                new EngineRequest("GET", "/volumes").With("filters", context.Get(Filter).ToJson())).ConfigureAwait(false);
            var volumes = answer.RootElement.Items("Volumes").Where(v => !context.Get(Cluster) || v.Member("ClusterVolume") is not null);
            list.Print(session.Out, volumes.OrderBy(static v => v.Text("Name"), NaturalOrder.Instance).Select(static v => new VolumeRow(v)));
            return 0;
        },
    };
}

/// <summary><c>volume create</c></summary>
internal static class VolumeCreateCommand
{
    private static readonly Flag<string> Availability = Flags.Text("availability", "Availability of a cluster volume (\"active\", \"pause\", \"drain\")", defaultValue: "active", api: "1.42");
    private static readonly Flag<string> Driver = Flags.Text("driver", "Driver of the volume", 'd', "local");
    private static readonly Flag<string> Group = Flags.Text("group", "Group of a cluster volume", api: "1.42");
    private static readonly Flag<IReadOnlyList<string>> Label = Flags.List("label", "Set metadata of the volume", check: EnvironmentOption.CheckLabel);
    private static readonly Flag<long> LimitBytes = Flags.Bytes("limit-bytes", "Largest size of a cluster volume", api: "1.42");
    private static readonly Flag<string> Name = new("name", "string", "Name of the volume", "", static (text, _) => text) { Hidden = true };
    private static readonly Flag<IReadOnlyDictionary<string, string>> Opt = Flags.Map("opt", "Options of the driver", 'o');
    private static readonly Flag<long> RequiredBytes = Flags.Bytes("required-bytes", "Smallest size of a cluster volume", api: "1.42");
    private static readonly Flag<string> Scope = Flags.Text("scope", "Who may use a cluster volume at once (\"single\", \"multi\")", defaultValue: "single", api: "1.42");
    private static readonly Flag<IReadOnlyDictionary<string, string>> Secret = Flags.Map("secret", "Secrets of a cluster volume", api: "1.42");
    private static readonly Flag<string> Sharing = Flags.Text("sharing", "How a cluster volume is shared (\"none\", \"readonly\", \"onewriter\", \"all\")", defaultValue: "none", api: "1.42");
    private static readonly Flag<IReadOnlyList<string>> TopologyPreferred = Flags.List("topology-preferred", "Where a cluster volume had best be", api: "1.42");
    private static readonly Flag<IReadOnlyList<string>> TopologyRequired = Flags.List("topology-required", "Where a cluster volume must be", api: "1.42");
    private static readonly Flag<string> Type = Flags.Text("type", "How a cluster volume is accessed (\"mount\", \"block\")", defaultValue: "block", api: "1.42");

    private static readonly Flag[] ClusterFlags =
        [Availability, Group, LimitBytes, RequiredBytes, Scope, Secret, Sharing, TopologyPreferred, TopologyRequired, Type];

    public static Command Define() => new()
    {
        Use = "create [OPTIONS] [VOLUME]",
        Summary = "Create a volume",
        Arguments = ArgumentRule.AtMost(1),
        Flags = [.. ClusterFlags, Driver, Label, Name, Opt],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var name = context.Get(Name);
        if (context.Arguments.Count > 0)
        {
            name = !context.Flags.Changed(Name)
                ? context.Arguments[0]
                : throw new CommandException("conflicting options: cannot specify a volume-name through both --name and as a positional arg");
        }

        if (ClusterFlags.FirstOrDefault(context.Flags.Changed) is { } cluster)
        {
            throw new CommandException($"--{cluster.Name} is for cluster volumes: this engine is not part of a cluster");
        }

        var volume = await context.Session.Engine.CreateVolumeAsync(new VolumeCreateRequest
        {
            Name = name,
            Driver = context.Get(Driver),
            DriverOpts = context.Get(Opt),
            Labels = MapOption.FromPairs(context.Get(Label)),
        }).ConfigureAwait(false);
        context.Session.Out.Write(volume.Name + "\n");
        return 0;
    }
}

/// <summary><c>volume inspect</c></summary>
internal static class VolumeInspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] VOLUME [VOLUME...]",
        Summary = "Show all that is known of one or more volumes",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Format],
        Run = static context => InspectPrinter.RunAsync(
            context,
            context.Get(Format),
            context.Arguments,
            async name => await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", "/volumes/" + EngineRequest.Escape(name))).ConfigureAwait(false)),
    };
}

/// <summary><c>volume rm</c></summary>
internal static class VolumeRemoveCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "Even if the driver does not answer", 'f', api: "1.25");

    public static Command Define() => new()
    {
        Use = "rm [OPTIONS] VOLUME [VOLUME...]",
        Summary = "Remove one or more volumes",
        OtherNames = ["remove"],
        Aliases = ["volume rm", "volume remove"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Force],
        Run = static context => EachArgument.RunAsync(context, name => context.Session.Engine.RemoveVolumeAsync(name, context.Get(Force))),
    };
}

/// <summary><c>volume prune</c></summary>
internal static class VolumePruneCommand
{
    private static readonly Flag<bool> All = Flags.Bool("all", "Remove named volumes too, not only anonymous ones", 'a', api: "1.42");

    public static Command Define() => new()
    {
        Use = "prune [OPTIONS]",
        Summary = "Remove volumes that no container uses",
        Flags = [All, Pruning.Filter, Pruning.Force],
        Run = static async context =>
        {
            var filter = Pruning.Conditions(context);
            if (context.Get(All))
            {
                filter = filter.Contains("all")
                    ? throw new CommandException("conflicting options: cannot specify both --all and --filter all=1")
                    : filter.With("all", "true");
            }

            var warning = context.Get(All)
                ? "This will remove all local volumes not used by at least one container."
                : "This will remove anonymous local volumes not used by at least one container.";
            if (!Pruning.Confirm(context, warning))
            {
                throw new CommandException("volume prune has been cancelled");
            }

            var (text, reclaimed) = await PruneAsync(context, filter).ConfigureAwait(false);
            context.Session.Out.Write($"{text}Total reclaimed space: {Human.Size(reclaimed)}\n");
            return 0;
        },
    };

    public static async Task<(string Text, long Reclaimed)> PruneAsync(CommandContext context, FilterSet filter)
    {
        var (answer, reclaimed) = await Pruning.CallAsync(context, "/volumes/prune", filter).ConfigureAwait(false);
        using (answer)
        {
            var names = answer.RootElement.Texts("VolumesDeleted").ToList();
            return (names.Count == 0 ? "" : $"Deleted Volumes:\n{string.Join('\n', names)}\n\n", reclaimed);
        }
    }
}
