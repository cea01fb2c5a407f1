using System.Globalization;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Formatting;
using Cais.Cli.Values;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>events</c></summary>
internal static class EventsCommand
{
    private static readonly Flag<FilterSet> Filter = Flags.Filter();
    private static readonly Flag<string> Format = Flags.ObjectFormat();
    private static readonly Flag<string> Since = Flags.Text("since", "From this time on");
    private static readonly Flag<string> Until = Flags.Text("until", "Until this time");

    public static Command Define() => new()
    {
        Use = "events [OPTIONS]",
        Summary = "Show what happens, as it happens",
        Aliases = ["system events", "events"],
        Flags = [Filter, Format, Since, Until],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var template = context.Get(Format) is { Length: > 0 } format ? Parse(format) : null;
        using var response = await session.Engine.EventsAsync(
            Time(context.Get(Since)), Time(context.Get(Until)), context.Get(Filter).ToJson()).ConfigureAwait(false);
        var stream = response.ReadJsonStream();
        while (await stream.NextAsync().ConfigureAwait(false) is { } message)
        {
            using (message)
            {
                session.Out.Write(Render(template, message.RootElement) + "\n");
                await session.Out.FlushAsync().ConfigureAwait(false);
            }
        }

        return 0;
    }

    /// <exception cref="CommandException">The format is not a template, in the words of docker's events.</exception>
    private static Template Parse(string format)
    {
        try
        {
            return Template.Parse(format == "json" ? "{{json .}}" : format);
        }
        catch (TemplateException e)
        {
            throw new CommandException("Error parsing format: " + e.Message, ObjectFormat.BadTemplate);
        }
    }

    private static string Render(Template? template, JsonElement message)
    {
        try
        {
            return template is null ? Line(message) : template.Execute(new JsonMap(message));
        }
        catch (TemplateException e)
        {
            throw new CommandException("Error parsing format: " + e.Message, ObjectFormat.BadTemplate);
        }
    }

    /// <summary>"2026-11-23T23:05:01.000000000Z container start 4f1c... (image=busybox, name=web)"</summary>
    private static string Line(JsonElement message)
    {
        var actor = message.Member("Actor");
        var attributes = actor is { } a
            ? string.Join(", ", a.Members("Attributes").OrderBy(static p => p.Name, StringComparer.Ordinal).Select(static p => $"{p.Name}={p.Value.GetString()}"))
            : "";
        return $"{Stamp(message)}{message.Text("Type")} {message.Text("Action")} {actor?.Text("ID")}{(attributes.Length > 0 ? $" ({attributes})" : "")}";
    }

    private static string Stamp(JsonElement message)
    {
        var nanoseconds = message.Number("timeNano");
        var seconds = nanoseconds != 0 ? nanoseconds / 1_000_000_000 : message.Number("time");
        if (seconds == 0)
        {
            return "";
        }

        var time = Human.Unix(seconds).ToLocalTime();
        var zone = time.Offset == TimeSpan.Zero ? "Z" : time.ToString("zzz", CultureInfo.InvariantCulture);
        return string.Create(CultureInfo.InvariantCulture, $"{time:yyyy-MM-dd'T'HH:mm:ss}.{nanoseconds % 1_000_000_000:000000000}{zone} ");
    }

    private static string Time(string text)
    {
        try
        {
            return text.Length == 0 ? "" : TimeOption.ToUnix(text, DateTimeOffset.UtcNow);
        }
        catch (FormatException e)
        {
            throw new CommandException(e.Message);
        }
    }
}
