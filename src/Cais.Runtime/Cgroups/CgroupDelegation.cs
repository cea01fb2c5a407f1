using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>Whose a container's cgroup is (config-linux.md, "Cgroup ownership"): its user's, where it sees it writable and as its own.</summary>
internal static class CgroupDelegation
{
    public const string KernelList = "/sys/kernel/cgroup/delegate";

    private static readonly string[] Fallback = ["cgroup.procs", "cgroup.subtree_control", "cgroup.threads"];

    /// <summary>The user on the host; null where the cgroup stays the runtime's.</summary>
    public static uint? OwnerOf(Spec spec)
    {
        var own = false;
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            own |= space is { Type: "cgroup", Path: null or "" };
        }

        return own && IsMountedWritable(spec) ? HostId(spec.Process?.User?.Uid ?? 0, spec) : null;
    }

    private static bool IsMountedWritable(Spec spec)
    {
        foreach (var mount in spec.Mounts ?? [])
        {
            if (mount.Source == "cgroup" && PlanContext.Clean(mount.Destination) == "/sys/fs/cgroup")
            {
                return (MountOptions.Parse(mount.Options).Flags & MountFlags.ReadOnly) == 0;
            }
        }

        return false;
    }

    private static uint? HostId(uint id, Spec spec)
    {
        if (!UserNamespaces.Has(spec))
        {
            return id;
        }

        foreach (var mapping in spec.Linux?.UidMappings ?? [])
        {
            if (id >= mapping.ContainerId && id - mapping.ContainerId < mapping.Size)
            {
                return mapping.HostId + (id - mapping.ContainerId);
            }
        }

        return null;
    }

    /// <summary>Gives the directory and the files the kernel lists for that, as far as they exist; no other, or a container could raise its own limits.</summary>
    public static void Give(string directory, uint uid, string list)
    {
        using (var opened = Files.Open(directory, OpenFlags.ReadOnly | OpenFlags.Directory))
        {
            Files.ChangeOwner(opened, uid, uint.MaxValue);
            foreach (var name in Names(list))
            {
                try
                {
                    Files.ChangeOwner(opened, name, uid, uint.MaxValue);
                }
                catch (LinuxException e) when (e.Errno == Errno.ENOENT)
                {
                    // Not every cgroup has all of them.
                }
            }
        }
    }

    private static string[] Names(string list)
    {
        try
        {
            return Encoding.ASCII.GetString(Files.ReadAll(list)).Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            return Fallback;
        }
    }
}
