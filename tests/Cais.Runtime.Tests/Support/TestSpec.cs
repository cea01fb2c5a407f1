using Cais.Oci.Runtime;

namespace Cais.Runtime.Tests.Support;

/// <summary>Configurations as an engine writes them.</summary>
internal static class TestSpec
{
    private static readonly string[] Granted =
    [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP",
        "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
    ];

    public static Process Process(params string[] args) => new()
    {
        Args = args,
        Cwd = "/",
        Env = ["PATH=/usr/bin:/bin", "HOME=/root"],
        User = new User(),
        Capabilities = new Capabilities { Bounding = Granted, Effective = Granted, Permitted = Granted },
        NoNewPrivileges = true,
    };

    public static Spec Default(string id, params string[] args) => new()
    {
        Process = Process(args),
        Root = new Root { Path = "rootfs" },
        Hostname = "harbour",
        Mounts =
        [
            new Mount { Destination = "/proc", Type = "proc", Source = "proc", Options = ["nosuid", "noexec", "nodev"] },
            new Mount { Destination = "/dev", Type = "tmpfs", Source = "tmpfs", Options = ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            new Mount
            {
                Destination = "/dev/pts",
                Type = "devpts",
                Source = "devpts",
                Options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
            new Mount { Destination = "/dev/shm", Type = "tmpfs", Source = "shm", Options = ["nosuid", "noexec", "nodev", "mode=1777"] },
            new Mount { Destination = "/dev/mqueue", Type = "mqueue", Source = "mqueue", Options = ["nosuid", "noexec", "nodev"] },
            new Mount { Destination = "/sys", Type = "sysfs", Source = "sysfs", Options = ["nosuid", "noexec", "nodev", "ro"] },
        ],
        Linux = new LinuxConfig
        {
            CgroupsPath = "/cais-rt-tests/" + id,
            Resources = new LinuxResources { Devices = [new DeviceRule { Allow = false, Access = "rwm" }] },
            Namespaces =
            [
                new LinuxNamespace { Type = "pid" }, new LinuxNamespace { Type = "network" }, new LinuxNamespace { Type = "ipc" },
                new LinuxNamespace { Type = "uts" }, new LinuxNamespace { Type = "mount" }, new LinuxNamespace { Type = "cgroup" },
            ],
            MaskedPaths = ["/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/timer_list", "/sys/firmware"],
            ReadonlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
        },
    };

    public static Spec With(this Spec spec, Func<Process, Process> change) => spec with { Process = change(spec.Process!) };

    public static Spec With(this Spec spec, Func<LinuxConfig, LinuxConfig> change) => spec with { Linux = change(spec.Linux!) };

    /// <summary>Root inside is user 100000 outside.</summary>
    public static Spec WithUserNamespace(Spec spec) => spec.With(linux => linux with
    {
        Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "user" }],
        UidMappings = [new IdMapping { ContainerId = 0, HostId = 100_000, Size = 65_536 }],
        GidMappings = [new IdMapping { ContainerId = 0, HostId = 100_000, Size = 65_536 }],
    });

    public static Spec WithMount(this Spec spec, params Mount[] mounts) => spec with { Mounts = [.. spec.Mounts!, .. mounts] };
}
