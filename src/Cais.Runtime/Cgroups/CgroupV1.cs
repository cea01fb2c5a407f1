using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>cgroup v1: each controller a hierarchy of its own, and perhaps a v2 hierarchy beside them. See Documentation/admin-guide/cgroup-v1.</summary>
internal sealed class CgroupV1 : ContainerCgroup
{
    private readonly List<(CgroupHierarchy Hierarchy, string Path)> _directories = [];

    public CgroupV1(CgroupLayout layout, Func<CgroupHierarchy, string> directory)
    {
        foreach (var hierarchy in layout.Hierarchies)
        {
            if (directory(hierarchy) is { Length: > 0 } path)
            {
                _directories.Add((hierarchy, path));
            }
        }
    }

    public override IReadOnlyList<string> Paths
    {
        get
        {
            var paths = new string[_directories.Count];
            for (var i = 0; i < paths.Length; i++)
            {
                paths[i] = _directories[i].Path;
            }

            return paths;
        }
    }

    public override CgroupMountSource MountSource
    {
        get
        {
            var mounts = new List<CgroupHierarchyMount>();
            foreach (var (hierarchy, path) in _directories)
            {
                mounts.Add(new CgroupHierarchyMount(hierarchy.Name, Option(hierarchy), path));
            }

            return new CgroupMountSource(false, mounts, null);
        }
    }

    public override bool IsFrozen =>
        Find("freezer") is { } path && TryRead(path, "freezer.state") is { } state && state.StartsWith("FR", StringComparison.Ordinal);

    private static string Option(CgroupHierarchy hierarchy)
    {
        var text = string.Join(',', hierarchy.Controllers);
        return text.StartsWith("name=", StringComparison.Ordinal) ? "none," + text : text;
    }

    public override void Create()
    {
        foreach (var (hierarchy, path) in _directories)
        {
            var made = MakeDirectories(path, hierarchy.MountPoint, hierarchy.Has("cpuset") ? InheritCpuset : null);
            if (!made && hierarchy.Has("freezer"))
            {
                RefuseFrozen(path);
            }
        }
    }

    public override CgroupEntrance OpenEntrance(string? below = null)
    {
        var entrance = new CgroupEntrance();
        foreach (var (hierarchy, path) in _directories)
        {
            var directory = below is null ? path : path + PlanContext.Clean(below);
            if (hierarchy.IsUnified)
            {
                entrance.SetDirectory(directory);
            }
            else
            {
                entrance.AddTasks(directory);
            }
        }

        return entrance;
    }

    public override void Apply(LinuxResources? resources, bool update)
    {
        if (!update || resources?.Devices is { Count: > 0 })
        {
            ApplyDevices(resources?.Devices);
        }

        if (resources is null)
        {
            return;
        }

        ApplyMemory(resources.Memory);
        ApplyCpu(resources.Cpu);
        if (resources.Pids?.Limit is { } limit && limit != 0)
        {
            Set("pids", "pids.max", limit < 0 ? "max" : Text(limit));
        }

        ApplyBlockIo(resources.BlockIO);
        ApplyHugePages(resources.HugepageLimits);

        if (resources.Network?.ClassID is { } classId && classId != 0)
        {
            Set("net_cls", "net_cls.classid", Text((ulong)classId));
        }

        foreach (var priority in resources.Network?.Priorities ?? [])
        {
            Set("net_prio", "net_prio.ifpriomap", $"{priority.Name} {Text((ulong)priority.Priority)}");
        }

        foreach (var (device, rdma) in resources.Rdma ?? new Dictionary<string, RdmaLimit>())
        {
            Set("rdma", "rdma.max", RdmaText(device, rdma));
        }

        if (resources.Unified is { Count: > 0 } files)
        {
            var hybrid = Unified() ?? throw new RuntimeException(
                RuntimeError.InvalidConfig, "unified resources need cgroup v2, which is not mounted here");
            CgroupV2.EnableControllers(hybrid.Hierarchy.MountPoint, hybrid.Path);
            CgroupV2.WriteUnified(hybrid.Path, files);
        }
    }

    /// <summary>The v2 hierarchy beside those of v1.</summary>
    private (CgroupHierarchy Hierarchy, string Path)? Unified()
    {
        foreach (var directory in _directories)
        {
            if (directory.Hierarchy.IsUnified)
            {
                return directory;
            }
        }

        return null;
    }

    /// <summary>Where the controller is not in a hierarchy of v1, it may be in the v2 one beside them.</summary>
    private void ApplyHugePages(IReadOnlyList<HugepageLimit>? limits)
    {
        if (limits is not { Count: > 0 })
        {
            return;
        }

        if (Find("hugetlb") is { } path)
        {
            WriteHugePages(path, limits, "limit_in_bytes", "rsvd.limit_in_bytes");
            return;
        }

        var hybrid = Unified() ?? throw new RuntimeException(
            RuntimeError.Failed, "cannot set hugepageLimits: the cgroup controller hugetlb is not mounted");
        CgroupV2.EnableControllers(hybrid.Hierarchy.MountPoint, hybrid.Path);
        WriteHugePages(hybrid.Path, limits, "max", "rsvd.max");
    }

    public static string RdmaText(string device, RdmaLimit limit) =>
        device + (limit.HcaHandles is { } handles ? $" hca_handle={Text((ulong)handles)}" : "")
        + (limit.HcaObjects is { } objects ? $" hca_object={Text((ulong)objects)}" : "");

    private void ApplyDevices(IReadOnlyList<DeviceRule>? rules)
    {
        if (Find("devices") is not { } path)
        {
            return;
        }

        using var allow = Files.Open($"{path}/devices.allow", OpenFlags.WriteOnly);
        using var deny = Files.Open($"{path}/devices.deny", OpenFlags.WriteOnly);
        foreach (var rule in DeviceRules.Effective(rules))
        {
            Files.WriteValue(rule.Allow ? allow : deny, $"{path}/devices.{(rule.Allow ? "allow" : "deny")}", Encoding.UTF8.GetBytes(DeviceRules.Text(rule)));
        }
    }

    private void ApplyMemory(MemoryResources? memory)
    {
        if (memory is null)
        {
            return;
        }

        var limit = memory.Limit is { } l and not 0 ? l : (long?)null;
        var swap = memory.Swap is { } s and not 0 ? s : limit == -1 ? -1 : (long?)null;
        if (limit is { } bytes)
        {
            var path = Need("memory", "memory.limit_in_bytes");
            if (memory.CheckBeforeUpdate == true && bytes > 0 && ReadNumber(path, "memory.usage_in_bytes") > (ulong)bytes)
            {
                throw new RuntimeException(RuntimeError.Failed, $"memory limit {bytes} is below what the container uses now");
            }

            // The two limits must never cross: raising goes from the outer one, lowering from the inner one.
            if (swap is { } both && !TryWrite(path, "memory.limit_in_bytes", Text(bytes)))
            {
                Write(path, "memory.memsw.limit_in_bytes", Text(both));
                Write(path, "memory.limit_in_bytes", Text(bytes));
            }
            else if (swap is null)
            {
                Write(path, "memory.limit_in_bytes", Text(bytes));
            }
        }

        if (swap is { } total && Files.Exists($"{Need("memory", "memory.memsw.limit_in_bytes")}/memory.memsw.limit_in_bytes"))
        {
            Set("memory", "memory.memsw.limit_in_bytes", Text(total));
        }

        Set("memory", "memory.soft_limit_in_bytes", memory.Reservation is { } r and not 0 ? Text(r) : null);
        if (memory.Kernel is { } kernel and not 0)
        {
            // Gone from newer kernels, where kernel memory counts as memory: then there is nothing to set.
            TryWrite(Need("memory", "memory.kmem.limit_in_bytes"), "memory.kmem.limit_in_bytes", Text(kernel));
        }

        Set("memory", "memory.kmem.tcp.limit_in_bytes", memory.KernelTCP is { } tcp and not 0 ? Text(tcp) : null);
        if (memory.Swappiness is { } swappiness)
        {
            Set("memory", "memory.swappiness", swappiness <= 100
                ? Text(swappiness) : throw new RuntimeException(RuntimeError.InvalidConfig, $"swappiness {swappiness} is not within 0 and 100"));
        }

        Set("memory", "memory.oom_control", memory.DisableOOMKiller == true ? "1" : null);
        if (memory.UseHierarchy == true)
        {
            // Newer kernels know no other way, and some of them have no file for it.
            TryWrite(Need("memory", "memory.use_hierarchy"), "memory.use_hierarchy", "1");
        }
    }

    private void ApplyCpu(CpuResources? cpu)
    {
        if (cpu is null)
        {
            return;
        }

        Set("cpu", "cpu.idle", cpu.Idle is { } idle ? Text(idle) : null);
        Set("cpu", "cpu.shares", cpu.Shares is { } shares and not 0 ? Text(shares) : null);
        var period = cpu.Period is { } p and not 0 ? Text(p) : null;
        var quota = cpu.Quota is { } q and not 0 ? Text(q) : null;
        if (period is not null && !TryWrite(Need("cpu", "cpu.cfs_period_us"), "cpu.cfs_period_us", period))
        {
            // With the old quota the new period is out of range: then the quota goes first.
            Set("cpu", "cpu.cfs_quota_us", quota);
            Set("cpu", "cpu.cfs_period_us", period);
        }

        Set("cpu", "cpu.cfs_quota_us", quota);
        Set("cpu", "cpu.cfs_burst_us", cpu.Burst is { } burst and not 0 ? Text(burst) : null);
        Set("cpu", "cpu.rt_period_us", cpu.RealtimePeriod is { } rp and not 0 ? Text(rp) : null);
        Set("cpu", "cpu.rt_runtime_us", cpu.RealtimeRuntime is { } rr and not 0 ? Text(rr) : null);
        Set("cpuset", "cpuset.cpus", string.IsNullOrEmpty(cpu.Cpus) ? null : cpu.Cpus);
        Set("cpuset", "cpuset.mems", string.IsNullOrEmpty(cpu.Mems) ? null : cpu.Mems);
    }

    private void ApplyBlockIo(BlockIoResources? io)
    {
        if (io is null)
        {
            return;
        }

        if (io.Weight is { } weight and not 0)
        {
            var path = Need("blkio", "blkio.weight");
            Write(path, Files.Exists($"{path}/blkio.weight") ? "blkio.weight" : "blkio.bfq.weight", Text((ulong)weight));
        }

        Set("blkio", "blkio.leaf_weight", io.LeafWeight is { } leaf and not 0 ? Text((ulong)leaf) : null);
        foreach (var device in io.WeightDevice ?? [])
        {
            Set("blkio", "blkio.weight_device", device.Weight is { } w ? $"{Text(device.Major)}:{Text(device.Minor)} {Text((ulong)w)}" : null);
            Set("blkio", "blkio.leaf_weight_device", device.LeafWeight is { } lw ? $"{Text(device.Major)}:{Text(device.Minor)} {Text((ulong)lw)}" : null);
        }

        Throttle("blkio.throttle.read_bps_device", io.ThrottleReadBpsDevice);
        Throttle("blkio.throttle.write_bps_device", io.ThrottleWriteBpsDevice);
        Throttle("blkio.throttle.read_iops_device", io.ThrottleReadIOPSDevice);
        Throttle("blkio.throttle.write_iops_device", io.ThrottleWriteIOPSDevice);
    }

    private void Throttle(string file, IReadOnlyList<ThrottleDevice>? devices)
    {
        foreach (var device in devices ?? [])
        {
            Set("blkio", file, $"{Text(device.Major)}:{Text(device.Minor)} {Text(device.Rate)}");
        }
    }

    public override void SetFrozen(bool frozen)
    {
        var path = Need("freezer", "freezer.state");
        var wanted = frozen ? "FROZEN" : "THAWED";
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            // Tasks that fork while the state spreads keep it at FREEZING; writing again continues.
            Write(path, "freezer.state", wanted);
            if (Read(path, "freezer.state") == wanted)
            {
                return;
            }

            Thread.Sleep(Math.Min(attempt, 10));
        }

        if (frozen)
        {
            TryWrite(path, "freezer.state", "THAWED");
        }

        throw new RuntimeException(RuntimeError.Failed, $"{path} does not become {wanted}");
    }

    public override void SignalAll(int signal)
    {
        // Of nothing nothing is born: freezing makes the kernel rewrite its own code, which every processor waits for.
        if (Pids().Count == 0)
        {
            return;
        }

        var freezer = Find("freezer");
        var froze = freezer is not null && !IsFrozen && TryWrite(freezer, "freezer.state", "FROZEN");
        foreach (var pid in Pids())
        {
            Signals.Send(pid, signal);
        }

        if (freezer is not null && (froze || signal == Signals.Kill))
        {
            TryWrite(freezer, "freezer.state", "THAWED");
        }
    }

    public override IReadOnlyList<int> Pids()
    {
        var pids = new List<int>();
        var path = Find("pids") ?? Find("devices") ?? Find("freezer") ?? (_directories.Count > 0 ? _directories[0].Path : null);
        if (path is not null)
        {
            AddPids(pids, path);
        }

        return pids;
    }

    public override ContainerStats Stats()
    {
        var memory = Find("memory");
        var pids = Find("pids");
        return new ContainerStats
        {
            Cpu = CgroupV1Stats.Cpu(Find("cpuacct"), Find("cpu"), TryRead),
            Memory = memory is null ? new MemoryStats() : CgroupV1Stats.Memory(memory, TryRead, ReadNumber),
            Pids = pids is null ? new PidsStats()
                : new PidsStats { Current = ReadNumber(pids, "pids.current"), Limit = ReadNumber(pids, "pids.max") },
            BlockIo = Find("blkio") is { } blkio ? CgroupV1Stats.BlockIo(blkio, TryRead) : new BlockIoStats(),
        };
    }

    public override OomWatch? WatchOom() => Find("memory") is { } path ? OomWatch.ForV1(path) : null;

    public override void Delete()
    {
        foreach (var (_, path) in _directories)
        {
            Remove(path);
        }
    }

    /// <summary>A new cpuset has no CPUs and no memory nodes; a process could not enter it.</summary>
    private static void InheritCpuset(string path)
    {
        var parent = Path.GetDirectoryName(path)!;
        foreach (var file in new[] { "cpuset.cpus", "cpuset.mems" })
        {
            var inherited = Read(parent, file);
            if (inherited.Length == 0)
            {
                // Another process may have made the parent this very moment and not filled it yet. The hierarchy's root is never empty.
                InheritCpuset(parent);
                inherited = Read(parent, file);
            }

            Write(path, file, inherited);
        }
    }

    private string? Find(string controller)
    {
        foreach (var (hierarchy, path) in _directories)
        {
            if (hierarchy.Has(controller))
            {
                return path;
            }
        }

        return null;
    }

    private string Need(string controller, string file) => Find(controller) ?? throw new RuntimeException(
        RuntimeError.Failed, $"cannot set {file}: the cgroup controller {controller} is not mounted");

    private void Set(string controller, string file, string? value)
    {
        if (value is not null)
        {
            Write(Need(controller, file), file, value);
        }
    }
}
