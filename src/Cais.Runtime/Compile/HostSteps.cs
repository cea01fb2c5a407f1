using System.Text;
using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>What the container's kernel-wide settings are: names, sysctls, personality, memory policy.</summary>
internal static class HostSteps
{
    private static readonly string[] MemoryModes =
    [
        "MPOL_DEFAULT", "MPOL_PREFERRED", "MPOL_BIND", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED_MANY", "MPOL_WEIGHTED_INTERLEAVE",
    ];

    public static void SetNames(PlanContext context)
    {
        if (!string.IsNullOrEmpty(context.Spec.Hostname))
        {
            context.B.Call(
                new Note("set hostname to {0}", context.Spec.Hostname),
                SystemCall.SetHostname, context.Plan.Text(context.Spec.Hostname), Encoding.UTF8.GetByteCount(context.Spec.Hostname));
        }

        if (!string.IsNullOrEmpty(context.Spec.Domainname))
        {
            context.B.Call(
                new Note("set domain name to {0}", context.Spec.Domainname),
                SystemCall.SetDomainname, context.Plan.Text(context.Spec.Domainname), Encoding.UTF8.GetByteCount(context.Spec.Domainname));
        }
    }

    /// <summary>
    /// Written through the host's /proc: the kernel goes by the writer's namespaces, and no mount of the container can redirect the
    /// write (CVE-2025-52881).
    /// </summary>
    public static void SetSysctls(PlanContext context)
    {
        foreach (var (key, value) in context.Spec.Linux?.Sysctl ?? new Dictionary<string, string>())
        {
            context.WriteHostFile("/proc/sys/" + SysctlPath(key), value, new Note("set sysctl {0} to {1}", key, value));
        }
    }

    /// <summary>Dots separate, unless the first separator is a slash: then dots are part of names (<c>net/ipv4/conf/eth0.1/…</c>).</summary>
    internal static string SysctlPath(string key)
    {
        var first = key.AsSpan().IndexOfAny('.', '/');
        return first < 0 || key[first] == '/' ? key : key.Replace('/', '\0').Replace('.', '/').Replace('\0', '.');
    }

    public static void SetPersonality(PlanContext context)
    {
        if (context.Spec.Linux?.Personality?.Domain is { Length: > 0 } domain)
        {
            nint value = domain switch
            {
                "LINUX" => 0,
                "LINUX32" => 8,
                _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"personality domain {domain} is not known: LINUX and LINUX32 are"),
            };
            context.B.Call(new Note("set personality {0}", domain), SystemCall.Personality, value);
        }
    }

    public static void SetMemoryPolicy(PlanContext context)
    {
        if (context.Spec.Linux?.MemoryPolicy is not { Mode: { Length: > 0 } mode } policy)
        {
            return;
        }

        var number = Array.IndexOf(MemoryModes, mode);
        if (number < 0)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"memory policy {mode} is not known");
        }

        foreach (var flag in policy.Flags ?? [])
        {
            number |= flag switch
            {
                "MPOL_F_NUMA_BALANCING" => 1 << 13,
                "MPOL_F_RELATIVE_NODES" => 1 << 14,
                "MPOL_F_STATIC_NODES" => 1 << 15,
                _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"memory policy flag {flag} is not known"),
            };
        }

        var nodes = context.Plan.Longs(new long[16]);
        unsafe
        {
            foreach (var node in CpuList.Parse(policy.Nodes ?? "", 1023))
            {
                ((long*)nodes)[node / 64] |= 1L << (node % 64);
            }
        }

        var empty = string.IsNullOrEmpty(policy.Nodes);
        context.B.Call(new Note("set memory policy {0}", mode), SystemCall.SetMempolicy, number, empty ? 0 : nodes, empty ? 0 : 1024);
    }
}
