namespace Cais.Oci.Runtime;

/// <summary>What a container may use, enforced by cgroups; see config-linux.md. Absent means: leave as it is.</summary>
public sealed record LinuxResources
{
    public IReadOnlyList<DeviceRule>? Devices { get; init; }
    public MemoryResources? Memory { get; init; }
    public CpuResources? Cpu { get; init; }
    public PidsResources? Pids { get; init; }
    public BlockIoResources? BlockIO { get; init; }
    public IReadOnlyList<HugepageLimit>? HugepageLimits { get; init; }
    public NetworkResources? Network { get; init; }
    public IReadOnlyDictionary<string, RdmaLimit>? Rdma { get; init; }

    /// <summary>cgroup v2 files and what to write to them, after everything else.</summary>
    public IReadOnlyDictionary<string, string>? Unified { get; init; }
}

/// <summary>One rule of the device controller. Absent numbers mean all.</summary>
public sealed record DeviceRule
{
    public required bool Allow { get; init; }

    /// <summary><c>a</c>, <c>b</c> or <c>c</c>; absent is <c>a</c>.</summary>
    public string? Type { get; init; }

    public long? Major { get; init; }
    public long? Minor { get; init; }

    /// <summary>Any of <c>r</c>, <c>w</c>, <c>m</c>.</summary>
    public string? Access { get; init; }
}

/// <summary>Bytes; -1 is unlimited. <see cref="Swap"/> counts memory and swap together.</summary>
public sealed record MemoryResources
{
    public long? Limit { get; init; }
    public long? Reservation { get; init; }
    public long? Swap { get; init; }
    public long? Kernel { get; init; }
    public long? KernelTCP { get; init; }
    public ulong? Swappiness { get; init; }
    public bool? DisableOOMKiller { get; init; }
    public bool? UseHierarchy { get; init; }
    public bool? CheckBeforeUpdate { get; init; }
}

/// <summary>Periods, quotas and burst are microseconds.</summary>
public sealed record CpuResources
{
    public ulong? Shares { get; init; }
    public long? Quota { get; init; }
    public ulong? Burst { get; init; }
    public ulong? Period { get; init; }
    public long? RealtimeRuntime { get; init; }
    public ulong? RealtimePeriod { get; init; }
    public string? Cpus { get; init; }
    public string? Mems { get; init; }
    public long? Idle { get; init; }
}

public sealed record PidsResources
{
    /// <summary>Tasks; negative is unlimited (and so is 0, as engines write it).</summary>
    public long? Limit { get; init; }
}

public sealed record BlockIoResources
{
    /// <summary>10 to 1000.</summary>
    public ushort? Weight { get; init; }

    public ushort? LeafWeight { get; init; }
    public IReadOnlyList<WeightDevice>? WeightDevice { get; init; }
    public IReadOnlyList<ThrottleDevice>? ThrottleReadBpsDevice { get; init; }
    public IReadOnlyList<ThrottleDevice>? ThrottleWriteBpsDevice { get; init; }
    public IReadOnlyList<ThrottleDevice>? ThrottleReadIOPSDevice { get; init; }
    public IReadOnlyList<ThrottleDevice>? ThrottleWriteIOPSDevice { get; init; }
}

public sealed record WeightDevice
{
    public required long Major { get; init; }
    public required long Minor { get; init; }
    public ushort? Weight { get; init; }
    public ushort? LeafWeight { get; init; }
}

public sealed record ThrottleDevice
{
    public required long Major { get; init; }
    public required long Minor { get; init; }

    /// <summary>Bytes or operations a second.</summary>
    public ulong Rate { get; init; }
}

public sealed record HugepageLimit
{
    /// <summary><c>64KB</c>, <c>2MB</c>, <c>1GB</c>.</summary>
    public required string PageSize { get; init; }

    /// <summary>Bytes.</summary>
    public required ulong Limit { get; init; }
}

public sealed record NetworkResources
{
    public uint? ClassID { get; init; }
    public IReadOnlyList<InterfacePriority>? Priorities { get; init; }
}

public sealed record InterfacePriority
{
    public required string Name { get; init; }
    public required uint Priority { get; init; }
}

public sealed record RdmaLimit
{
    public uint? HcaHandles { get; init; }
    public uint? HcaObjects { get; init; }
}
