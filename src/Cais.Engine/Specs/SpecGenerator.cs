using System.Globalization;
using Cais.Api;
using Cais.Engine.Containers;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>Turns a container's configuration into the runtime specification's: a pure function, so that a test can hold its result.</summary>
internal static class SpecGenerator
{
    /// <summary>Where the init program is inside, which is where docker's users look for it.</summary>
    public const string InitDestination = "/sbin/docker-init";

    /// <summary>Old enough for every runtime that containers may ask for: some refuse a version they do not know, whatever is in the document.</summary>
    private const string OciVersion = "1.0.2";

    private const string DefaultPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

    /// <summary>Kernel information that a container has no business with, as docker hides it.</summary>
    public static readonly IReadOnlyList<string> DefaultMaskedPaths =
    [
        "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi",
        "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap", "/sys/firmware",
    ];

    public static readonly IReadOnlyList<string> DefaultReadonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

    public static Spec Generate(ContainerRecord container, SpecOptions options)
    {
        var host = container.HostConfig;
        var security = SecurityOptions.Parse(host.SecurityOpt);
        var privileged = host.Privileged == true;
        var capabilities = CapabilitySet.Of(host.CapAdd, host.CapDrop, privileged, options.Host);
        var (devices, rules) = Devices.Of(host);
        var unconfined = privileged || security.SystemPathsUnconfined;
        var spec = new Spec
        {
            OciVersion = OciVersion,
            Process = Process(container, options, security, capabilities),
            Root = new Root { Path = "rootfs", Readonly = host.ReadonlyRootfs == true },
            Hostname = host.UTSMode == "host" || options.Hostname.Length == 0 ? null : options.Hostname,
            Domainname = host.UTSMode == "host" || string.IsNullOrEmpty(container.Config.Domainname) ? null : container.Config.Domainname,
            Mounts = SpecMounts.Of(container, options, security),
            Annotations = host.Annotations is { Count: > 0 } annotations ? annotations : null,
            Linux = new LinuxConfig
            {
                Namespaces = Namespaces.Of(container, options),
                UidMappings = Mappings(options.Ids?.Users),
                GidMappings = Mappings(options.Ids?.Groups),
                Devices = devices.Count > 0 ? devices : null,
                CgroupsPath = CgroupPath(container, options),
                Resources = ResourceLimits.Of(host) with { Devices = rules },
                Seccomp = Seccomp(security, privileged, capabilities, options),
                Sysctl = Sysctls(container, options),
                MaskedPaths = unconfined ? null : host.MaskedPaths ?? DefaultMaskedPaths,
                ReadonlyPaths = unconfined ? null : host.ReadonlyPaths ?? DefaultReadonlyPaths,
                RootfsPropagation = RootPropagation(container),
            },
        };
        return options.Edits is { } edits ? CdiRegistry.Apply(spec, edits) : spec;
    }

    /// <summary>The process of a command put into the container, which starts from what the container's own process has.</summary>
    public static Oci.Runtime.Process ExecProcess(
        ContainerRecord container, ContainerExecRequest exec, SpecOptions options)
    {
        var privileged = exec.Privileged == true || container.HostConfig.Privileged == true;
        var security = SecurityOptions.Parse(container.HostConfig.SecurityOpt);
        var capabilities = CapabilitySet.Of(
            container.HostConfig.CapAdd, container.HostConfig.CapDrop, privileged, options.Host);
        var own = Process(container, options, security, capabilities);
        var environment = Environment(container, options, exec.Tty == true, exec.Env);
        return own with
        {
            Terminal = exec.Tty == true,
            ConsoleSize = Size(exec.ConsoleSize),
            Args = exec.Cmd,
            Env = environment,
            Cwd = string.IsNullOrEmpty(exec.WorkingDir) ? own.Cwd : exec.WorkingDir,
            OomScoreAdj = null,
        };
    }

    private static Oci.Runtime.Process Process(
        ContainerRecord container, SpecOptions options, SecurityOptions security, IReadOnlyList<string> capabilities)
    {
        var config = container.Config;
        var host = container.HostConfig;
        var arguments = container.CommandLine;
        if (options.InitPath is not null)
        {
            arguments = [InitDestination, "--", .. arguments];
        }

        return new Oci.Runtime.Process
        {
            Terminal = config.Tty == true,
            ConsoleSize = Size(host.ConsoleSize),
            User = new User { Uid = options.User.Uid, Gid = options.User.Gid, AdditionalGids = options.User.Groups },
            Args = arguments,
            Env = Environment(container, options, config.Tty == true, null),
            Cwd = string.IsNullOrEmpty(config.WorkingDir) ? "/" : config.WorkingDir,
            Capabilities = new Capabilities { Bounding = capabilities, Effective = capabilities, Permitted = capabilities },
            Rlimits = Rlimits(host, options),
            NoNewPrivileges = security.NoNewPrivileges ?? options.NoNewPrivileges,
            ApparmorProfile = options.Host.HasAppArmor && host.Privileged != true && security.AppArmor is not (null or "unconfined") ? security.AppArmor : null,
            OomScoreAdj = (int)(host.OomScoreAdj ?? 0),
        };
    }

    /// <summary>What every process finds, then the image's and the user's, of which the last of a name counts.</summary>
    private static List<string> Environment(ContainerRecord container, SpecOptions options, bool terminal, IReadOnlyList<string>? more)
    {
        var variables = new List<string> { DefaultPath };
        if (options.Hostname.Length > 0)
        {
            variables.Add("HOSTNAME=" + options.Hostname);
        }

        if (terminal)
        {
            variables.Add("TERM=xterm");
        }

        variables.AddRange(options.LinkEnvironment);
        foreach (var variable in (container.Config.Env ?? []).Concat(more ?? []))
        {
            var equals = variable.IndexOf('=');
            var name = equals < 0 ? variable : variable[..equals];
            var at = variables.FindIndex(v => v.StartsWith(name, StringComparison.Ordinal) && v.Length > name.Length && v[name.Length] == '=');

            // A name without a value takes the variable away.
            if (equals < 0)
            {
                if (at >= 0)
                {
                    variables.RemoveAt(at);
                }
            }
            else if (at >= 0)
            {
                variables[at] = variable;
            }
            else
            {
                variables.Add(variable);
            }
        }

        if (!variables.Exists(v => v.StartsWith("HOME=", StringComparison.Ordinal)))
        {
            variables.Add("HOME=" + options.User.Home);
        }

        return variables;
    }

    private static ConsoleSize? Size(IReadOnlyList<long>? size) =>
        size is [> 0 and var height, > 0 and var width] ? new ConsoleSize { Height = (ulong)height, Width = (ulong)width } : null;

    private static List<IdMapping>? Mappings(IReadOnlyList<IdRange>? ranges) =>
        ranges is null ? null : [.. ranges.Select(r => new IdMapping { ContainerId = r.Inside, HostId = r.Outside, Size = r.Count })];

    /// <summary>An absolute path without <c>..</c>; empty for the top.</summary>
    internal static string CleanParent(string parent) => MountParser.Clean("/" + parent).TrimEnd('/');

    private static string CgroupPath(ContainerRecord container, SpecOptions options)
    {
        var parent = string.IsNullOrEmpty(container.HostConfig.CgroupParent) ? options.CgroupParent : container.HostConfig.CgroupParent;
        return $"{CleanParent(parent)}/{container.Id}";
    }

    private static List<Rlimit>? Rlimits(HostConfig host, SpecOptions options)
    {
        var limits = options.DefaultUlimits.Concat(host.Ulimits ?? []).GroupBy(u => u.Name).Select(g => g.Last()).ToList();
        return limits.Count == 0 ? null :
        [
            .. limits.Select(u => new Rlimit
            {
                Type = "RLIMIT_" + (u.Name ?? "").ToUpperInvariant(),
                Soft = (ulong)(u.Soft ?? 0),
                Hard = (ulong)(u.Hard ?? 0),
            }),
        ];
    }

    private static Seccomp? Seccomp(SecurityOptions security, bool privileged, IReadOnlyList<string> capabilities, SpecOptions options)
    {
        if (!options.Host.HasSeccomp || security.Seccomp == "unconfined" || (privileged && security.Seccomp is null))
        {
            return null;
        }

        return security.Seccomp is null or "builtin" or ""
            ? options.Seccomp.Resolve(capabilities, options.Host)
            : SeccompProfile.Parse(security.Seccomp).Resolve(capabilities, options.Host);
    }

    /// <summary>
    /// The user's, and, in a network namespace of its own, what lets unprivileged processes open low ports and ping: the container's ports are its own.
    /// </summary>
    private static Dictionary<string, string>? Sysctls(ContainerRecord container, SpecOptions options)
    {
        var values = new Dictionary<string, string>();
        if (container.HostConfig.NetworkMode != "host" && Namespaces.ContainerOf(container.HostConfig.NetworkMode) is null && options.Host.KernelIsAtLeast("4.11"))
        {
            values["net.ipv4.ip_unprivileged_port_start"] = "0";
            values["net.ipv4.ping_group_range"] = options.Ids is { } ids
                ? string.Create(CultureInfo.InvariantCulture, $"0 {ids.Groups.Sum(g => g.Count) - 1}")
                : "0 2147483647";
        }

        foreach (var (name, value) in container.HostConfig.Sysctls ?? new Dictionary<string, string>())
        {
            values[name] = value;
        }

        return values.Count > 0 ? values : null;
    }

    /// <summary>A mount that shows what others mount needs the root to be at least as open.</summary>
    private static string? RootPropagation(ContainerRecord container)
    {
        var modes = container.Mounts.Select(m => m.Propagation.TrimStart('r')).ToList();
        return modes.Contains("shared") ? "shared" : modes.Contains("slave") ? "slave" : null;
    }

    /// <summary>A kernel value's name may belong to a namespace that the container does not have.</summary>
    public static void CheckSysctls(HostConfig host)
    {
        foreach (var (name, _) in host.Sysctls ?? new Dictionary<string, string>())
        {
            var isNet = name.StartsWith("net.", StringComparison.Ordinal);
            var isIpc = name.StartsWith("fs.mqueue.", StringComparison.Ordinal)
                || name is "kernel.msgmax" or "kernel.msgmnb" or "kernel.msgmni" or "kernel.sem" or "kernel.shmall" or "kernel.shmmax" or "kernel.shmmni"
                    or "kernel.shm_rmid_forced";
            if (!isNet && !isIpc && name is not ("kernel.domainname" or "kernel.hostname"))
            {
                throw EngineException.InvalidParameter(string.Create(CultureInfo.InvariantCulture, $"sysctl '{name}' is not allowed"));
            }

            if (isNet && host.NetworkMode == "host")
            {
                throw EngineException.InvalidParameter($"sysctl '{name}' not allowed in host network namespace");
            }

            if (isIpc && host.IpcMode == "host")
            {
                throw EngineException.InvalidParameter($"sysctl '{name}' not allowed in host ipc namespace");
            }
        }
    }
}
