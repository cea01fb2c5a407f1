using System.Text.Json;
using Cais.Api;
using Cais.Cli.CommandLine;
using Cais.Cli.Commands.Containers;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;

namespace Cais.Cli.Commands.Networks;

/// <summary><c>network ...</c></summary>
internal static class NetworkGroup
{
    public static Command Define() => new()
    {
        Use = "network COMMAND",
        Summary = "Manage networks",
        Category = CommandCategory.Management,
        Children =
        [
            NetworkConnectCommand.Define,
            NetworkCreateCommand.Define,
            NetworkDisconnectCommand.Define,
            NetworkInspectCommand.Define,
            NetworkListCommand.Define,
            NetworkPruneCommand.Define,
            NetworkRemoveCommand.Define,
        ],
    };
}

/// <summary>One network in the list.</summary>
internal sealed class NetworkRow(JsonElement network, bool truncate)
{
    public static readonly RowSchema<NetworkRow> Schema = new(
        "*formatter.networkContext",
        [
            new("CreatedAt", "CREATED AT", static r => Human.GoTime(r.Network.Text("Created"))),
            new("Driver", "DRIVER", static r => r.Network.Text("Driver")),
            new("ID", "NETWORK ID", static r => r.Id),
            new("IPv4", "IPV4", static r => r.Network.Truth("EnableIPv4") ? "true" : "false"),
            new("IPv6", "IPV6", static r => r.Network.Truth("EnableIPv6") ? "true" : "false"),
            new("Internal", "INTERNAL", static r => r.Network.Truth("Internal") ? "true" : "false"),
            new("Labels", "LABELS", static r => r.Network.LabelList("Labels")),
            new("Name", "NAME", static r => r.Network.Text("Name")),
            new("Scope", "SCOPE", static r => r.Network.Text("Scope")),
        ],
        static (row, key) => row.Network.Members("Labels").Where(l => l.Name == key).Select(static l => l.Value.GetString()).FirstOrDefault() ?? "");

    private JsonElement Network => network;

    private string Id => truncate ? Human.ShortId(network.Text("Id")) : network.Text("Id");
}

/// <summary><c>network ls</c></summary>
internal static class NetworkListCommand
{
    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> NoTrunc = Flags.Bool("no-trunc", "Do not shorten anything");
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only ids", 'q');

    public static Command Define() => new()
    {
        Use = "ls [OPTIONS]",
        Summary = "List networks",
        OtherNames = ["list"],
        Aliases = ["network ls", "network list"],
        Flags = [Filter, Format, NoTrunc, Quiet],
        Run = static async context =>
        {
            var session = context.Session;
            var format = context.Get(Format).Length > 0 ? context.Get(Format)
                : context.Get(Quiet) ? "" : session.Configuration.Format("networksFormat") ?? "";
            var list = ListFormat<NetworkRow>.Parse(
                NetworkRow.Schema,
                context.Get(Quiet) ? "{{.ID}}" : format == "raw" ? "network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n" : format,
                "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}");
            using var answer = await session.Engine.GetDocumentAsync(
                new EngineRequest("GET", "/networks").With("filters", context.Get(Filter).ToJson())).ConfigureAwait(false);
            list.Print(session.Out, answer.RootElement.EnumerateArray()
                .OrderBy(static n => n.Text("Name"), NaturalOrder.Instance).Select(n => new NetworkRow(n, !context.Get(NoTrunc))));
            return 0;
        },
    };
}

/// <summary><c>network create</c></summary>
internal static class NetworkCreateCommand
{
    private static readonly Flag<bool> Attachable = Flags.Bool("attachable", "Containers may be attached by hand", api: "1.25");
    private static readonly Flag<IReadOnlyDictionary<string, string>> AuxAddress = Flags.Map("aux-address", "Addresses that the driver must not give out");
    private static readonly Flag<string> ConfigFrom = Flags.Text("config-from", "Take the configuration from this network", api: "1.30");
    private static readonly Flag<bool> ConfigOnly = Flags.Bool("config-only", "Make a network that is only a configuration", api: "1.30");
    private static readonly Flag<string> Driver = Flags.Text("driver", "Driver of the network", 'd', "bridge");
    private static readonly Flag<IReadOnlyList<string>> Gateway = Addresses("gateway", "ipSlice", "Gateway of the subnet");
    private static readonly Flag<bool> Ingress = Flags.Bool("ingress", "Make the cluster's routing mesh", api: "1.29");
    private static readonly Flag<bool> Internal = Flags.Bool("internal", "No way out of the network");
    private static readonly Flag<IReadOnlyList<string>> IpRange = Addresses("ip-range", "ipNetSlice", "Give out addresses from this part of the subnet");
    private static readonly Flag<string> IpamDriver = Flags.Text("ipam-driver", "Driver that gives out addresses", defaultValue: "default");
    private static readonly Flag<IReadOnlyDictionary<string, string>> IpamOpt = Flags.Map("ipam-opt", "Options of that driver");
    private static readonly Flag<bool> Ipv4 = Flags.Bool("ipv4", "Give out IPv4 addresses", defaultValue: true);
    private static readonly Flag<bool> Ipv6 = Flags.Bool("ipv6", "Give out IPv6 addresses");
    private static readonly Flag<IReadOnlyList<string>> Label = Flags.List("label", "Set metadata of the network", check: EnvironmentOption.CheckLabel);
    private static readonly Flag<IReadOnlyDictionary<string, string>> Opt = Flags.Map("opt", "Options of the driver", 'o');
    private static readonly Flag<string> Scope = Flags.Text("scope", "Where the network is known", api: "1.30");
    private static readonly Flag<IReadOnlyList<string>> Subnet = Flags.Slice("subnet", "The network's addresses in CIDR notation");

    public static Command Define() => new()
    {
        Use = "create [OPTIONS] NETWORK",
        Summary = "Create a network",
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Attachable, AuxAddress, ConfigFrom, ConfigOnly, Driver, Gateway, Ingress, Internal, IpRange, IpamDriver, IpamOpt, Ipv4, Ipv6, Label, Opt, Scope, Subnet],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var pools = NetworkPools.Build(context.Get(Subnet), context.Get(IpRange), context.Get(Gateway), context.Get(AuxAddress));
        var request = new NetworkCreateRequest
        {
            Name = context.Arguments[0],
            Driver = context.Get(Driver),
            Options = context.Get(Opt),
            IPAM = new IPAM
            {
                Driver = context.Get(IpamDriver),
                Config = pools,
                Options = context.Get(IpamOpt),
            },
            Internal = context.Get(Internal),
            EnableIPv4 = context.Flags.Changed(Ipv4) ? context.Get(Ipv4) : null,
            EnableIPv6 = context.Flags.Changed(Ipv6) ? context.Get(Ipv6) : null,
            Attachable = context.Get(Attachable),
            Ingress = context.Get(Ingress),
            Scope = context.Get(Scope),
            ConfigOnly = context.Get(ConfigOnly),
            ConfigFrom = context.Get(ConfigFrom) is { Length: > 0 } source ? new ConfigReference { Network = source } : null,
            Labels = MapOption.FromPairs(context.Get(Label)),
        };
        var answer = await context.Session.Engine.CreateNetworkAsync(request).ConfigureAwait(false);
        if (answer.Warning is { Length: > 0 } warning)
        {
            context.Session.Err.Write($"WARNING: {warning}\n");
        }

        context.Session.Out.Write(answer.Id + "\n");
        return 0;
    }

    private static Flag<IReadOnlyList<string>> Addresses(string name, string type, string usage) =>
        Flags.Custom<IReadOnlyList<string>>(name, type, usage, [], static (text, previous) => [.. previous, .. CommaList.Read(text)], defaultText: "[]");
}

/// <summary><c>network connect</c></summary>
internal static class NetworkConnectCommand
{
    private static readonly Flag<IReadOnlyList<string>> Alias = Flags.Slice("alias", "Further name of the container in the network");
    private static readonly Flag<IReadOnlyList<string>> DriverOpt = Flags.Slice("driver-opt", "Options of the driver for this connection");
    private static readonly Flag<int> GwPriority = Flags.Int("gw-priority", "The network with the highest provides the default gateway");
    private static readonly Flag<string> Ip = ContainerFlags.Ip;
    private static readonly Flag<string> Ip6 = ContainerFlags.Ip6;
    private static readonly Flag<IReadOnlyList<string>> Link = Flags.List("link", "Link to another container");
    private static readonly Flag<IReadOnlyList<string>> LinkLocalIp = Flags.Custom<IReadOnlyList<string>>(
        "link-local-ip", "ipSlice", "Link-local addresses of the container", [], static (text, previous) => [.. previous, .. CommaList.Read(text)], defaultText: "[]");

    public static Command Define() => new()
    {
        Use = "connect [OPTIONS] NETWORK CONTAINER",
        Summary = "Connect a container to a network",
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Alias, DriverOpt, GwPriority, Ip, Ip6, Link, LinkLocalIp],
        Run = static async context =>
        {
            if (context.Get(DriverOpt).FirstOrDefault(static o => o.IndexOf('=') <= 0) is not null)
            {
                throw new CommandException("invalid key/value pair format in driver options");
            }

            var addresses = context.Get(Ip).Length > 0 || context.Get(Ip6).Length > 0 || context.Get(LinkLocalIp).Count > 0
                ? new EndpointIPAMConfig { IPv4Address = context.Get(Ip), IPv6Address = context.Get(Ip6), LinkLocalIPs = context.Get(LinkLocalIp) }
                : null;
            await context.Session.Engine.ConnectNetworkAsync(context.Arguments[0], new NetworkConnectRequest
            {
                Container = context.Arguments[1],
                EndpointConfig = new EndpointSettings
                {
                    IPAMConfig = addresses,
                    Links = context.Get(Link),
                    Aliases = context.Get(Alias),
                    DriverOpts = MapOption.FromPairs(context.Get(DriverOpt)),
                    GwPriority = context.Get(GwPriority),
                },
            }).ConfigureAwait(false);
            return 0;
        },
    };
}

/// <summary><c>network disconnect</c></summary>
internal static class NetworkDisconnectCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "Even if the container cannot be asked", 'f');

    public static Command Define() => new()
    {
        Use = "disconnect [OPTIONS] NETWORK CONTAINER",
        Summary = "Disconnect a container from a network",
        Arguments = ArgumentRule.Exactly(2),
        Flags = [Force],
        Run = static async context =>
        {
            await context.Session.Engine.DisconnectNetworkAsync(
                context.Arguments[0], new NetworkDisconnectRequest { Container = context.Arguments[1], Force = context.Get(Force) }).ConfigureAwait(false);
            return 0;
        },
    };
}

/// <summary><c>network inspect</c></summary>
internal static class NetworkInspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');
    private static readonly Flag<bool> Verbose = Flags.Bool("verbose", "Show what helps in diagnosis too", 'v');

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] NETWORK [NETWORK...]",
        Summary = "Show all that is known of one or more networks",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Format, Verbose],
        Run = static context => InspectPrinter.RunAsync(
            context,
            context.Get(Format),
            context.Arguments,
            async name => await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", "/networks/" + EngineRequest.Escape(name)).With("verbose", context.Get(Verbose))).ConfigureAwait(false)),
    };
}

/// <summary><c>network rm</c></summary>
internal static class NetworkRemoveCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "No error if there is no such network", 'f');

    public static Command Define() => new()
    {
        Use = "rm NETWORK [NETWORK...]",
        Summary = "Remove one or more networks",
        OtherNames = ["remove"],
        Aliases = ["network rm", "network remove"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Force],
        Run = static async context =>
        {
            var status = 0;
            foreach (var name in context.Arguments)
            {
                try
                {
                    await context.Session.Engine.RemoveNetworkAsync(name).ConfigureAwait(false);
                    context.Session.Out.Write(name + "\n");
                    await context.Session.Out.FlushAsync().ConfigureAwait(false);
                }
                catch (EngineApiException e) when (!(e.IsNotFound && context.Get(Force)))
                {
                    context.Session.Err.Write($"Error response from daemon: {e.Message}\n");
                    status = 1;
                }
                catch (EngineApiException)
                {
                    // --force: gone is what was wanted.
                }
            }

            return status == 0 ? 0 : throw new CommandException("exit status 1");
        },
    };
}

/// <summary><c>network prune</c></summary>
internal static class NetworkPruneCommand
{
    public static Command Define() => new()
    {
        Use = "prune [OPTIONS]",
        Summary = "Remove all networks that no container uses",
        Flags = [Pruning.Filter, Pruning.Force],
        Run = static async context =>
        {
            if (!Pruning.Confirm(context, "This will remove all custom networks not used by at least one container."))
            {
                throw new CommandException("network prune has been cancelled");
            }

            context.Session.Out.Write(await PruneAsync(context, Pruning.Conditions(context)).ConfigureAwait(false));
            return 0;
        },
    };

    public static async Task<string> PruneAsync(CommandContext context, FilterSet filter)
    {
        var (answer, _) = await Pruning.CallAsync(context, "/networks/prune", filter).ConfigureAwait(false);
        using (answer)
        {
            var names = answer.RootElement.Texts("NetworksDeleted").ToList();
            return names.Count == 0 ? "" : $"Deleted Networks:\n{string.Join('\n', names)}\n\n";
        }
    }
}
