using Cais.Linux;
using Cais.Runtime;
using Cais.RuntimeCli.Commands;

namespace Cais.RuntimeCli;

/// <summary>What all commands share.</summary>
internal sealed record Invocation(OciRuntime Runtime, LogFile Log, CgroupManager CgroupManager, string Criu);

/// <summary>Who makes the cgroups of new containers; Disabled is crun's word for nobody.</summary>
internal enum CgroupManager
{
    Cgroupfs,
    Systemd,
    Disabled,
}

/// <summary>Global options, then the command.</summary>
internal static class CommandLine
{
    public const string Program = "cais-runtime";

    public static int Run(string[] args)
    {
        LogFile? log = null;
        var name = "";
        try
        {
            var options = Arguments.Parse(args, GlobalNames(withValue: false), GlobalNames(withValue: true), stopAtArgument: true);
            if (options.Has("version") || options.Has("V"))
            {
                return Information.Version();
            }

            if (options.AsksForHelp || options.Rest is [] or ["help"])
            {
                return Information.Help();
            }

            var level = options.Value("log-level") ?? "warning";
            if (level is not ("error" or "warning" or "info" or "debug"))
            {
                throw new UsageException($"unknown log-level \"{level}\": error, warning and debug are known");
            }

            log = new LogFile(LogPath(options.Value("log")), Format(options.Value("log-format")), options.Has("debug") ? "debug" : level);
            name = options.Rest[0] == "help" ? options.Rest[1] : options.Rest[0];
            var command = CommandTable.Find(name) ?? throw new UsageException($"no such command: {name}");
            if (options.Rest[0] == "help")
            {
                return Information.Help(command);
            }

            var arguments = command.Parse(options.Rest.Skip(1).ToArray());
            if (arguments.AsksForHelp)
            {
                return Information.Help(command);
            }

            var invocation = new Invocation(
                new OciRuntime(options.Value("root") ?? DefaultRoot()), log, Manager(options), options.Value("criu") ?? "criu");
            if (command.StartsProcesses && !SelfExecutable.IsProtected)
            {
                log.Warning("the runtime's own file is not protected from containers: neither a read-only view nor a sealed copy could be made");
            }

            log.Debug($"{Program} {name}: {string.Join(' ', arguments.Rest)}");
            return command.Run(invocation, arguments);
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
            log ??= new LogFile(null, false, "warning");
            log.Error(prefix + e.Message);
            if (!log.ToStandardError)
            {
                Output.Error(prefix + e.Message);
            }

            // As runc: exec tells its own failures apart from the program's exit status.
            return name == "exec" ? 255 : 1;
        }
    }

    private static string[] GlobalNames(bool withValue)
    {
        var names = new List<string>();
        foreach (var option in CommandTable.Global)
        {
            if (option.Value is not null == withValue)
            {
                names.Add(option.Name);
            }
        }

        return [.. names];
    }

    private static CgroupManager Manager(Arguments options)
    {
        if (options.Value("rootless") is { } rootless && rootless.ToLowerInvariant() is not ("true" or "false" or "auto" or "1" or "0"))
        {
            throw new UsageException($"invalid value \"{rootless}\" for flag -rootless: true, false and auto are known");
        }

        return options.Value("cgroup-manager") switch
        {
            "systemd" => CgroupManager.Systemd,
            "disabled" => CgroupManager.Disabled,
            null or "cgroupfs" => options.Has("systemd-cgroup") ? CgroupManager.Systemd : CgroupManager.Cgroupfs,
            var other => throw new UsageException($"unknown cgroup manager \"{other}\": cgroupfs, systemd and disabled are known"),
        };
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
