namespace Cais.Daemon.Endpoints;

/// <summary>Which limits the machine's control groups can set.</summary>
internal readonly record struct ResourceFacts(bool Memory, bool Swap, bool Cpu, bool CpuSet, bool Pids)
{
    private const string Root = "/sys/fs/cgroup";

    public static ResourceFacts Read(int cgroupVersion)
    {
        if (cgroupVersion == 2)
        {
            var controllers = File.Exists(Root + "/cgroup.controllers") ? File.ReadAllText(Root + "/cgroup.controllers").Split((char[])[' ', '\n']) : [];
            var memory = controllers.Contains("memory");
            return new(memory, memory, controllers.Contains("cpu"), controllers.Contains("cpuset"), controllers.Contains("pids"));
        }

        return new(
            Directory.Exists(Root + "/memory"),
            File.Exists(Root + "/memory/memory.memsw.limit_in_bytes") || Directory.Exists(Root + "/memory") && HasNestedSwapLimit(),
            Directory.Exists(Root + "/cpu") || Directory.Exists(Root + "/cpu,cpuacct"),
            Directory.Exists(Root + "/cpuset"),
            Directory.Exists(Root + "/pids"));
    }

    /// <summary>The hierarchy's root has no such file on some kernels; what is below it has.</summary>
    private static bool HasNestedSwapLimit() =>
        Directory.EnumerateDirectories(Root + "/memory").Any(d => File.Exists(Path.Combine(d, "memory.memsw.limit_in_bytes")));
}
