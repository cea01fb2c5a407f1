using System.Globalization;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>top</c></summary>
internal static class TopCommand
{
    public static Command Define() => new()
    {
        Use = "top CONTAINER [ps OPTIONS]",
        Summary = "Show the processes of a container",
        Aliases = ["container top", "top"],
        Arguments = ArgumentRule.AtLeast(1),
        Interspersed = false,
        Run = static async context =>
        {
            var options = string.Join(' ', context.Arguments.Skip(1));
            using var answer = await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/top").With("ps_args", options)).ConfigureAwait(false);
            var text = new StringWriter { NewLine = "\n" };
            text.Write(string.Join('\t', answer.RootElement.Texts("Titles")) + "\n");
            foreach (var process in answer.RootElement.Items("Processes"))
            {
                text.Write(string.Join('\t', process.EnumerateArray().Select(static f => f.GetString())) + "\n");
            }

            context.Session.Out.Write(TabWriter.Align(text.ToString(), minimumWidth: 20, gap: 3));
            return 0;
        },
    };
}

/// <summary><c>diff</c></summary>
internal static class DiffCommand
{
    public static Command Define() => new()
    {
        Use = "diff CONTAINER",
        Summary = "Show what was changed in a container's filesystem",
        Aliases = ["container diff", "diff"],
        Arguments = ArgumentRule.Exactly(1),
        Run = static async context =>
        {
            if (context.Arguments[0].Length == 0)
            {
                throw new CommandException("Container name cannot be empty");
            }

            using var answer = await context.Session.Engine.GetDocumentAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/changes")).ConfigureAwait(false);
            if (answer.RootElement.ValueKind == System.Text.Json.JsonValueKind.Array)
            {
                foreach (var change in answer.RootElement.EnumerateArray())
                {
                    var kind = change.Number("Kind") switch { 0 => 'C', 1 => 'A', _ => 'D' };
                    context.Session.Out.Write($"{kind} {change.Text("Path")}\n");
                }
            }

            return 0;
        },
    };
}

/// <summary><c>port</c></summary>
internal static class PortCommand
{
    public static Command Define() => new()
    {
        Use = "port CONTAINER [PRIVATE_PORT[/PROTO]]",
        Summary = "Show where a container's ports are published",
        Aliases = ["container port", "port"],
        Arguments = ArgumentRule.Between(1, 2),
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        using var answer = await context.Session.Engine.GetDocumentAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/json")).ConfigureAwait(false);
        var ports = answer.RootElement.Member("NetworkSettings") is { } settings ? settings.Members("Ports") : [];
        var lines = new List<(int Port, string Line)>();
        var wanted = context.Arguments.Count > 1 ? Wanted(context.Arguments[1]) : null;
        var found = false;
        foreach (var port in ports.Where(static p => p.Value.ValueKind == System.Text.Json.JsonValueKind.Array))
        {
            if (wanted is not null && wanted != port.Name)
            {
                continue;
            }

            foreach (var binding in port.Value.EnumerateArray())
            {
                found = true;
                var host = PortList.Endpoint(binding.Text("HostIp"), binding.Text("HostPort"));
                lines.Add((Number(port.Name), wanted is null ? $"{port.Name} -> {host}" : host));
            }
        }

        if (wanted is not null && !found)
        {
            throw new CommandException($"Error: No public port '{context.Arguments[1]}' published for {context.Arguments[0]}");
        }

        foreach (var (_, line) in lines.OrderBy(static l => l.Port).ThenBy(static l => l.Line, StringComparer.Ordinal))
        {
            context.Session.Out.Write(line + "\n");
        }

        return 0;
    }

    private static string Wanted(string text)
    {
        var slash = text.IndexOf('/');
        var number = slash < 0 ? text : text[..slash];
        try
        {
            GoNumber.ParseUint(number, 16);
            return slash < 0 ? text + "/tcp" : text;
        }
        catch (FormatException e)
        {
            throw new CommandException($"Error: invalid port ({text}): {e.Message}");
        }
    }

    private static int Number(string port) =>
        int.TryParse(port.AsSpan(0, Math.Max(port.IndexOf('/'), 0)), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : 0;
}

/// <summary><c>export</c></summary>
internal static class ExportCommand
{
    private static readonly Flag<string> Output = Flags.Text("output", "Write to this file instead of STDOUT", 'o');

    public static Command Define() => new()
    {
        Use = "export [OPTIONS] CONTAINER",
        Summary = "Write a container's filesystem as a tar archive",
        Aliases = ["container export", "export"],
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Output],
        Run = static async context =>
        {
            var path = context.Get(Output);
            if (path.Length == 0 && context.Session.Streams.OutIsTerminal)
            {
                throw new CommandException("cowardly refusing to save to a terminal. Use the -o flag or redirect");
            }

            if (path.Length > 0)
            {
                LocalFile.CheckWritable(path, "failed to export container");
            }

            using var response = await context.Session.Engine.SendAsync(
                new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/export")).ConfigureAwait(false);
            await LocalFile.WriteAsync(path, context.Session.Streams.RawOut, response.Body).ConfigureAwait(false);
            return 0;
        },
    };
}

/// <summary><c>commit</c></summary>
internal static class CommitCommand
{
    private static readonly Flag<string> Author = Flags.Text("author", "Author of the image (\"Ana Lima <ana@example.com>\")", 'a');
    private static readonly Flag<IReadOnlyList<string>> Change = Flags.List("change", "Apply a Dockerfile instruction to the image", 'c');
    private static readonly Flag<string> Message = Flags.Text("message", "What was done", 'm');
    private static readonly Flag<bool> NoPause = Flags.Bool("no-pause", "Do not hold the container meanwhile");
    private static readonly Flag<bool> Pause = new("pause", "bool", "Hold the container meanwhile", true, static (text, _) => GoNumber.ParseBool(text))
    {
        Shorthand = 'p',
        DefaultText = "true",
        Hidden = true,
    };

    public static Command Define() => new()
    {
        Use = "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
        Summary = "Make an image of a container as it is now",
        Aliases = ["container commit", "commit"],
        Arguments = ArgumentRule.Between(1, 2),
        Flags = [Author, Change, Message, NoPause, Pause],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        string? repository = null, tag = null;
        if (context.Arguments.Count > 1)
        {
            var reference = Images.ImagePuller.Parse(context.Arguments[1]).WithDefaultTag();
            (repository, tag) = (reference.Name, reference.Tag);
        }

        var pause = !context.Get(NoPause) && context.Get(Pause);
        using var answer = await context.Session.Engine.GetDocumentAsync(
            new EngineRequest("POST", "/commit")
                .With("container", context.Arguments[0]).With("repo", repository).With("tag", tag)
                .With("comment", context.Get(Message)).With("author", context.Get(Author))
                .WithEach("changes", context.Get(Change)).With("pause", pause ? null : "0")).ConfigureAwait(false);
        context.Session.Out.Write(answer.RootElement.Text("Id") + "\n");
        return 0;
    }
}
