using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Cgroups;

/// <summary>What goes into which file of which controller.</summary>
internal sealed partial class CgroupV1
{
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
}
