using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>cgroup v2: one directory for everything. See Documentation/admin-guide/cgroup-v2.rst of the kernel.</summary>
internal sealed class CgroupV2(CgroupHierarchy hierarchy, string path) : ContainerCgroup
{
    public override IReadOnlyList<string> Paths => [path];

    public override CgroupMountSource MountSource => new(true, [], path);

    public override bool IsFrozen => TryRead(path, "cgroup.freeze") == "1";

    public override void Create()
    {
        if (!MakeDirectories(path, hierarchy.MountPoint, null))
        {
            RefuseFrozen(path);
        }

        EnableControllers(hierarchy.MountPoint, path);
    }

    /// <summary>Every directory above hands its controllers down. One that cannot (a domain with processes of its own) is not an error yet: a limit that needs it is.</summary>
    internal static void EnableControllers(string mountPoint, string path)
    {
        var directory = mountPoint;
        var rest = path[mountPoint.Length..].TrimStart('/').Split('/');
        for (var i = 0; i < rest.Length; i++)
        {
            var available = TryRead(directory, "cgroup.controllers") ?? "";
            var enabled = TryRead(directory, "cgroup.subtree_control") ?? "";
            if (available != enabled)
            {
                var wanted = "+" + available.Replace(" ", " +", StringComparison.Ordinal);
                if (available.Length > 0 && !TryWrite(directory, "cgroup.subtree_control", wanted) && !HoldsProcesses(directory))
                {
                    foreach (var controller in available.Split(' '))
                    {
                        TryWrite(directory, "cgroup.subtree_control", "+" + controller);
                    }
                }
            }

            directory = $"{directory}/{rest[i]}";
        }
    }

    /// <summary>
    /// Then it can hand down those controllers only that work on threads, and with them nobody could enter the cgroups below: better none. The top
    /// of the hierarchy, which may have both, has no type.
    /// </summary>
    private static bool HoldsProcesses(string directory) =>
        Files.Exists($"{directory}/cgroup.type") && TryRead(directory, "cgroup.procs") is { Length: > 0 };

    public override void Delegate(uint uid) => CgroupDelegation.Give(path, uid, CgroupDelegation.KernelList);

    public override CgroupEntrance OpenEntrance(string? below = null)
    {
        var entrance = new CgroupEntrance();
        entrance.SetDirectory(below is null ? path : path + PlanContext.Clean(below));
        return entrance;
    }

    public override void Apply(LinuxResources? resources, bool update)
    {
        if (!update || resources?.Devices is { Count: > 0 })
        {
            DeviceFilter.Attach(path, DeviceRules.Effective(resources?.Devices));
        }

        if (resources is null)
        {
            return;
        }

        ApplyMemory(resources.Memory);
        ApplyCpu(resources.Cpu);
        if (resources.Pids?.Limit is { } limit && limit != 0)
        {
            Set("pids.max", limit < 0 ? "max" : Text(limit));
        }

        ApplyBlockIo(resources.BlockIO);
        WriteHugePages(path, resources.HugepageLimits ?? [], "max", "rsvd.max");
        if (resources.Network is { ClassID: not (null or 0) } or { Priorities.Count: > 0 })
        {
            throw NotOnV2("network (net_cls and net_prio)", "a program attached to the cgroup does that there");
        }

        foreach (var (device, rdma) in resources.Rdma ?? new Dictionary<string, RdmaLimit>())
        {
            Set("rdma.max", CgroupV1.RdmaText(device, rdma));
        }

        WriteUnified(path, resources.Unified ?? new Dictionary<string, string>());
    }

    internal static void WriteUnified(string path, IReadOnlyDictionary<string, string> files)
    {
        foreach (var (file, value) in files)
        {
            if (file.Contains('/', StringComparison.Ordinal) || file is "." or "..")
            {
                throw new RuntimeException(RuntimeError.InvalidConfig, $"unified resource \"{file}\" must be a file name");
            }

            if (!Files.Exists($"{path}/{file}"))
            {
                throw new RuntimeException(
                    RuntimeError.InvalidConfig,
                    $"cannot set {file}: the cgroup controller {file.Split('.')[0]} is not enabled for {path}, or does not know it");
            }

            foreach (var line in value.Split('\n', StringSplitOptions.RemoveEmptyEntries))
            {
                Write(path, file, line);
            }
        }
    }

    /// <summary>What cgroup v1 could do and v2 cannot is an error: a limit that is silently not there is worse.</summary>
    private static RuntimeException NotOnV2(string what, string instead) =>
        new(RuntimeError.InvalidConfig, $"{what} cannot be set on cgroup v2: {instead}");

    private void ApplyMemory(MemoryResources? memory)
    {
        if (memory is null)
        {
            return;
        }

        if (memory.Swappiness is not null || memory.DisableOOMKiller == true || memory.KernelTCP > 0 || memory.Kernel > 0)
        {
            var what = memory.Swappiness is not null ? "memory.swappiness" : memory.DisableOOMKiller == true ? "memory.disableOOMKiller"
                : memory.KernelTCP > 0 ? "memory.kernelTCP" : "memory.kernel";
            throw NotOnV2(what, "memory.limit and memory.swap are what it has");
        }

        if (memory.Limit is { } limit && memory.CheckBeforeUpdate == true && limit > 0 && ReadNumber(path, "memory.current") > (ulong)limit)
        {
            throw new RuntimeException(RuntimeError.Failed, $"memory limit {limit} is below what the container uses now");
        }

        // v1's number counts memory and swap together, v2's swap alone.
        if (SwapAlone(memory) is { } swap && (swap is not ("max" or "0") || Files.Exists($"{path}/memory.swap.max")))
        {
            Set("memory.swap.max", swap);
        }

        Set("memory.max", Limit(memory.Limit));
        Set("memory.low", Limit(memory.Reservation));
    }

    internal static string? SwapAlone(MemoryResources memory) => memory switch
    {
        { Swap: null or 0, Limit: not -1 } => null,
        { Swap: -1 } or { Swap: null or 0, Limit: -1 } => "max",
        { Limit: null or 0 or -1 } => throw new RuntimeException(
            RuntimeError.InvalidConfig, "a limit of memory and swap together needs a limit of memory"),
        { Swap: var both, Limit: var limit } when both < limit => throw new RuntimeException(
            RuntimeError.InvalidConfig, "the limit of memory and swap together is below the limit of memory"),
        { Swap: var both, Limit: var limit } => Text(both!.Value - limit!.Value),
    };

    private static string? Limit(long? value) => value switch
    {
        null or 0 => null,
        -1 => "max",
        { } bytes => Text(bytes),
    };

    private void ApplyCpu(CpuResources? cpu)
    {
        if (cpu is null)
        {
            return;
        }

        if (cpu.RealtimeRuntime is > 0 || cpu.RealtimePeriod is > 0)
        {
            throw NotOnV2("cpu.realtimeRuntime and cpu.realtimePeriod", "it does not divide realtime");
        }

        Set("cpu.idle", cpu.Idle is { } idle ? Text(idle) : null);
        Set("cpu.weight", cpu.Shares is { } shares and not 0 ? Text(WeightOfShares(shares)) : null);
        if (cpu.Quota is { } q and not 0 || cpu.Period is { } p and not 0)
        {
            var quota = cpu.Quota is { } limited and > 0 ? Text(limited) : "max";
            Set("cpu.max", cpu.Period is { } period and not 0 ? $"{quota} {Text(period)}" : quota);
        }

        Set("cpu.max.burst", cpu.Burst is { } burst and not 0 ? Text(burst) : null);
        Set("cpuset.cpus", string.IsNullOrEmpty(cpu.Cpus) ? null : cpu.Cpus);
        Set("cpuset.mems", string.IsNullOrEmpty(cpu.Mems) ? null : cpu.Mems);
    }

    /// <summary>2…262144 shares become 1…10000, as all engines convert them.</summary>
    internal static ulong WeightOfShares(ulong shares) => 1 + ((Math.Clamp(shares, 2, 262144) - 2) * 9999 / 262142);

    private void ApplyBlockIo(BlockIoResources? io)
    {
        if (io is null)
        {
            return;
        }

        if (io.Weight is { } weight and not 0)
        {
            if (Files.Exists($"{path}/io.bfq.weight"))
            {
                Write(path, "io.bfq.weight", Text((ulong)weight));
            }
            else
            {
                Write(path, "io.weight", Text(Weight(weight)));
            }
        }

        if (io.LeafWeight is { } leaf and not 0)
        {
            throw NotOnV2($"blockIO.leafWeight {leaf}", "a cgroup with processes has no cgroups below it there");
        }

        foreach (var device in io.WeightDevice ?? [])
        {
            if (device.LeafWeight is not null)
            {
                throw NotOnV2($"blockIO.weightDevice {device.Major}:{device.Minor} leafWeight", "a cgroup with processes has no cgroups below it there");
            }

            if (device.Weight is { } w)
            {
                var bfq = Files.Exists($"{path}/io.bfq.weight");
                Write(
                    path, bfq ? "io.bfq.weight" : "io.weight",
                    $"{Text(device.Major)}:{Text(device.Minor)} {Text(bfq ? (ulong)w : Weight(w))}");
            }
        }

        Throttle("rbps", io.ThrottleReadBpsDevice);
        Throttle("wbps", io.ThrottleWriteBpsDevice);
        Throttle("riops", io.ThrottleReadIOPSDevice);
        Throttle("wiops", io.ThrottleWriteIOPSDevice);
    }

    /// <summary>10…1000 become 1…10000.</summary>
    private static ulong Weight(ushort weight) => 1 + (((ulong)Math.Clamp(weight, (ushort)10, (ushort)1000) - 10) * 9999 / 990);

    private void Throttle(string key, IReadOnlyList<ThrottleDevice>? devices)
    {
        foreach (var device in devices ?? [])
        {
            Set("io.max", $"{Text(device.Major)}:{Text(device.Minor)} {key}={(device.Rate == 0 ? "max" : Text(device.Rate))}");
        }
    }

    public override void SetFrozen(bool frozen)
    {
        Write(path, "cgroup.freeze", frozen ? "1" : "0");
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            if (CgroupV1Stats.Pairs(TryRead(path, "cgroup.events")).GetValueOrDefault("frozen") == (frozen ? 1UL : 0UL))
            {
                return;
            }

            Thread.Sleep(Math.Min(attempt, 10));
        }

        throw new RuntimeException(RuntimeError.Failed, $"{path} does not become {(frozen ? "frozen" : "thawed")}");
    }

    public override void SignalAll(int signal)
    {
        if (signal == Signals.Kill && TryWrite(path, "cgroup.kill", "1"))
        {
            return;
        }

        var froze = !IsFrozen && TryWrite(path, "cgroup.freeze", "1");
        foreach (var pid in Pids())
        {
            Signals.Send(pid, signal);
        }

        if (froze || signal == Signals.Kill)
        {
            TryWrite(path, "cgroup.freeze", "0");
        }
    }

    public override IReadOnlyList<int> Pids()
    {
        var pids = new List<int>();
        AddPids(pids, path);
        return pids;
    }

    public override ContainerStats Stats()
    {
        var cpu = CgroupV1Stats.Pairs(TryRead(path, "cpu.stat"));
        var memory = CgroupV1Stats.Pairs(TryRead(path, "memory.stat"));
        var events = CgroupV1Stats.Pairs(TryRead(path, "memory.events"));
        return new ContainerStats
        {
            Cpu = new CpuStats
            {
                TotalUsage = cpu.GetValueOrDefault("usage_usec") * 1000,
                UserUsage = cpu.GetValueOrDefault("user_usec") * 1000,
                KernelUsage = cpu.GetValueOrDefault("system_usec") * 1000,
                Periods = cpu.GetValueOrDefault("nr_periods"),
                ThrottledPeriods = cpu.GetValueOrDefault("nr_throttled"),
                ThrottledTime = cpu.GetValueOrDefault("throttled_usec") * 1000,
            },
            Memory = new MemoryStats
            {
                Usage = ReadNumber(path, "memory.current"),
                MaxUsage = ReadNumber(path, "memory.peak"),
                Limit = Maximum(TryRead(path, "memory.max")),
                FailCount = events.GetValueOrDefault("max"),
                SwapUsage = ReadNumber(path, "memory.swap.current"),
                SwapLimit = Maximum(TryRead(path, "memory.swap.max")),
                KernelUsage = memory.GetValueOrDefault("kernel"),
                OomKills = events.GetValueOrDefault("oom_kill"),
                Raw = memory,
            },
            Pids = new PidsStats { Current = ReadNumber(path, "pids.current"), Limit = ReadNumber(path, "pids.max") },
            BlockIo = BlockIo(TryRead(path, "io.stat")),
        };
    }

    private static ulong Maximum(string? text) =>
        text == "max" ? ulong.MaxValue : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;

    /// <summary><c>254:0 rbytes=… wbytes=… rios=… wios=… dbytes=… dios=…</c>.</summary>
    internal static BlockIoStats BlockIo(string? text)
    {
        List<BlockIoEntry> bytes = [], operations = [];
        foreach (var line in (text ?? "").Split('\n'))
        {
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length < 2 || parts[0].Split(':') is not [var major, var minor])
            {
                continue;
            }

            foreach (var part in parts.AsSpan(1))
            {
                if (part.Split('=') is [var key, var number] && Name(key) is { } name)
                {
                    (key.EndsWith("bytes", StringComparison.Ordinal) ? bytes : operations).Add(
                        new BlockIoEntry(Maximum(major), Maximum(minor), name, Maximum(number)));
                }
            }
        }

        return new BlockIoStats { ServiceBytes = bytes, Serviced = operations };

        static string? Name(string key) => key switch
        {
            "rbytes" or "rios" => "Read",
            "wbytes" or "wios" => "Write",
            "dbytes" or "dios" => "Discard",
            _ => null,
        };
    }

    public override OomWatch? WatchOom() => Files.Exists($"{path}/memory.events") ? OomWatch.ForV2(path) : null;

    public override void Delete() => Remove(path);

    private void Set(string file, string? value)
    {
        if (value is null)
        {
            return;
        }

        try
        {
            Write(path, file, value);
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            throw new RuntimeException(
                RuntimeError.Failed, $"cannot set {file}: the cgroup controller {file.Split('.')[0]} is not enabled for {path}", e);
        }
    }
}
