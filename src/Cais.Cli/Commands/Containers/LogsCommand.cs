using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;
using Cais.Client;
using Cais.Client.Streams;

namespace Cais.Cli.Commands.Containers;

/// <summary><c>logs</c>: what a container has written.</summary>
internal static class LogsCommand
{
    private static readonly Flag<bool> Details = Flags.Bool("details", "Show extra details of the log driver");
    private static readonly Flag<bool> Follow = Flags.Bool("follow", "Go on with what is written from now on", 'f');
    private static readonly Flag<string> Since = Flags.Text("since", "Only from this time on (2013-01-02T13:23:37Z, or relative: 42m)");
    private static readonly Flag<string> Tail = Flags.Text("tail", "How many lines from the end", 'n', "all");
    private static readonly Flag<bool> Timestamps = Flags.Bool("timestamps", "Show times", 't');
    private static readonly Flag<string> Until = Flags.Text("until", "Only before this time (2013-01-02T13:23:37Z, or relative: 42m)", api: "1.35");

    public static Command Define() => new()
    {
        Use = "logs [OPTIONS] CONTAINER",
        Summary = "Fetch the logs of a container",
        Aliases = ["container logs", "logs"],
        Arguments = ArgumentRule.Exactly(1),
        Flags = [Details, Follow, Since, Tail, Timestamps, Until],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var options = new LogOptions
        {
            Details = context.Get(Details),
            Follow = context.Get(Follow),
            Timestamps = context.Get(Timestamps),
            Tail = context.Get(Tail),
            Since = Time(context.Get(Since), "since"),
            Until = Time(context.Get(Until), "until"),
        };
        using var inspected = await session.Engine.GetDocumentAsync(
            new EngineRequest("GET", $"/containers/{EngineRequest.Escape(context.Arguments[0])}/json")).ConfigureAwait(false);
        var container = inspected.RootElement;
        using var logs = await session.Engine.ContainerLogsAsync(container.Text("Id"), options).ConfigureAwait(false);
        if (container.Member("Config")?.Truth("Tty") == true)
        {
            await logs.Body.CopyToAsync(session.Streams.RawOut).ConfigureAwait(false);
        }
        else
        {
            await StreamDemultiplexer.CopyAsync(logs.Body, session.Streams.RawOut, session.Streams.RawErr).ConfigureAwait(false);
        }

        return 0;
    }

    private static string Time(string text, string flag)
    {
        try
        {
            return text.Length == 0 ? "" : TimeOption.ToUnix(text, DateTimeOffset.UtcNow);
        }
        catch (FormatException e)
        {
            throw new CommandException($"invalid value for {GoQuote.Quote(flag)}: {e.Message}");
        }
    }
}
