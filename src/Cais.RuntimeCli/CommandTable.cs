using Cais.RuntimeCli.Commands;

namespace Cais.RuntimeCli;

/// <summary>Every command with every option that runc and crun have, each under its name there.</summary>
internal static class CommandTable
{
    public static readonly string[] Names =
    [
        "create", "start", "run", "state", "kill", "delete", "exec", "ps", "list", "pause", "resume", "update", "events", "checkpoint",
        "restore", "mounts", "plan", "spec", "features",
    ];

    public static readonly Option[] Global =
    [
        new("root", "DIR", "where containers' states are kept (default /run/cais-runtime)"),
        new("log", "FILE", "log file; also file:FILE, syslog:NAME, journald:NAME (default: standard error)"),
        new("log-format", "FORMAT", "text or json"),
        new("log-level", "LEVEL", "error, warning or debug"),
        new("debug", null, "log more"),
        new("systemd-cgroup", null, "cgroups are made by systemd; cgroupsPath is slice:prefix:name"),
        new("cgroup-manager", "MANAGER", "cgroupfs, systemd or disabled"),
        new("rootless", "BOOL", "true, false or auto; accepted: the kernel is asked instead"),
        new("criu", "PATH", "the criu program"),
        new("version|v", null, "print the version"),
        new("V", null, "print the version"),
        new("help|h", null, "print this"),
        new("usage", null, "print this"),
        new("?", null, "print this"),
    ];

    private static readonly Option[] Start =
    [
        new("bundle|b", "DIR", "the bundle (default: the current directory)"),
        new("config|f", "FILE", "another file than the bundle's config.json"),
        new("console-socket", "SOCKET", "a unix socket that gets the terminal's master"),
        new("pid-file", "FILE", "gets the pid of the first process"),
        new("pidfd-socket", "SOCKET", "a unix socket that gets a descriptor of the first process"),
        new("preserve-fds", "N", "descriptors from 3 on that the container inherits"),
        new("no-pivot", null, "move the root instead of pivot_root, for hosts on an initramfs"),
        new("no-new-keyring", null, "keep the caller's session keyring"),
        new("no-subreaper", null, "do not adopt the container's orphans"),
    ];

    private static readonly Option[] Migrate =
    [
        new("image-path", "DIR", "the image's files (default: checkpoint)"),
        new("work-path", "DIR", "criu's log and other files"),
        new("parent-path", "DIR", "the image before this one, relative to the image's folder"),
        new("tcp-established", null, "with open TCP connections"),
        new("ext-unix-sk", null, "with unix sockets that lead outside"),
        new("shell-job", null, "with a terminal that lies outside"),
        new("file-locks", null, "with file locks"),
        new("manage-cgroups-mode", "MODE", "soft (default), full, strict or ignore"),
        new("empty-ns", "NAMESPACE", "make this namespace, but do not save what is in it (network)"),
        new("auto-dedup", null, "remove from older images what this one holds"),
        new("lazy-pages", null, "memory follows when it is needed"),
        new("network-lock", "METHOD", "how criu blocks the network: iptables, nftables or skip"),
    ];

    public static Command? Find(string name) => name switch
    {
        "create" => new("create", "[options] CONTAINER", "make a container; its program waits for start", CreateCommand.Create) { Options = Start, StartsProcesses = true },
        "run" => new("run", "[options] CONTAINER", "create and start", CreateCommand.Run)
        {
            Options = [.. Start, new("detach|d", null, "do not wait for the end"), new("keep", null, "do not delete the container when it has ended")],
            StartsProcesses = true,
        },
        "start" => new("start", "CONTAINER", "let the program of a created container begin", LifecycleCommands.Start) { StartsProcesses = true },
        "state" => new("state", "CONTAINER", "print a container's state", LifecycleCommands.State),
        "kill" => new("kill", "[options] CONTAINER [SIGNAL]", "send a signal to a container's first process", LifecycleCommands.Kill)
        {
            Options = [new("all|a", null, "to every process in it"), new("regex|r", null, "CONTAINER is an expression"), new("signal|s", "SIGNAL", "the signal")],
            Count = (1, 2),
        },
        "delete" => new("delete", "[options] CONTAINER", "remove a stopped container", LifecycleCommands.Delete)
        {
            Options = [new("force|f", null, "kill it first"), new("regex|r", null, "CONTAINER is an expression")],
        },
        "pause" => new("pause", "CONTAINER", "stop all processes of a container", LifecycleCommands.Pause),
        "resume" => new("resume", "CONTAINER", "let them go on", LifecycleCommands.Resume),
        "exec" => Exec(),
        "list" => new("list", "[options]", "list containers", ListCommands.List)
        {
            Options = [new("format|f", "FORMAT", "table or json"), new("quiet|q", null, "ids only")],
            Count = (0, 0),
        },
        "ps" => new("ps", "[options] CONTAINER [PS OPTION...]", "list a container's processes", ListCommands.Processes)
        {
            Options = [new("format|f", "FORMAT", "table or json")],
            Count = (1, int.MaxValue),
            StopsAtArgument = true,
        },
        "events" => new("events", "[options] CONTAINER", "print statistics and out-of-memory events", EventsCommand.Run)
        {
            Options = [new("stats", null, "print statistics once"), new("interval", "DURATION", "between statistics (default 5s)")],
        },
        "update" => Update(),
        "mounts" => new("mounts", "add|remove CONTAINER FILE", "change the mounts of a running container; FILE is JSON with \"mounts\"", MountsCommand.Run) { Count = (3, 3) },
        "spec" => new("spec", "[options]", "write a configuration to start from", SpecCommand.Run)
        {
            Options = [new("bundle|b", "DIR", "where to"), new("file|f", "FILE", "another name than config.json"), new("rootless", null, "for an ordinary user")],
            Count = (0, 0),
        },
        "features" => new("features", "", "print what this runtime can do", (_, _) => Information.Features()) { Count = (0, 0) },
        "plan" => new("plan", "[options] [CONTAINER]", "print every system call that would make a container", (_, arguments) => Information.Plan(arguments))
        {
            Options = [new("bundle|b", "DIR", "the bundle"), new("config|f", "FILE", "another file than the bundle's config.json")],
            Count = (0, 1),
        },
        "checkpoint" => new("checkpoint", "[options] CONTAINER", "save a container's processes to files (needs criu)", MigrateCommands.Checkpoint)
        {
            Options =
            [
                .. Migrate,
                new("leave-running", null, "let it run on"),
                new("pre-dump", null, "save memory only, and let it run on"),
                new("page-server", "ADDRESS:PORT", "send memory to a page server"),
                new("status-fd", "N", "a descriptor that gets a zero byte once lazy pages can be fetched"),
                new("tcp-skip-in-flight", null, "leave out TCP connections that are being made"),
                new("link-remap", null, "with files that have no name any more"),
            ],
        },
        "restore" => new("restore", "[options] CONTAINER", "go on from such files (needs criu)", MigrateCommands.Restore)
        {
            Options =
            [
                .. Migrate,
                .. Start,
                new("detach|d", null, "do not wait for the end"),
                new("tcp-close", null, "close TCP connections"),
                new("lsm-profile", "TYPE:NAME", "another security profile"),
                new("lsm-mount-context", "CONTEXT", "another SELinux context for mounts"),
            ],
            StartsProcesses = true,
        },
        _ => null,
    };

    private static Command Exec() => new("exec", "[options] CONTAINER COMMAND [ARGUMENT...]", "start another process in a running container", ExecCommand.Run)
    {
        Options =
        [
            new("process|p", "FILE", "the process as JSON, instead of a command"),
            new("tty|t", null, "with a terminal"),
            new("detach|d", null, "do not wait for the end"),
            new("console-socket", "SOCKET", "a unix socket that gets the terminal's master"),
            new("pid-file", "FILE", "gets the pid"),
            new("pidfd-socket", "SOCKET", "a unix socket that gets a descriptor of the process"),
            new("cwd", "DIR", "working directory"),
            new("env|e", "NAME=VALUE", "an environment variable"),
            new("user|u", "UID[:GID]", "the user"),
            new("additional-gids|g", "GID", "a further group"),
            new("cap|c", "CAPABILITY", "a further capability"),
            new("no-new-privs", null, "set no_new_privs"),
            new("process-label", "LABEL", "SELinux label"),
            new("apparmor", "PROFILE", "AppArmor profile"),
            new("preserve-fds", "N", "descriptors from 3 on that it inherits"),
            new("cgroup", "[CONTROLLER:]PATH", "a cgroup below the container's"),
            new("ignore-paused", null, "also while the container is paused"),
            new("no-subreaper", null, "accepted"),
        ],
        Count = (1, int.MaxValue),
        StopsAtArgument = true,
        StartsProcesses = true,
    };

    private static Command Update() => new("update", "[options] CONTAINER", "change a container's limits", UpdateCommand.Run)
    {
        Options =
        [
            new("resources|r", "FILE", "limits as JSON; - is standard input"),
            new("blkio-weight", "N", "share of block I/O, 10 to 1000"),
            new("cpu-period", "MICROSECONDS", "period of the CPU quota"),
            new("cpu-quota", "MICROSECONDS", "CPU time within a period"),
            new("cpu-burst", "MICROSECONDS", "CPU time that may be saved up"),
            new("cpu-share", "N", "share of CPU time"),
            new("cpu-rt-period", "MICROSECONDS", "period of the real-time quota"),
            new("cpu-rt-runtime", "MICROSECONDS", "real-time CPU time within a period"),
            new("cpu-idle", "0|1", "run only when nothing else does"),
            new("cpuset-cpus", "LIST", "CPUs"),
            new("cpuset-mems", "LIST", "memory nodes"),
            new("memory", "BYTES", "memory"),
            new("memory-reservation", "BYTES", "memory that is kept under pressure"),
            new("memory-swap", "BYTES", "memory and swap together; -1 for no limit"),
            new("kernel-memory", "BYTES", "kernel memory"),
            new("kernel-memory-tcp", "BYTES", "kernel memory for TCP"),
            new("pids-limit", "N", "processes"),
            new("l3-cache-schema", "SCHEMA", "Intel RDT: level 3 cache"),
            new("mem-bw-schema", "SCHEMA", "Intel RDT: memory bandwidth"),
        ],
    };
}
