using System.Globalization;
using System.Text.Json;
using Cais.Cli.CommandLine;
using Cais.Cli.Configuration;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Commands.SystemCommands;

/// <summary><c>info</c>, <c>system info</c></summary>
internal static class InfoCommand
{
    private static readonly Flag<string> Format = Flags.ObjectFormat('f');

    public static Command Define() => new()
    {
        Use = "info [OPTIONS]",
        Summary = "Show facts about the engine and its host",
        Aliases = ["system info", "info"],
        Category = CommandCategory.Common,
        Flags = [Format],
        Run = RunAsync,
    };

    private static async Task<int> RunAsync(CommandContext context)
    {
        var session = context.Session;
        var format = context.Get(Format);
        JsonDocument? answer = null;
        string? failure = null;
        try
        {
            answer = await session.Engine.GetDocumentAsync(new EngineRequest("GET", "/info")).ConfigureAwait(false);
        }
        catch (EngineApiException e)
        {
            failure = "Error response from daemon: " + e.Message;
        }
        catch (IOException e)
        {
            failure = e.Message;
        }

        using (answer)
        {
            if (format.Length > 0)
            {
                session.Out.Write(RenderOrFail(session, format, Data(session, answer?.RootElement, failure)) + "\n");
                return failure is null ? 0 : throw new CommandException(failure);
            }

            session.Out.Write($"Client:\n Version:    {ProductVersion.Text}\n Context:    {EndpointResolver.ContextName(session)}\n"
                + $" Debug Mode: {(session.Global.Debug ? "true" : "false")}\n\nServer:\n");
            if (answer is not null)
            {
                new InfoPrinter(session.Out, answer.RootElement).Print();
                await session.Out.FlushAsync().ConfigureAwait(false);
                foreach (var warning in answer.RootElement.Texts("Warnings"))
                {
                    session.Err.Write(warning + "\n");
                }
            }
        }

        return failure is null ? 0 : throw new CommandException(failure);
    }

    private static string RenderOrFail(Session session, string format, GoStruct data)
    {
        var template = ObjectFormat.Parse(format);
        try
        {
            return template.Execute(data);
        }
        catch (TemplateException e)
        {
            session.Out.Write("\n");
            throw new CommandException(e.Message);
        }
    }

    /// <summary>The daemon's record with the client's facts and errors beside it, as docker's templates see it.</summary>
    private static InfoRecord Data(Session session, JsonElement? info, string? failure)
    {
        var members = new Dictionary<string, object?>();
        if (info is { } element)
        {
            foreach (var property in element.EnumerateObject())
            {
                members[property.Name] = GoJson.FromElement(property.Value);
            }
        }

        if (failure is not null)
        {
            members["ServerErrors"] = new List<object?> { failure };
        }

        members["ClientInfo"] = new GoDictionary(new Dictionary<string, object?>
        {
            ["Debug"] = session.Global.Debug,
            ["Version"] = ProductVersion.Text,
            ["DefaultAPIVersion"] = EngineClient.NewestApiVersion,
            ["GitCommit"] = ProductVersion.Build,
            ["Os"] = "linux",
            ["Context"] = EndpointResolver.ContextName(session),
            ["Plugins"] = new List<object?>(),
            ["Warnings"] = null,
        });
        return new InfoRecord(members);
    }
}

/// <summary>What templates see of <c>info</c>.</summary>
internal sealed class InfoRecord(IReadOnlyDictionary<string, object?> members) : GoStruct
{
    public override string TypeName => "system.dockerInfo";

    public override IEnumerable<string> FieldNames => members.Keys;

    public override bool TryGetField(string name, out object? value) =>
        members.TryGetValue(name switch { "HTTPProxy" => "HttpProxy", "HTTPSProxy" => "HttpsProxy", _ => name }, out value) || IsEmpty(name, out value);

    /// <summary>What the daemon leaves out when there is nothing to say is empty to a template, not unknown.</summary>
    private static bool IsEmpty(string name, out object? value)
    {
        value = name switch
        {
            "GenericResources" or "DefaultAddressPools" or "DiscoveredDevices" or "CDISpecDirs" or "Warnings" or "ServerErrors" or "ClientErrors" => new List<object?>(),
            "ProductLicense" or "HttpProxy" or "HttpsProxy" or "NoProxy" or "SystemTime" => "",
            _ => null,
        };
        return value is not null;
    }
}

/// <summary>The daemon's part of <c>info</c>, in docker's order and indentation.</summary>
internal sealed class InfoPrinter(TextWriter output, JsonElement info)
{
    public void Print()
    {
        Line(" Containers: ", info.Number("Containers"));
        Line("  Running: ", info.Number("ContainersRunning"));
        Line("  Paused: ", info.Number("ContainersPaused"));
        Line("  Stopped: ", info.Number("ContainersStopped"));
        Line(" Images: ", info.Number("Images"));
        Optional(" Server Version: ", "ServerVersion");
        Optional(" Storage Driver: ", "Driver");
        foreach (var pair in info.Items("DriverStatus").Select(static p => p.EnumerateArray().Select(static e => e.GetString()).ToList()).Where(static p => p.Count > 1))
        {
            output.Write($"  {pair[0]}: {pair[1]}\n");
        }

        Optional(" Logging Driver: ", "LoggingDriver");
        Optional(" Cgroup Driver: ", "CgroupDriver");
        Optional(" Cgroup Version: ", "CgroupVersion");
        Plugins();
        CdiDirectories();
        Swarm();
        Runtimes();
        Security();
        Optional(" Kernel Version: ", "KernelVersion");
        Optional(" Operating System: ", "OperatingSystem");
        Optional(" OSType: ", "OSType");
        Optional(" Architecture: ", "Architecture");
        Line(" CPUs: ", info.Number("NCPU"));
        output.Write($" Total Memory: {Human.BinarySize(info.Number("MemTotal"))}\n");
        Optional(" Name: ", "Name");
        Optional(" ID: ", "ID");
        Optional(" Docker Root Dir: ", "DockerRootDir");
        output.Write($" Debug Mode: {(info.Truth("Debug") ? "true" : "false")}\n");
        if (info.Truth("Debug"))
        {
            Line("  File Descriptors: ", info.Number("NFd"));
            Line("  Goroutines: ", info.Number("NGoroutines"));
            output.Write($"  System Time: {info.Text("SystemTime")}\n");
            Line("  EventsListeners: ", info.Number("NEventsListener"));
        }

        Optional(" HTTP Proxy: ", "HttpProxy");
        Optional(" HTTPS Proxy: ", "HttpsProxy");
        Optional(" No Proxy: ", "NoProxy");
        if (info.Items("Labels").Any())
        {
            output.Write(" Labels:\n");
            foreach (var label in info.Texts("Labels"))
            {
                output.Write($"  {label}\n");
            }
        }

        output.Write($" Experimental: {(info.Truth("ExperimentalBuild") ? "true" : "false")}\n");
        Registries();
        output.Write($" Live Restore Enabled: {(info.Truth("LiveRestoreEnabled") ? "true" : "false")}\n");
        Optional(" Product License: ", "ProductLicense");
        if (info.Items("DefaultAddressPools").Any())
        {
            output.Write(" Default Address Pools:\n");
            foreach (var pool in info.Items("DefaultAddressPools"))
            {
                output.Write($"   Base: {pool.Text("Base")}, Size: {pool.Number("Size").ToString(CultureInfo.InvariantCulture)}\n");
            }
        }

        if (info.Member("FirewallBackend") is { } firewall)
        {
            output.Write($" Firewall Backend: {firewall.Text("Driver")}\n");
            foreach (var pair in firewall.Items("Info").Select(static p => p.EnumerateArray().Select(static e => e.GetString()).ToList()).Where(static p => p.Count > 1))
            {
                output.Write($"  {pair[0]}: {pair[1]}\n");
            }
        }

        output.Write("\n");
    }

    private void Plugins()
    {
        output.Write(" Plugins:\n");
        if (info.Member("Plugins") is not { } plugins)
        {
            return;
        }

        output.Write($"  Volume: {string.Join(' ', plugins.Texts("Volume"))}\n  Network: {string.Join(' ', plugins.Texts("Network"))}\n");
        if (plugins.Items("Authorization").Any())
        {
            output.Write($"  Authorization: {string.Join(' ', plugins.Texts("Authorization"))}\n");
        }

        output.Write($"  Log: {string.Join(' ', plugins.Texts("Log"))}\n");
    }

    private void CdiDirectories()
    {
        if (info.Items("CDISpecDirs").Any())
        {
            output.Write(" CDI spec directories:\n");
            foreach (var directory in info.Texts("CDISpecDirs"))
            {
                output.Write($"  {directory}\n");
            }
        }
    }

    private void Swarm()
    {
        var swarm = info.Member("Swarm");
        output.Write($" Swarm: {(swarm?.Text("LocalNodeState") is { Length: > 0 } state ? state : "inactive")}\n");
    }

    private void Runtimes()
    {
        var names = info.Members("Runtimes").Select(static r => r.Name).Order(StringComparer.Ordinal).ToList();
        if (names.Count > 0)
        {
            output.Write($" Runtimes: {string.Join(' ', names)}\n");
            output.Write($" Default Runtime: {info.Text("DefaultRuntime")}\n");
        }

        if (info.Text("OSType") == "linux")
        {
            Optional(" Init Binary: ", "InitBinary");
            foreach (var (label, member) in new[] { ("containerd version", "ContainerdCommit"), ("runc version", "RuncCommit"), ("init version", "InitCommit") })
            {
                if (info.Member(member)?.Text("ID") is { Length: > 0 } id)
                {
                    output.Write($" {label}: {id}\n");
                }
            }
        }
    }

    private void Security()
    {
        var options = info.Texts("SecurityOptions").ToList();
        if (options.Count == 0)
        {
            return;
        }

        output.Write(" Security Options:\n");
        foreach (var option in options)
        {
            // "name=seccomp,profile=builtin": the name, then what is known of it.
            var pairs = option.Split(',').Select(Values.MapOption.Split).ToList();
            output.Write($"  {pairs.FirstOrDefault(static p => p.Key == "name", (Key: "", Value: option)).Value}\n");
            foreach (var (key, value) in pairs.Where(static p => p.Key is not "name" and not ""))
            {
                output.Write(key == "profile" ? $"   Profile: {value}\n" : $"   {key}: {value}\n");
            }
        }
    }

    private void Registries()
    {
        if (info.Member("RegistryConfig") is not { } registries)
        {
            return;
        }

        var insecure = registries.Members("IndexConfigs").Where(static i => !i.Value.Truth("Secure")).Select(static i => i.Name)
            .Concat(registries.Texts("InsecureRegistryCIDRs")).ToList();
        if (insecure.Count > 0)
        {
            output.Write(" Insecure Registries:\n");
            insecure.ForEach(r => output.Write($"  {r}\n"));
        }

        var mirrors = registries.Texts("Mirrors").ToList();
        if (mirrors.Count > 0)
        {
            output.Write(" Registry Mirrors:\n");
            mirrors.ForEach(m => output.Write($"  {m}\n"));
        }
    }

    private void Line(string label, long number) => output.Write(label + number.ToString(CultureInfo.InvariantCulture) + "\n");

    private void Optional(string label, string member)
    {
        if (info.Text(member) is { Length: > 0 } text)
        {
            output.Write(label + text + "\n");
        }
    }
}
