using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime;

/// <summary>Refuses configurations that cannot be carried out, before anything is made.</summary>
internal static class SpecCheck
{
    private static readonly string[] IpcSysctls =
    [
        "kernel/msgmax", "kernel/msgmnb", "kernel/msgmni", "kernel/sem", "kernel/shmall", "kernel/shmmax", "kernel/shmmni", "kernel/shm_rmid_forced",
    ];

    public static void Validate(Spec spec)
    {
        if (!spec.OciVersion.StartsWith("1.", StringComparison.Ordinal))
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
        }

        ValidateLinux(spec);
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
