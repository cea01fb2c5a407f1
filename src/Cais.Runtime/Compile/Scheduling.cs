using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>struct sched_attr from the configuration; sched_setattr(2).</summary>
internal static class Scheduling
{
    private static readonly string[] Policies = ["SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"];

    private static readonly string[] Flags =
    [
        "SCHED_FLAG_RESET_ON_FORK", "SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN", "SCHED_FLAG_KEEP_POLICY", "SCHED_FLAG_KEEP_PARAMS",
        "SCHED_FLAG_UTIL_CLAMP_MIN", "SCHED_FLAG_UTIL_CLAMP_MAX",
    ];

    /// <summary>Bytes of a CPU set: 1,024 CPUs.</summary>
    public const int AffinitySize = 128;

    /// <summary>A CPU set; null for all that the cgroup allows.</summary>
    public static nint Affinity(LaunchPlan plan, string? cpus)
    {
        var words = new long[AffinitySize / sizeof(long)];
        if (cpus is null)
        {
            Array.Fill(words, -1);
        }

        foreach (var cpu in CpuList.Parse(cpus ?? "", (AffinitySize * 8) - 1))
        {
            words[cpu / 64] |= 1L << (cpu % 64);
        }

        return plan.Longs(words);
    }

    public static nint Attributes(LaunchPlan plan, Scheduler scheduler)
    {
        var policy = Array.IndexOf(Policies, scheduler.Policy);
        if (policy < 0)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"scheduler policy {scheduler.Policy} is not known");
        }

        long flags = 0;
        foreach (var name in scheduler.Flags ?? [])
        {
            var bit = Array.IndexOf(Flags, name);
            flags |= bit < 0 ? throw new RuntimeException(RuntimeError.InvalidConfig, $"scheduler flag {name} is not known") : 1L << bit;
        }

        return plan.Longs(
            48 | ((long)policy << 32),
            flags,
            (uint)(scheduler.Nice ?? 0) | ((long)(scheduler.Priority ?? 0) << 32),
            (long)(scheduler.Runtime ?? 0),
            (long)(scheduler.Deadline ?? 0),
            (long)(scheduler.Period ?? 0));
    }
}
