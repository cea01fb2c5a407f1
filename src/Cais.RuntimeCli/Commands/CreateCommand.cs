using Cais.Linux;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>create</c> and <c>run</c>.</summary>
internal static class CreateCommand
{
    private static readonly string[] Flags = ["detach|d", "keep", "no-subreaper", "no-pivot", "no-new-keyring", "help|h"];
    private static readonly string[] Values = ["bundle|b", "console-socket", "pid-file", "preserve-fds", "config|f"];

    public static int Create(Invocation invocation, string[] args)
    {
        var options = Arguments.Parse(args, Flags, Values);
        if (options.Has("help"))
        {
            return Information.Help();
        }

        using var container = Make(invocation, options, "create", detach: true);
        Warn(invocation, container);
        return 0;
    }

    public static int Run(Invocation invocation, string[] args)
    {
        var options = Arguments.Parse(args, Flags, Values);
        if (options.Has("help"))
        {
            return Information.Help();
        }

        var detach = options.Has("detach");
        if (!detach && !options.Has("no-subreaper"))
        {
            Processes.BecomeSubreaper();
        }

        using var container = Make(invocation, options, "run", detach);
        try
        {
            container.Start();
            Warn(invocation, container);
        }
        catch
        {
            container.Delete(force: true);
            throw;
        }

        if (detach)
        {
            return 0;
        }

        var status = Foreground.Wait(container.PidFd!, container.TakeConsole(), signal => container.Kill(signal));
        if (!options.Has("keep"))
        {
            container.Delete(force: true);
            Warn(invocation, container);
        }

        return status.ShellCode;
    }

    private static Container Make(Invocation invocation, Arguments options, string command, bool detach)
    {
        var bundle = options.Value("bundle") ?? ".";
        var socket = options.Value("console-socket");
        if (socket is not null && !detach)
        {
            throw new UsageException("cannot use console socket if the runtime will not detach");
        }

        var container = invocation.Runtime.Create(new CreateRequest
        {
            Id = options.Id(command),
            Bundle = bundle,
            Configuration = options.Value("config") is { } config ? Files.ReadAll(config) : null,
            ConsoleSocket = string.IsNullOrEmpty(socket) ? null : socket,
            RequireConsoleSocket = detach,
            PidFile = options.Value("pid-file"),
            PreserveFds = options.Number("preserve-fds", 0) + ListenFds(),
            NoPivot = options.Has("no-pivot"),
            NoNewKeyring = options.Has("no-new-keyring"),
            SystemdCgroup = invocation.SystemdCgroup,
        });
        return container;
    }

    /// <summary>Sockets of systemd's activation come along by themselves.</summary>
    private static int ListenFds() =>
        int.TryParse(Environment.GetEnvironmentVariable("LISTEN_FDS"), out var count) && count > 0 ? count : 0;

    private static void Warn(Invocation invocation, Container container)
    {
        foreach (var warning in container.Warnings)
        {
            invocation.Log.Warning(warning);
        }
    }
}
