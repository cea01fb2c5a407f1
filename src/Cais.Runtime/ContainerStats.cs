namespace Cais.Runtime;

/// <summary>A container's use of resources, read from its cgroups. Zero where the kernel does not say.</summary>
public sealed record ContainerStats
{
    public CpuStats Cpu { get; init; } = new();
    public MemoryStats Memory { get; init; } = new();
    public PidsStats Pids { get; init; } = new();
    public BlockIoStats BlockIo { get; init; } = new();
}

/// <summary>Times in nanoseconds.</summary>
public sealed record CpuStats
{
    public ulong TotalUsage { get; init; }
    public IReadOnlyList<ulong> PerCpu { get; init; } = [];
    public ulong UserUsage { get; init; }
    public ulong KernelUsage { get; init; }
    public ulong Periods { get; init; }
    public ulong ThrottledPeriods { get; init; }
    public ulong ThrottledTime { get; init; }
}

/// <summary>Bytes. <see cref="Raw"/> is memory.stat as the kernel has it.</summary>
public sealed record MemoryStats
{
    public ulong Usage { get; init; }
    public ulong MaxUsage { get; init; }
    public ulong Limit { get; init; }
    public ulong FailCount { get; init; }
    public ulong SwapUsage { get; init; }
    public ulong SwapLimit { get; init; }
    public ulong SwapMaxUsage { get; init; }
    public ulong SwapFailCount { get; init; }
    public ulong KernelUsage { get; init; }
    public ulong KernelLimit { get; init; }
    public ulong KernelTcpUsage { get; init; }
    public ulong KernelTcpLimit { get; init; }
    public ulong OomKills { get; init; }
    public IReadOnlyDictionary<string, ulong> Raw { get; init; } = new Dictionary<string, ulong>();
}

public sealed record PidsStats
{
    public ulong Current { get; init; }

    /// <summary>0 is unlimited.</summary>
    public ulong Limit { get; init; }
}

public sealed record BlockIoStats
{
    public IReadOnlyList<BlockIoEntry> ServiceBytes { get; init; } = [];
    public IReadOnlyList<BlockIoEntry> Serviced { get; init; } = [];
}

/// <param name="Operation"><c>Read</c>, <c>Write</c>, <c>Sync</c>, <c>Async</c>, <c>Discard</c>, <c>Total</c>.</param>
/// <param name="Value">Bytes, or number of operations.</param>
/// <param name="Major">Of the block device.</param>
/// <param name="Minor">Of the block device.</param>
public sealed record BlockIoEntry(ulong Major, ulong Minor, string Operation, ulong Value);
