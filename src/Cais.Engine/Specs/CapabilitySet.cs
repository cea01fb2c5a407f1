namespace Cais.Engine.Specs;

/// <summary>Which capabilities a container's processes have; see capabilities(7).</summary>
internal static class CapabilitySet
{
    /// <summary>All that the kernel knows, in the order of their numbers.</summary>
    public static readonly IReadOnlyList<string> All =
    [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE", "CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK", "CAP_IPC_OWNER",
        "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE", "CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE", "CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE", "CAP_AUDIT_CONTROL", "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG", "CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
    ];

    /// <summary>What a container has unless told otherwise.</summary>
    public static readonly IReadOnlyList<string> Default =
    [
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FSETID", "CAP_FOWNER", "CAP_MKNOD", "CAP_NET_RAW", "CAP_SETGID", "CAP_SETUID", "CAP_SETFCAP", "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT", "CAP_KILL", "CAP_AUDIT_WRITE",
    ];

    /// <summary><c>net_admin</c>, <c>NET_ADMIN</c> and <c>CAP_NET_ADMIN</c> are one.</summary>
    public static string Normalize(string name)
    {
        var upper = name.Trim().ToUpperInvariant();
        return upper is "ALL" || upper.StartsWith("CAP_", StringComparison.Ordinal) ? upper : "CAP_" + upper;
    }

    /// <summary>Throws docker's sentence for a name that is no capability; <paramref name="member"/> is where it was said.</summary>
    public static IReadOnlyList<string> Check(IReadOnlyList<string>? names, string member)
    {
        var result = new List<string>();
        foreach (var name in names ?? [])
        {
            var normal = Normalize(name);
            if (normal != "ALL" && !All.Contains(normal))
            {
                throw EngineException.InvalidParameter($"invalid {member}: unknown capability: \"{normal}\"");
            }

            if (!result.Contains(normal))
            {
                result.Add(normal);
            }
        }

        return result;
    }

    /// <summary>
    /// The set for <c>--cap-add</c>, <c>--cap-drop</c> and <c>--privileged</c>. Only names that this kernel knows; "all" is all that this
    /// daemon may give away, since nobody can raise what is not in the own bounding set.
    /// </summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<string>? add, IReadOnlyList<string>? drop, bool privileged, HostFacts host)
    {
        var known = All.Take(host.LastCapability + 1).ToList();
        var available = known.Where((_, number) => (host.BoundingSet >> number & 1) != 0).ToList();
        if (privileged)
        {
            return available;
        }

        var added = Check(add, "CapAdd");
        var dropped = Check(drop, "CapDrop");
        IEnumerable<string> set = (added.Contains("ALL"), dropped.Contains("ALL")) switch
        {
            (true, true) => [],
            (true, _) => available.Except(dropped),
            (_, true) => known.Intersect(added),
            _ => Default.Except(dropped).Union(added),
        };
        return [.. set.Where(known.Contains)];
    }
}
