using Cais.Testing;

namespace Cais.EndToEnd.Tests;

/// <summary>One caisd with its own state, and the two clients that speak to it.</summary>
internal sealed class Engine : IAsyncDisposable
{
    private readonly Scratch _scratch;
    private readonly string[] _options;
    private readonly Host? _host;
    private IReadOnlyDictionary<string, string?>? _environment;
    private BackgroundProcess? _daemon;

    private Engine(string[] options, Host? host)
    {
        _host = host;
        _scratch = new Scratch("engine");
        _options = options;
        RunFolder = Directory.CreateTempSubdirectory("cais-run-").FullName;
        Socket = Path.Combine(RunFolder, "docker.sock");
    }

    public string Socket { get; }

    /// <summary>What must not survive a reboot: sockets, bundles, network namespaces.</summary>
    public string RunFolder { get; }

    public string DataFolder => _scratch["data"];

    public int DaemonId => _daemon!.Id;

    public string Log => _daemon?.Said ?? "";

    public static async Task<Engine> Start(params string[] options)
    {
        var engine = new Engine(options, null);
        await engine.StartDaemon();
        return engine;
    }

    /// <summary>Starts one with variables of its own.</summary>
    public static async Task<Engine> StartWith(IReadOnlyDictionary<string, string?> environment, params string[] options)
    {
        var engine = new Engine(options, null) { _environment = environment };
        await engine.StartDaemon();
        return engine;
    }

    /// <summary>Starts one on another host.</summary>
    public static async Task<Engine> StartOn(Host host, params string[] options)
    {
        var engine = new Engine(options, host);
        await engine.StartDaemon();
        return engine;
    }

    public Task StartDaemon() => StartDaemon(_options);

    /// <summary>Starts it with other options than those it was first started with.</summary>
    public async Task StartDaemon(string[] options)
    {
        _daemon = Command.Start(
            _host is null ? Programs.Daemon : "nsenter",
            [.. _host is null ? Array.Empty<string>() : [$"--net={_host.NamespacePath}", Programs.Daemon], "--data-root", DataFolder, "--exec-root", Path.Combine(RunFolder, "exec"), "--pidfile", Path.Combine(RunFolder, "pid"),
             "-H", $"unix://{Socket}", .. options],
            _environment);
        await Eventually.Holds(
            async () =>
            {
                if (_daemon.HasExited)
                {
                    throw new InvalidOperationException($"caisd ended with {_daemon.ExitCode}: {_daemon.Said}");
                }

                return File.Exists(Socket) && (await Cais("version")).ExitCode == 0;
            },
            "caisd answers");
    }

    /// <summary>kill -9: what a crash looks like to the containers.</summary>
    public Task Crash() => _daemon!.Kill();

    public Task StopDaemon() => _daemon!.Terminate();

    public Task<ProcessResult> Cais(params string[] arguments) => Client("cais", arguments);

    public Task<ProcessResult> Docker(params string[] arguments) => Client("docker", arguments);

    /// <summary>Runs <c>cais</c> or the real <c>docker</c> against this daemon.</summary>
    public Task<ProcessResult> Client(string client, IEnumerable<string> arguments, byte[]? stdin = null) =>
        Command.Run(ProgramOf(client), ["-H", $"unix://{Socket}", .. arguments], stdin, environment: ClientEnvironment);

    public Task<byte[]> ClientBytes(string client, params string[] arguments) =>
        Command.RunForBytes(ProgramOf(client), ["-H", $"unix://{Socket}", .. arguments]);

    public BackgroundProcess ClientInBackground(string client, params string[] arguments) =>
        Command.Start(ProgramOf(client), ["-H", $"unix://{Socket}", .. arguments], ClientEnvironment);

    /// <summary>The command line for a shell or tmux.</summary>
    public string CommandLine(string client, string arguments) => $"{ProgramOf(client)} -H unix://{Socket} {arguments}";

    public async ValueTask DisposeAsync()
    {
        if (_daemon is { HasExited: true })
        {
            await _daemon.DisposeAsync();
            await StartDaemon();
        }

        var all = (await Cais("ps", "-aq")).Lines;
        if (all.Length > 0)
        {
            (await Cais(["rm", "-f", "-v", .. all])).Succeeded();
        }

        await _daemon!.Terminate();
        await _daemon.DisposeAsync();
        Directory.Delete(RunFolder, recursive: true);
        _scratch.Dispose();
        await RemoveBridges();
    }

    private IReadOnlyDictionary<string, string?> ClientEnvironment => new Dictionary<string, string?>
    {
        ["DOCKER_CONFIG"] = _scratch["client"],
        ["DOCKER_HOST"] = null,
        ["DOCKER_CONTEXT"] = null,
    };

    private static string ProgramOf(string client) => client == "cais" ? Programs.Cais : client;

    /// <summary>A daemon's bridge and rules outlive it, as docker0 does: containers need them. The test's machine does not.</summary>
    private static async Task RemoveBridges()
    {
        var links = await Command.Run("ip", ["-o", "link", "show", "type", "bridge"]);
        foreach (var line in links.Lines)
        {
            var name = line.Split(':')[1].Trim();
            if (name == "docker0" || name.StartsWith("br-", StringComparison.Ordinal))
            {
                (await Command.Run("ip", ["link", "delete", name])).Succeeded();
            }
        }

        var tables = await Command.Run("nft", ["list", "tables"]);
        foreach (var line in tables.Lines.Where(l => l.Contains("cais", StringComparison.Ordinal)))
        {
            (await Command.Run("nft", ["delete", .. line.Split(' ')])).Succeeded();
        }
    }
}
