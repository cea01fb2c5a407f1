using Cais.Linux;
using Cais.Runtime;
using Cais.RuntimeCli.Commands;

namespace Cais.RuntimeCli;

/// <summary>What all commands share.</summary>
internal sealed record Invocation(OciRuntime Runtime, LogFile Log, bool SystemdCgroup, string Criu);

/// <summary>Global options, then the command.</summary>
internal static class CommandLine
{
    public const string Program = "cais-runtime";

    private const string RestartedMark = "_CAIS_RUNTIME_RESTARTED";

    private static readonly string[] Flags = ["debug", "systemd-cgroup", "help|h", "version|v"];
    private static readonly string[] Values = ["log", "log-format", "root", "criu", "rootless", "cgroup-manager", "log-level"];

    public static int Run(string[] args)
    {
        LogFile? log = null;
        var name = "";
        try
        {
            var options = Arguments.Parse(args, Flags, Values, stopAtArgument: true);
            if (options.Has("version"))
            {
                return Information.Version();
            }

            if (options.Has("help") || options.Rest is [] or ["help", ..])
            {
                return Information.Help();
            }

            var debug = options.Has("debug") || options.Value("log-level") == "debug";
            log = new LogFile(LogPath(options.Value("log")), Format(options.Value("log-format")), debug);
            name = options.Rest[0];
            var rest = new string[options.Rest.Count - 1];
            for (var i = 0; i < rest.Length; i++)
            {
                rest[i] = options.Rest[i + 1];
            }

            var invocation = new Invocation(
                new OciRuntime(options.Value("root") ?? DefaultRoot()), log,
                options.Has("systemd-cgroup") || options.Value("cgroup-manager") == "systemd", options.Value("criu") ?? "criu");
            if (name is "create" or "run" or "exec" or "restore")
            {
                ProtectOwnFile(args, log);
            }

            return Dispatch(name, invocation, rest);
        }
        catch (UsageException e)
        {
            Output.Error($"Incorrect Usage: {e.Message}\nTry '{Program} --help'.");
            return 1;
        }
        catch (Exception e) when (e is RuntimeException or LinuxException or IOException or UnauthorizedAccessException)
        {
            var prefix = name is "create" or "run" or "start" or "exec" && e is RuntimeException { Error: RuntimeError.Executable or RuntimeError.Failed or RuntimeError.Hook }
                ? name == "exec" ? "exec failed: unable to start container process: " : $"{Program} {name} failed: unable to start container process: "
                : "";
            log ??= new LogFile(null, false, false);
            log.Error(prefix + e.Message);
            if (!log.ToStandardError)
            {
                Output.Error(prefix + e.Message);
            }

            // As runc: exec tells its own failures apart from the program's exit status.
            return name == "exec" ? 255 : 1;
        }
    }

    private static int Dispatch(string name, Invocation invocation, string[] args) => name switch
    {
        "create" => CreateCommand.Create(invocation, args),
        "run" => CreateCommand.Run(invocation, args),
        "start" => LifecycleCommands.Start(invocation, args),
        "state" => LifecycleCommands.State(invocation, args),
        "kill" => LifecycleCommands.Kill(invocation, args),
        "delete" => LifecycleCommands.Delete(invocation, args),
        "pause" => LifecycleCommands.Pause(invocation, args),
        "resume" => LifecycleCommands.Resume(invocation, args),
        "exec" => ExecCommand.Run(invocation, args),
        "list" => ListCommands.List(invocation, args),
        "ps" => ListCommands.Processes(invocation, args),
        "update" => UpdateCommand.Run(invocation, args),
        "events" => EventsCommand.Run(invocation, args),
        "spec" => SpecCommand.Run(args),
        "features" => Information.Features(),
        "plan" => Information.Plan(args),
        _ => throw new UsageException($"no such command: {name}"),
    };

    /// <summary>
    /// A process in the container can reach the file of whoever starts it through /proc, and could write to it once nobody runs it any
    /// more. So what starts containers runs from a view of the file that cannot be written. Nothing to do where the file is on a
    /// read-only mount already.
    /// </summary>
    private static void ProtectOwnFile(string[] args, LogFile log)
    {
        if (SelfExecutable.IsProtected || Environment.GetEnvironmentVariable(RestartedMark) is not null)
        {
            return;
        }

        var environment = new List<string> { RestartedMark + "=1" };
        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            environment.Add($"{variable.Key}={variable.Value}");
        }

        var error = SelfExecutable.RestartProtected([Program, .. args], environment);
        log.Warning($"the runtime's own file is not protected from containers: {error.Message}");
    }

    private static string DefaultRoot() =>
        UserIds.Effective == 0 ? "/run/cais-runtime"
        : Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } directory ? $"{directory}/cais-runtime" : $"/tmp/cais-runtime-{UserIds.Effective}";

    private static bool Format(string? format) => format switch
    {
        "json" => true,
        null or "" or "text" => false,
        _ => throw new UsageException($"unknown log-format \"{format}\": text and json are known"),
    };

    /// <summary>crun's form names a kind first: <c>file:PATH</c>.</summary>
    private static string? LogPath(string? value) =>
        string.IsNullOrEmpty(value) || value == "/dev/stderr" ? null
        : value.StartsWith("file:", StringComparison.Ordinal) ? value[5..] : value;
}
