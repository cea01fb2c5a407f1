using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>inspect</c>: the full record of anything that has the name.</summary>
internal static class InspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');
    private static readonly Flag<bool> Size = Flags.Bool("size", "Show sizes too, where the object is a container", 's');
    private static readonly Flag<string> Type = Flags.Text("type", "Look only among objects of this type");

    /// <summary>Types in the order in which a name is looked up, each with its path.</summary>
    private static readonly (string Type, Func<string, string> Path)[] Types =
    [
        ("container", static name => $"/containers/{name}/json"),
        ("image", static name => $"/images/{name}/json"),
        ("network", static name => $"/networks/{name}"),
        ("volume", static name => $"/volumes/{name}"),
        ("service", static name => $"/services/{name}"),
        ("task", static name => $"/tasks/{name}"),
        ("node", static name => $"/nodes/{name}"),
        ("plugin", static name => $"/plugins/{name}/json"),
        ("secret", static name => $"/secrets/{name}"),
        ("config", static name => $"/configs/{name}"),
    ];

    /// <summary>How many of <see cref="Types"/> there are without a cluster.</summary>
    private const int LocalTypes = 4;

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] NAME|ID [NAME|ID...]",
        Summary = "Return low-level information on objects of the engine",
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Format, Size, Type],
        Run = RunAsync,
    };

    /// <summary>Fetches a record; null when there is no such object, unless it is to be nowhere else.</summary>
    public static async Task<JsonDocument?> FetchAsync(EngineClient engine, EngineRequest request, bool onlyPlace)
    {
        try
        {
            return await engine.GetDocumentAsync(request).ConfigureAwait(false);
        }
        catch (EngineApiException e) when (e.IsNotFound && !onlyPlace)
        {
            return null;
        }
    }

    private static Task<int> RunAsync(CommandContext context)
    {
        var type = context.Get(Type);
        var types = context.Flags.Changed(Type) ? Types.Where(t => t.Type == type).ToArray() : Types[..LocalTypes];
        if (types.Length == 0)
        {
            throw new CommandException(type.Length == 0
                ? "type is empty: must be one of " + TypeList()
                : $"unknown type: {GoQuote.Quote(type)}: must be one of {TypeList()}");
        }

        return InspectPrinter.RunAsync(
            context,
            context.Get(Format),
            context.Arguments,
            async name =>
            {
                foreach (var (kind, path) in types)
                {
                    var request = new EngineRequest("GET", path(EngineRequest.Escape(name))).With("size", context.Get(Size) && kind == "container");
                    if (await FetchAsync(context.Session.Engine, request, types.Length == 1).ConfigureAwait(false) is { } record)
                    {
                        return record;
                    }
                }

                return null;
            },
            types.Length == 1 ? null : "object");
    }

    private static string TypeList() => string.Join(", ", Types.Select(static t => GoQuote.Quote(t.Type)).Order(StringComparer.Ordinal));
}
