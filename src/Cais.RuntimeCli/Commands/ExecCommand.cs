using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>exec</c>: another process in a running container.</summary>
internal static class ExecCommand
{
    public static int Run(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        var process = options.Value("process") is { } path
            ? Documents.ReadProcess(Files.ReadAll(path), path) : FromOptions(options, container.Spec.Process);
        var detach = options.Has("detach");
        var socket = options.Value("console-socket");
        if (process.Terminal && detach && string.IsNullOrEmpty(socket))
        {
            throw new UsageException("cannot allocate tty if the runtime will detach without setting console socket");
        }

        using var handle = container.Exec(new ExecRequest
        {
            Process = process,
            ConsoleSocket = string.IsNullOrEmpty(socket) ? null : socket,
            PidFile = options.Value("pid-file"),
            PreserveFds = options.Number("preserve-fds", 0),
            SubCgroup = options.Value("cgroup"),
            IgnorePaused = options.Has("ignore-paused"),
        });
        PidfdSocket.Send(options.Value("pidfd-socket"), handle.PidFd);
        return detach ? 0 : Foreground.Wait(handle.PidFd, handle.TakeConsole(), signal => Pidfd.Signal(handle.PidFd, signal)).ShellCode;
    }

    private static Process FromOptions(Arguments options, Process? configured)
    {
        if (options.Rest.Count < 2)
        {
            throw new UsageException("exec needs a command, or --process with a file");
        }

        var model = configured ?? new Process { Cwd = "/" };
        var arguments = new List<string>();
        for (var i = 1; i < options.Rest.Count; i++)
        {
            arguments.Add(options.Rest[i]);
        }

        var environment = new List<string>(model.Env ?? []);
        environment.AddRange(options.Values("env"));
        return model with
        {
            Args = arguments,
            Env = environment,
            Cwd = options.Value("cwd") ?? model.Cwd,
            Terminal = options.Has("tty"),
            ConsoleSize = null,
            User = User(options, model.User ?? new User()),
            Capabilities = Add(model.Capabilities, options.Values("cap")),
            NoNewPrivileges = options.Value("no-new-privs") is null ? model.NoNewPrivileges : options.Has("no-new-privs"),
            ApparmorProfile = options.Value("apparmor") ?? model.ApparmorProfile,
            SelinuxLabel = options.Value("process-label") ?? model.SelinuxLabel,
        };
    }

    private static User User(Arguments options, User model)
    {
        var user = model;
        if (options.Value("user") is { } text)
        {
            var parts = text.Split(':');
            user = user with { Uid = Id(parts[0]), Gid = parts.Length > 1 ? Id(parts[1]) : user.Gid };
        }

        if (options.Values("additional-gids") is { Count: > 0 } added)
        {
            var groups = new List<uint>(user.AdditionalGids ?? []);
            foreach (var gid in added)
            {
                groups.Add(Id(gid));
            }

            user = user with { AdditionalGids = groups };
        }

        return user;
    }

    private static uint Id(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var id)
            ? id : throw new UsageException($"\"{text}\" is not a numeric id");

    private static Capabilities? Add(Capabilities? model, IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            return model;
        }

        foreach (var name in names)
        {
            if (CapabilityNames.Number(name) < 0)
            {
                throw new UsageException($"unknown capability {name}");
            }
        }

        model ??= new Capabilities();
        return model with
        {
            Bounding = [.. model.Bounding ?? [], .. names],
            Effective = [.. model.Effective ?? [], .. names],
            Permitted = [.. model.Permitted ?? [], .. names],
        };
    }
}
