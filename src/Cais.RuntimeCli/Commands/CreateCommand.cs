using Cais.Linux;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>create</c> and <c>run</c>.</summary>
internal static class CreateCommand
{
    public static int Create(Invocation invocation, Arguments options)
    {
        using var container = Make(invocation, options, detach: true);
        return 0;
    }

    public static int Run(Invocation invocation, Arguments options)
    {
        var detach = options.Has("detach");
        if (!detach && !options.Has("no-subreaper"))
        {
            Processes.BecomeSubreaper();
        }

        using var container = Make(invocation, options, detach);
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

        return Attend(invocation, options, container);
    }

    /// <summary>Stays with the container until its end.</summary>
    internal static int Attend(Invocation invocation, Arguments options, Container container)
    {
        var status = Foreground.Wait(container.PidFd!, container.TakeConsole(), signal => container.Kill(signal));
        if (!options.Has("keep"))
        {
            container.Delete(force: true);
            Warn(invocation, container);
        }

        return status.ShellCode;
    }

    private static Container Make(Invocation invocation, Arguments options, bool detach)
    {
        var socket = options.Value("console-socket");
        if (socket is not null && !detach)
        {
            throw new UsageException("cannot use console socket if the runtime will not detach");
        }

        var container = invocation.Runtime.Create(Request(invocation, options, detach));
        try
        {
            PidfdSocket.Send(options.Value("pidfd-socket"), container.PidFd!);
            Warn(invocation, container);
            return container;
        }
        catch
        {
            container.Delete(force: true);
            throw;
        }
    }

    internal static CreateRequest Request(Invocation invocation, Arguments options, bool detach) => new()
    {
        Id = options.Id,
        Bundle = options.Value("bundle") ?? ".",
        Configuration = options.Value("config") is { } config ? Files.ReadAll(config) : null,
        ConsoleSocket = options.Value("console-socket") is { Length: > 0 } socket ? socket : null,
        RequireConsoleSocket = detach,
        PidFile = options.Value("pid-file"),
        PreserveFds = options.Number("preserve-fds", 0) + ListenFds(),
        NoPivot = options.Has("no-pivot"),
        NoNewKeyring = options.Has("no-new-keyring"),
        SystemdCgroup = invocation.CgroupManager == CgroupManager.Systemd,
        WithoutCgroup = invocation.CgroupManager == CgroupManager.Disabled,
    };

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
