using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;

namespace Cais.Cli.Commands.Contexts;

/// <summary><c>context ...</c></summary>
internal static class ContextGroup
{
    public static Command Define() => new()
    {
        Use = "context COMMAND",
        Summary = "Manage contexts",
        Category = CommandCategory.Management,
        Children =
        [
            ContextCreateCommand.Define,
            ContextExportCommand.Define,
            ContextImportCommand.Define,
            ContextInspectCommand.Define,
            ContextListCommand.Define,
            ContextRemoveCommand.Define,
            ContextShowCommand.Define,
            ContextUpdateCommand.Define,
            ContextUseCommand.Define,
        ],
    };
}

/// <summary>What the context commands share.</summary>
internal static class Contexts
{
    public const string DefaultDescription = "Current DOCKER_HOST based configuration";
    private const string NamePattern = "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$";

    public static ContextStore Store(CommandContext context) => new(context.Session.Configuration.Directory);

    /// <exception cref="CommandException">Not a name for a context.</exception>
    public static void CheckName(string name)
    {
        if (name.Length < 2 || !char.IsAsciiLetterOrDigit(name[0]) || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c is '_' or '.' or '+' or '-'))
        {
            throw new CommandException($"context name {GoQuote.Quote(name)} is invalid, names are validated against regexp \"{NamePattern}\"");
        }
    }

    public static void CheckNew(ContextStore store, string name)
    {
        if (name == ContextStore.DefaultName)
        {
            throw new CommandException("\"default\" is a reserved context name");
        }

        CheckName(name);
        if (store.Exists(name))
        {
            throw new CommandException($"context {GoQuote.Quote(name)} already exists");
        }
    }

    /// <summary>Says that the variable wins over what was just set.</summary>
    public static void WarnOfHostVariable(CommandContext context, string what)
    {
        if (context.Session.Environment("DOCKER_HOST") is not null)
        {
            context.Session.Err.Write(
                $"Warning: DOCKER_HOST environment variable overrides the active context. To use {what}, either set the global --context flag, or unset DOCKER_HOST environment variable.\n");
        }
    }

    /// <summary>Where the default context's daemon is.</summary>
    public static string DefaultHost(CommandContext context) =>
        EndpointResolver.DefaultEndpoint(context.Session).Text;
}

/// <summary><c>context create</c></summary>
internal static class ContextCreateCommand
{
    private static readonly Flag<string> Description = Flags.Text("description", "What the context is for");
    private static readonly Flag<string> From = Flags.Text("from", "Copy this context");

    public static Command Define() => new()
    {
        Use = "create [OPTIONS] CONTEXT",
        Summary = "Create a context",
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Description, ContextEndpoint.Flag, From],
        Run = static context =>
        {
            var store = Contexts.Store(context);
            var name = context.Arguments[0];
            Contexts.CheckNew(store, name);
            var source = context.Get(From) is { Length: > 0 } from ? ContextEndpoint.Copy(context, store, from) : ContextEndpoint.Default(context);
            var description = context.Flags.Changed(Description) ? context.Get(Description) : source.Description;
            store.Save(name, ContextEndpoint.Apply(context, store, source with { Description = description }));
            context.Session.Out.Write(name + "\n");
            context.Session.Out.Flush();
            context.Session.Err.Write($"Successfully created context {GoQuote.Quote(name)}\n");
            return Task.FromResult(0);
        },
    };
}

/// <summary><c>context update</c></summary>
internal static class ContextUpdateCommand
{
    private static readonly Flag<string> Description = Flags.Text("description", "What the context is for");

    public static Command Define() => new()
    {
        Use = "update [OPTIONS] CONTEXT",
        Summary = "Change a context",
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Description, ContextEndpoint.Flag],
        Run = static context =>
        {
            var store = Contexts.Store(context);
            var name = context.Arguments[0];
            Contexts.CheckName(name);
            var record = ContextEndpoint.Copy(context, store, name);
            record = context.Flags.Changed(Description) ? record with { Description = context.Get(Description) } : record;
            store.Save(name, ContextEndpoint.Apply(context, store, record));
            context.Session.Out.Write(name + "\n");
            context.Session.Out.Flush();
            context.Session.Err.Write($"Successfully updated context {GoQuote.Quote(name)}\n");
            return Task.FromResult(0);
        },
    };
}

/// <summary>One context in the list.</summary>
internal sealed record ContextRow(string Name, bool Current, string Description, string Endpoint, string Error)
{
    public static readonly RowSchema<ContextRow> Schema = new(
        "*formatter.clientContextContext",
        [
            new("Current", "", static r => r.Current),
            new("Description", "DESCRIPTION", static r => Human.Ellipsis(r.Description, 60)),
            new("DockerEndpoint", "DOCKER ENDPOINT", static r => r.Endpoint),
            new("Error", "ERROR", static r => r.Error),
            new("Name", "NAME", static r => r.Name),
        ]);
}

/// <summary><c>context ls</c></summary>
internal static class ContextListCommand
{
    private static readonly Flag<string> Format = Flags.ListFormat();
    private static readonly Flag<bool> Quiet = Flags.Bool("quiet", "Show only names", 'q');

    public static Command Define() => new()
    {
        Use = "ls [OPTIONS]",
        Summary = "List contexts",
        OtherNames = ["list"],
        Aliases = ["context ls", "context list"],
        Flags = [Format, Quiet],
        Run = static context =>
        {
            var store = Contexts.Store(context);
            var current = EndpointResolver.ContextName(context.Session);
            var rows = new List<ContextRow>
            {
                new(ContextStore.DefaultName, current == ContextStore.DefaultName, Contexts.DefaultDescription, Contexts.DefaultHost(context), ""),
            };
            foreach (var name in store.Names())
            {
                var record = store.Load(name);
                rows.Add(new(name, name == current, record.Description, record.Host, ""));
            }

            if (rows.All(r => r.Name != current))
            {
                rows.Add(new(current, true, "", "", $"context {GoQuote.Quote(current)}: context not found: open {store.MetaFile(current)}: no such file or directory"));
            }

            var list = ListFormat<ContextRow>.Parse(
                ContextRow.Schema, context.Get(Quiet) ? "{{.Name}}" : context.Get(Format), "{{.Name}}{{if .Current}} *{{end}}\t{{.Description}}\t{{.DockerEndpoint}}\t{{.Error}}");
            list.Print(context.Session.Out, rows.OrderBy(static r => r.Name, NaturalOrder.Instance));
            context.Session.Out.Flush();
            Contexts.WarnOfHostVariable(context, "a context");
            return Task.FromResult(0);
        },
    };
}

/// <summary><c>context use</c></summary>
internal static class ContextUseCommand
{
    public static Command Define() => new()
    {
        Use = "use CONTEXT",
        Summary = "Set the context that is used when none is named",
        Arguments = ArgumentRule.Exactly(1),
        Run = static context =>
        {
            var name = context.Arguments[0];
            if (name != ContextStore.DefaultName)
            {
                Contexts.CheckName(name);
                Contexts.Store(context).Load(name);
            }

            ConfigurationFile.Change(context.Session.Configuration.Directory, root =>
            {
                root.Remove("currentContext");
                if (name != ContextStore.DefaultName)
                {
                    root["currentContext"] = name;
                }
            });
            context.Session.Out.Write(name + "\n");
            context.Session.Out.Flush();
            context.Session.Err.Write($"Current context is now {GoQuote.Quote(name)}\n");
            if (name != ContextStore.DefaultName)
            {
                Contexts.WarnOfHostVariable(context, GoQuote.Quote(name));
            }

            return Task.FromResult(0);
        },
    };
}

/// <summary><c>context show</c></summary>
internal static class ContextShowCommand
{
    public static Command Define() => new()
    {
        Use = "show",
        Summary = "Print the name of the context in force",
        Run = static context =>
        {
            context.Session.Out.Write(EndpointResolver.ContextName(context.Session) + "\n");
            return Task.FromResult(0);
        },
    };
}

/// <summary><c>context rm</c></summary>
internal static class ContextRemoveCommand
{
    private static readonly Flag<bool> Force = Flags.Bool("force", "Even if it is in use", 'f');

    public static Command Define() => new()
    {
        Use = "rm CONTEXT [CONTEXT...]",
        Summary = "Remove one or more contexts",
        OtherNames = ["remove"],
        Aliases = ["context rm", "context remove"],
        Arguments = ArgumentRule.AtLeast(1),
        Flags = [Force],
        Run = static context =>
        {
            var store = Contexts.Store(context);
            var current = EndpointResolver.ContextName(context.Session);
            var failures = new List<string>();
            foreach (var name in context.Arguments)
            {
                var refusal = name == ContextStore.DefaultName ? "context \"default\" cannot be removed"
                    : !store.Exists(name) && !context.Get(Force) ? $"context {GoQuote.Quote(name)} does not exist"
                    : name == current && !context.Get(Force) ? $"context {GoQuote.Quote(name)} is in use, set -f flag to force remove"
                    : null;
                if (refusal is not null)
                {
                    failures.Add(refusal);
                    continue;
                }

                if (name == current)
                {
                    ConfigurationFile.Change(context.Session.Configuration.Directory, static root => root.Remove("currentContext"));
                }

                store.Remove(name);
                context.Session.Out.Write(name + "\n");
            }

            return failures.Count == 0 ? Task.FromResult(0) : throw new CommandException(string.Join('\n', failures));
        },
    };
}

/// <summary><c>context inspect</c></summary>
internal static class ContextInspectCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');

    public static Command Define() => new()
    {
        Use = "inspect [OPTIONS] [CONTEXT] [CONTEXT...]",
        Summary = "Show all that is known of one or more contexts",
        Arguments = ArgumentRule.Any,
        Flags = [Format],
        Run = static context =>
        {
            var store = Contexts.Store(context);
            var names = context.Arguments.Count > 0 ? context.Arguments : [EndpointResolver.ContextName(context.Session)];
            return InspectPrinter.RunAsync(context, context.Get(Format), names, name => Task.FromResult<JsonDocument?>(Record(context, store, name)), escapeHtml: true);
        },
    };

    private static JsonDocument Record(CommandContext context, ContextStore store, string name)
    {
        const string InMemory = "<IN MEMORY>";
        var isDefault = name == ContextStore.DefaultName;
        var record = isDefault ? new ContextRecord("", Contexts.DefaultHost(context), false) : store.Load(name);
        var metadata = new JsonObject();
        if (record.Description.Length > 0)
        {
            metadata["Description"] = record.Description;
        }

        var files = isDefault ? [] : store.TlsFiles(name);
        var tls = new JsonObject();
        if (files.Count > 0)
        {
            tls["docker"] = new JsonArray([.. files.Select(static f => JsonValue.Create(f))]);
        }

        var root = new JsonObject
        {
            ["Name"] = name,
            ["Metadata"] = metadata,
            ["Endpoints"] = new JsonObject { ["docker"] = new JsonObject { ["Host"] = record.Host, ["SkipTLSVerify"] = record.SkipTlsVerify } },
            ["TLSMaterial"] = tls,
            ["Storage"] = new JsonObject
            {
                ["MetadataPath"] = isDefault ? InMemory : Path.GetDirectoryName(store.MetaFile(name)),
                ["TLSPath"] = isDefault ? InMemory : store.TlsDirectory(name),
            },
        };
        return JsonDocument.Parse(root.ToJsonString());
    }
}
