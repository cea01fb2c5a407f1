using System.Text;
using Cais.Linux;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>spec</c>: a configuration to start from.</summary>
internal static class SpecCommand
{
    public static int Run(Invocation invocation, Arguments options)
    {
        var path = Path.Combine(options.Value("bundle") ?? ".", options.Value("file") ?? "config.json");
        if (Files.Exists(path))
        {
            throw new RuntimeException(RuntimeError.AlreadyExists, $"File {Path.GetFileName(path)} exists. Remove it first");
        }

        using var file = Files.Open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, 0x1b6);
        Files.Write(file, Encoding.UTF8.GetBytes(options.Has("rootless") ? Rootless() : Default()));
        return 0;
    }

    /// <summary>A shell in a container with everything of its own.</summary>
    private static string Default() => Document(
        groupOption: "\"mode=0620\", \"gid=5\"",
        sys: """{ "destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"] }""",
        namespaces: """{ "type": "pid" }, { "type": "network" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" }""",
        more: """
            "resources": { "devices": [{ "allow": false, "access": "rwm" }] },
            """);

    /// <summary>The same for a user who is not root: with a user namespace, and the host's network.</summary>
    private static string Rootless() => Document(
        groupOption: "\"mode=0620\"",
        sys: """{ "destination": "/sys", "type": "none", "source": "/sys", "options": ["rbind", "nosuid", "noexec", "nodev", "ro"] }""",
        namespaces: """{ "type": "pid" }, { "type": "ipc" }, { "type": "uts" }, { "type": "mount" }, { "type": "cgroup" }, { "type": "user" }""",
        more: $$"""
            "uidMappings": [{ "containerID": 0, "hostID": {{UserIds.Effective}}, "size": 1 }],
                "gidMappings": [{ "containerID": 0, "hostID": {{UserIds.EffectiveGroup}}, "size": 1 }],
            """);

    private static string Document(string groupOption, string sys, string namespaces, string more) => $$"""
        {
          "ociVersion": "1.0.2",
          "process": {
            "terminal": true,
            "user": { "uid": 0, "gid": 0 },
            "args": ["sh"],
            "env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {
              "bounding": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
              "effective": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"],
              "permitted": ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]
            },
            "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            "noNewPrivileges": true
          },
          "root": { "path": "rootfs", "readonly": true },
          "hostname": "cais",
          "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc" },
            { "destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            { "destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", {{groupOption}}] },
            { "destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"] },
            { "destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue", "options": ["nosuid", "noexec", "nodev"] },
            {{sys}},
            { "destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup", "options": ["nosuid", "noexec", "nodev", "relatime", "ro"] }
          ],
          "linux": {
            {{more}}
            "namespaces": [{{namespaces}}],
            "maskedPaths": [
              "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats",
              "/proc/sched_debug", "/sys/firmware", "/proc/scsi"
            ],
            "readonlyPaths": ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
          }
        }

        """;
}
