using Cais.Linux;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>checkpoint</c> and <c>restore</c>, through criu.</summary>
internal static class MigrateCommands
{
    public static int Checkpoint(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        var request = new CheckpointRequest
        {
            ImagePath = ImagePath(options),
            LeaveRunning = options.Has("leave-running"),
            PreDump = options.Has("pre-dump"),
            PageServer = options.Value("page-server"),
            StatusFd = options.Value("status-fd") is null or "-1" ? -1 : options.Number("status-fd", -1),
            TcpSkipInFlight = options.Has("tcp-skip-in-flight"),
            LinkRemap = options.Has("link-remap"),
        };
        container.Checkpoint(Common(invocation, options, request));
        if (!request.LeaveRunning && !request.PreDump)
        {
            container.Delete(force: true);
        }

        return 0;
    }

    public static int Restore(Invocation invocation, Arguments options)
    {
        var detach = options.Has("detach");
        if (!detach && !options.Has("no-subreaper"))
        {
            Processes.BecomeSubreaper();
        }

        var request = new RestoreRequest
        {
            ImagePath = ImagePath(options),
            Container = CreateCommand.Request(invocation, options, detach: false),
            TcpClose = options.Has("tcp-close"),
            LsmProfile = options.Value("lsm-profile"),
            LsmMountContext = options.Value("lsm-mount-context"),
        };
        using var container = invocation.Runtime.Restore(Common(invocation, options, request));
        PidfdSocket.Send(options.Value("pidfd-socket"), container.PidFd!);
        return detach ? 0 : CreateCommand.Attend(invocation, options, container);
    }

    private static string ImagePath(Arguments options) => options.Value("image-path") is { Length: > 0 } path ? path : "checkpoint";

    private static T Common<T>(Invocation invocation, Arguments options, T request)
        where T : MigrationOptions => request with
        {
            Criu = invocation.Criu,
            WorkPath = options.Value("work-path") is { Length: > 0 } work ? work : null,
            ParentPath = options.Value("parent-path") is { Length: > 0 } parent ? parent : null,
            TcpEstablished = options.Has("tcp-established"),
            ExternalUnixSockets = options.Has("ext-unix-sk"),
            ShellJob = options.Has("shell-job"),
            FileLocks = options.Has("file-locks"),
            AutoDedup = options.Has("auto-dedup"),
            LazyPages = options.Has("lazy-pages"),
            ManageCgroups = options.Value("manage-cgroups-mode") is { Length: > 0 } mode
                ? mode is "soft" or "full" or "strict" or "ignore" ? mode
                    : throw new UsageException($"invalid manage-cgroups-mode \"{mode}\": soft, full, strict and ignore are known")
                : null,
            EmptyNamespaces = options.Values("empty-ns"),
            NetworkLock = options.Value("network-lock"),
        };
}
