using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>version</c></summary>
internal static class VersionCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');

    public static Command Define() => new()
    {
        Use = "version [OPTIONS]",
        Summary = "Show the version of client and daemon",
        Category = CommandCategory.Common,
        Flags = [Format],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        JsonDocument? server = null;
        string? failure = null;
        try
        {
            server = await session.Engine.GetDocumentAsync(new EngineRequest("GET", "/version")).ConfigureAwait(false);
        }
        catch (EngineApiException e)
        {
            failure = "Error response from daemon: " + e.Message;
        }
        catch (IOException e)
        {
            failure = e.Message;
        }

        using (server)
        {
            Print(context, server?.RootElement);
        }

        if (failure is not null)
        {
            await session.Out.FlushAsync().ConfigureAwait(false);
            throw new CommandException(failure);
        }

        return 0;
    }

    private static void Print(CommandContext context, JsonElement? server)
    {
        var session = context.Session;
        var format = context.Get(Format);
        var client = Client(session);
        if (format.Length > 0)
        {
            var data = new GoDictionary(new Dictionary<string, object?>
            {
                ["Client"] = new GoDictionary(client, complete: true),
                ["Server"] = server is { } answer ? GoJson.FromElement(answer) : null,
            }, complete: true);
            session.Out.Write(ObjectFormat.Render(format, data) + "\n");
            return;
        }

        session.Out.Write(
            $"Client:\n Version:           {client["Version"]}\n API version:       {client["ApiVersion"]}{Downgraded(session)}\n"
            + $" .NET version:      {Environment.Version}\n Git commit:        {client["GitCommit"]}\n"
            + $" OS/Arch:           {client["Os"]}/{client["Arch"]}\n Context:           {client["Context"]}\n");
        if (server is { } element)
        {
            PrintServer(session, element);
        }
    }

    private static string Downgraded(Session session) =>
        session.Engine.ApiVersion == EngineClient.NewestApiVersion ? "" : $" (downgraded from {EngineClient.NewestApiVersion})";

    private static Dictionary<string, object?> Client(Session session) => new()
    {
        ["Version"] = ProductVersion.Text,
        ["ApiVersion"] = session.Engine.ApiVersion,
        ["DefaultAPIVersion"] = EngineClient.NewestApiVersion,
        ["GitCommit"] = ProductVersion.Build,
        ["GoVersion"] = "",
        ["Os"] = "linux",
        ["Arch"] = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "arm64" : "amd64",
        ["BuildTime"] = "",
        ["Context"] = EndpointResolver.ContextName(session),
    };

    private static void PrintServer(Session session, JsonElement server)
    {
        var output = session.Out;
        output.Write($"\nServer:{(server.Member("Platform")?.Text("Name") is { Length: > 0 } platform ? " " + platform : "")}\n");
        var components = server.Items("Components").ToList();
        if (components.Count == 0)
        {
            output.Write(
                $" Engine:\n  Version:          {server.Text("Version")}\n  API version:      {server.Text("ApiVersion")} (minimum version {server.Text("MinAPIVersion")})\n"
                + $"  Git commit:       {server.Text("GitCommit")}\n  OS/Arch:          {server.Text("Os")}/{server.Text("Arch")}\n"
                + $"  Experimental:     {(server.Truth("Experimental") ? "true" : "false")}\n");
            return;
        }

        foreach (var component in components)
        {
            var name = component.Text("Name");
            output.Write($" {name}:\n  Version:          {component.Text("Version")}\n");
            if (name == "Engine" && component.Member("Details") is { } engine)
            {
                PrintEngine(output, engine);
                continue;
            }

            foreach (var detail in component.Members("Details").OrderBy(static d => d.Name, StringComparer.Ordinal))
            {
                output.Write($"  {(detail.Name + ":").PadRight(17)} {detail.Value}\n");
            }
        }
    }

    private static void PrintEngine(TextWriter output, JsonElement details)
    {
        output.Write($"  API version:      {details.Text("ApiVersion")} (minimum version {details.Text("MinAPIVersion")})\n");
        foreach (var (label, member) in new[] { ("Go version:", "GoVersion"), ("Git commit:", "GitCommit"), ("Built:", "BuildTime") })
        {
            if (details.Text(member) is { Length: > 0 } value)
            {
                output.Write($"  {label,-17} {(member == "BuildTime" ? BuildTime(value) : value)}\n");
            }
        }

        output.Write($"  OS/Arch:          {details.Text("Os")}/{details.Text("Arch")}\n  Experimental:     {details.Text("Experimental")}\n");
    }

    /// <summary>"Fri May 30 12:07:14 2025", as the C library's ctime has it.</summary>
    private static string BuildTime(string text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? time.ToString("ddd MMM ", CultureInfo.InvariantCulture) + time.Day.ToString(CultureInfo.InvariantCulture).PadLeft(2)
                + time.ToString(" HH:mm:ss yyyy", CultureInfo.InvariantCulture)
            : text;
}
