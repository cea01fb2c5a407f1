using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Compile;

namespace Cais.Runtime;

/// <summary>Refuses configurations that cannot be carried out, before anything is made.</summary>
internal static class SpecCheck
{
    private const int HighestCpu = (Scheduling.AffinitySize * 8) - 1;

    private static readonly string[] IpcSysctls =
    [
        "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
    ];

    public static void Validate(Spec spec)
    {
        if (!IsVersionOne(spec.OciVersion))
        {
            throw Invalid($"ociVersion \"{spec.OciVersion}\" is not supported: 1.x is");
        }

        if (spec.Root is null || spec.Root.Path.Length == 0)
        {
            throw Invalid("root.path is missing");
        }

        if (spec.Process is { } process)
        {
            ValidateProcess(process);
        }

        foreach (var mount in spec.Mounts ?? [])
        {
            if (mount.Destination.Length == 0)
            {
                throw Invalid("a mount has no destination");
            }

            IdMappedMounts.Validate(spec, mount, MountOptions.Parse(mount.Options));
        }

        foreach (var key in spec.Annotations?.Keys ?? [])
        {
            if (key.Length == 0)
            {
                throw Invalid("an annotation has an empty name");
            }
        }

        ValidateHooks(spec.Hooks);
        ValidateLinux(spec);
        ResourceCheck.Validate(spec.Linux?.Resources);
    }

    /// <summary>1.x or 1.x.y, with what semantic versioning lets follow.</summary>
    private static bool IsVersionOne(string version)
    {
        var core = version.AsSpan();
        core = core.IndexOfAny('-', '+') is >= 0 and var end ? core[..end] : core;
        if (!core.StartsWith("1."))
        {
            return false;
        }

        foreach (var part in core[2..].Split('.'))
        {
            if (core[2..][part].IsEmpty || core[2..][part].ContainsAnyExceptInRange('0', '9'))
            {
                return false;
            }
        }

        return true;
    }

    private static void ValidateHooks(Oci.Runtime.Hooks? hooks)
    {
        if (hooks is null)
        {
            return;
        }

        foreach (var (kind, list) in new[]
        {
            ("prestart", hooks.Prestart), ("createRuntime", hooks.CreateRuntime), ("createContainer", hooks.CreateContainer),
            ("startContainer", hooks.StartContainer), ("poststart", hooks.Poststart), ("poststop", hooks.Poststop),
        })
        {
            foreach (var hook in list ?? [])
            {
                if (!hook.Path.StartsWith('/'))
                {
                    throw Invalid($"{kind} hook \"{hook.Path}\": the path must be absolute");
                }

                if (hook.Timeout is <= 0 or > int.MaxValue / 1000)
                {
                    throw Invalid($"{kind} hook {hook.Path}: a timeout of {hook.Timeout} s is not possible; none means no limit");
                }
            }
        }
    }

    public static void ValidateProcess(Process process)
    {
        if (process.Cwd.Length == 0 || process.Cwd[0] != '/')
        {
            throw Invalid($"process.cwd \"{process.Cwd}\" must be an absolute path");
        }

        foreach (var variable in process.Env ?? [])
        {
            if (variable.Contains('\0', StringComparison.Ordinal))
            {
                throw Invalid("an environment variable contains a null character");
            }
        }

        var limits = new HashSet<string>(StringComparer.Ordinal);
        foreach (var limit in process.Rlimits ?? [])
        {
            if (!limits.Add(limit.Type))
            {
                throw Invalid($"rlimit {limit.Type} is given twice");
            }
        }

        if (process.IoPriority is { Priority: < 0 or > 7 } priority)
        {
            throw Invalid($"ioPriority {priority.Priority} is not within 0 and 7");
        }

        _ = CpuList.Parse(process.ExecCpuAffinity?.Initial ?? "", HighestCpu);
        _ = CpuList.Parse(process.ExecCpuAffinity?.Final ?? "", HighestCpu);
    }

    private static void ValidateLinux(Spec spec)
    {
        NamespaceKind all = 0, isNew = 0;
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            var kind = NamespaceSteps.KindOf(space.Type);
            if ((all & kind) != 0)
            {
                throw Invalid($"namespace {space.Type} is given twice");
            }

            all |= kind;
            isNew |= string.IsNullOrEmpty(space.Path) ? kind : 0;
        }

        var mappings = spec.Linux?.UidMappings is { Count: > 0 } || spec.Linux?.GidMappings is { Count: > 0 };
        if (mappings && (all & NamespaceKind.User) == 0)
        {
            throw Invalid("uidMappings and gidMappings need a user namespace");
        }

        if ((isNew & NamespaceKind.User) != 0 && !mappings)
        {
            throw Invalid("a new user namespace needs uidMappings and gidMappings");
        }

        if (!string.IsNullOrEmpty(spec.Hostname) && (all & NamespaceKind.Uts) == 0)
        {
            throw Invalid("a hostname needs a uts namespace");
        }

        if (!string.IsNullOrEmpty(spec.Domainname) && (all & NamespaceKind.Uts) == 0)
        {
            throw Invalid("a domainname needs a uts namespace");
        }

        if (spec.Linux?.NetDevices is { Count: > 0 } && (all & NamespaceKind.Network) == 0)
        {
            throw Invalid("netDevices need a network namespace to go to");
        }

        NetworkInterfaces.Validate(spec);
        ResourceDirector.Validate(spec.Linux?.IntelRdt);
        if (spec.Linux?.Personality?.Flags is { Count: > 0 } flags)
        {
            throw Invalid($"personality flag {flags[0]} is not known: there are none yet");
        }

        if (spec.Linux?.TimeOffsets is not null && (isNew & NamespaceKind.Time) == 0)
        {
            throw Invalid("timeOffsets need a new time namespace");
        }

        foreach (var key in spec.Linux?.Sysctl?.Keys ?? [])
        {
            ValidateSysctl(HostSteps.SysctlPath(key), key, all);
        }

        foreach (var path in spec.Linux?.MaskedPaths ?? [])
        {
            RequireAbsolute("maskedPaths", path);
        }

        foreach (var path in spec.Linux?.ReadonlyPaths ?? [])
        {
            RequireAbsolute("readonlyPaths", path);
        }
    }

    /// <summary>Only what a namespace keeps to itself: anything else would change the host.</summary>
    private static void ValidateSysctl(string path, string key, NamespaceKind spaces)
    {
        var needs = path switch
        {
            _ when path.Contains("..", StringComparison.Ordinal) || path.StartsWith('/') => NamespaceKind.None,
            _ when path.StartsWith("net/", StringComparison.Ordinal) => NamespaceKind.Network,
            _ when path.StartsWith("fs/mqueue/", StringComparison.Ordinal) || Array.IndexOf(IpcSysctls, path) >= 0 => NamespaceKind.Ipc,
            "kernel/domainname" or "kernel/hostname" => NamespaceKind.Uts,
            _ => NamespaceKind.None,
        };
        if (needs == NamespaceKind.None)
        {
            throw Invalid($"sysctl \"{key}\" is not in a separate kernel namespace");
        }

        if ((spaces & needs) == 0)
        {
            throw Invalid($"sysctl \"{key}\" is not allowed in the host's {NamespaceSteps.Name(needs)} namespace");
        }
    }

    private static void RequireAbsolute(string list, string path)
    {
        if (!path.StartsWith('/'))
        {
            throw Invalid($"{list}: \"{path}\" must be an absolute path");
        }
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
