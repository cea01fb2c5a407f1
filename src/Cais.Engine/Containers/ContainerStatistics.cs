using System.Globalization;
using Cais.Api;
using Cais.Ttrpc;
using Containerd.Task.V2;
using V1 = Io.Containerd.Cgroups.V1;
using V2 = Io.Containerd.Cgroups.V2;

namespace Cais.Engine.Containers;

/// <summary>What a container uses, in the API's form, which differs between the two versions of cgroups as docker's does.</summary>
internal sealed class ContainerStatistics(EngineServices services)
{
    /// <summary>A sample of a running container; one of a container that does not run is empty but for its name.</summary>
    public async Task<ContainerStatsResponse> Sample(Container container, ContainerStatsResponse? before, CancellationToken cancellation)
    {
        var empty = new ContainerStatsResponse
        {
            Id = container.Id,
            Name = "/" + container.Name,
            OsType = "linux",
            Read = Timestamps.Never,
            Preread = Timestamps.Never,
            NumProcs = 0,
            CpuStats = NoCpu,
            PrecpuStats = NoCpu,
            MemoryStats = new ContainerMemoryStats(),
            PidsStats = new ContainerPidsStats(),
            BlkioStats = new ContainerBlkioStats(),
            StorageStats = new ContainerStorageStats(),
        };
        if (container.Task is not { } task || !container.Status.HasProcess)
        {
            return empty;
        }

        StatsResponse response;
        try
        {
            response = await task.Shim.Tasks.StatsAsync(new StatsRequest { Id = container.Id }, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is TtrpcException or IOException)
        {
            return empty;
        }

        var sample = empty with
        {
            Read = Timestamps.Format(services.Time.GetUtcNow()),
            Preread = before?.Read ?? Timestamps.Never,
            PrecpuStats = before?.CpuStats ?? NoCpu,
            Networks = Networks(container),
        };
        return response.Stats is null ? sample
            : response.Stats.TypeUrl.EndsWith("cgroups.v2.Metrics", StringComparison.Ordinal) ? Of(sample, V2.Metrics.Parser.ParseFrom(response.Stats.Value))
            : Of(sample, V1.Metrics.Parser.ParseFrom(response.Stats.Value));
    }

    private static readonly ContainerCPUStats NoCpu = new()
    {
        CpuUsage = new ContainerCPUUsage { TotalUsage = 0, UsageInKernelmode = 0, UsageInUsermode = 0 },
        ThrottlingData = new ContainerThrottlingData { Periods = 0, ThrottledPeriods = 0, ThrottledTime = 0 },
    };

    private ContainerStatsResponse Of(ContainerStatsResponse sample, V1.Metrics metrics) => sample with
    {
        CpuStats = new ContainerCPUStats
        {
            CpuUsage = new ContainerCPUUsage
            {
                TotalUsage = metrics.Cpu?.Usage?.Total ?? 0,
                PercpuUsage = metrics.Cpu?.Usage?.PerCpu is { Count: > 0 } each ? each : null,
                UsageInKernelmode = metrics.Cpu?.Usage?.Kernel ?? 0,
                UsageInUsermode = metrics.Cpu?.Usage?.User ?? 0,
            },
            SystemCpuUsage = SystemCpu(),
            OnlineCpus = (uint)services.Host.Processors,
            ThrottlingData = new ContainerThrottlingData
            {
                Periods = metrics.Cpu?.Throttling?.Periods ?? 0,
                ThrottledPeriods = metrics.Cpu?.Throttling?.ThrottledPeriods ?? 0,
                ThrottledTime = metrics.Cpu?.Throttling?.ThrottledTime ?? 0,
            },
        },
        MemoryStats = metrics.Memory is not { } memory ? new ContainerMemoryStats() : new ContainerMemoryStats
        {
            Usage = memory.Usage?.Usage ?? 0,
            MaxUsage = memory.Usage?.Max ?? 0,
            Failcnt = memory.Usage?.Failcnt is > 0 and var failures ? failures : null,
            Limit = Limit(memory.Usage?.Limit ?? 0),
            Stats = new Dictionary<string, ulong?>
            {
                ["cache"] = memory.Cache,
                ["rss"] = memory.Rss,
                ["rss_huge"] = memory.RssHuge,
                ["mapped_file"] = memory.MappedFile,
                ["dirty"] = memory.Dirty,
                ["writeback"] = memory.Writeback,
                ["pgpgin"] = memory.PgPgIn,
                ["pgpgout"] = memory.PgPgOut,
                ["pgfault"] = memory.PgFault,
                ["pgmajfault"] = memory.PgMajFault,
                ["inactive_anon"] = memory.InactiveAnon,
                ["active_anon"] = memory.ActiveAnon,
                ["inactive_file"] = memory.InactiveFile,
                ["active_file"] = memory.ActiveFile,
                ["unevictable"] = memory.Unevictable,
                ["hierarchical_memory_limit"] = memory.HierarchicalMemoryLimit,
                ["hierarchical_memsw_limit"] = memory.HierarchicalSwapLimit,
                ["total_cache"] = memory.TotalCache,
                ["total_rss"] = memory.TotalRss,
                ["total_rss_huge"] = memory.TotalRssHuge,
                ["total_mapped_file"] = memory.TotalMappedFile,
                ["total_dirty"] = memory.TotalDirty,
                ["total_writeback"] = memory.TotalWriteback,
                ["total_pgpgin"] = memory.TotalPgPgIn,
                ["total_pgpgout"] = memory.TotalPgPgOut,
                ["total_pgfault"] = memory.TotalPgFault,
                ["total_pgmajfault"] = memory.TotalPgMajFault,
                ["total_inactive_anon"] = memory.TotalInactiveAnon,
                ["total_active_anon"] = memory.TotalActiveAnon,
                ["total_inactive_file"] = memory.TotalInactiveFile,
                ["total_active_file"] = memory.TotalActiveFile,
                ["total_unevictable"] = memory.TotalUnevictable,
            },
        },
        PidsStats = new ContainerPidsStats { Current = metrics.Pids?.Current ?? 0, Limit = metrics.Pids?.Limit is > 0 and var limit ? limit : null },
        BlkioStats = metrics.Blkio is not { } io ? new ContainerBlkioStats() : new ContainerBlkioStats
        {
            IoServiceBytesRecursive = Entries(io.IoServiceBytesRecursive),
            IoServicedRecursive = Entries(io.IoServicedRecursive),
            IoQueueRecursive = Entries(io.IoQueuedRecursive),
            IoServiceTimeRecursive = Entries(io.IoServiceTimeRecursive),
            IoWaitTimeRecursive = Entries(io.IoWaitTimeRecursive),
            IoMergedRecursive = Entries(io.IoMergedRecursive),
            IoTimeRecursive = Entries(io.IoTimeRecursive),
            SectorsRecursive = Entries(io.SectorsRecursive),
        },
    };

    private ContainerStatsResponse Of(ContainerStatsResponse sample, V2.Metrics metrics) => sample with
    {
        CpuStats = new ContainerCPUStats
        {
            CpuUsage = new ContainerCPUUsage
            {
                TotalUsage = (metrics.Cpu?.UsageUsec ?? 0) * 1000,
                UsageInKernelmode = (metrics.Cpu?.SystemUsec ?? 0) * 1000,
                UsageInUsermode = (metrics.Cpu?.UserUsec ?? 0) * 1000,
            },
            SystemCpuUsage = SystemCpu(),
            OnlineCpus = (uint)services.Host.Processors,
            ThrottlingData = new ContainerThrottlingData
            {
                Periods = metrics.Cpu?.NrPeriods ?? 0,
                ThrottledPeriods = metrics.Cpu?.NrThrottled ?? 0,
                ThrottledTime = (metrics.Cpu?.ThrottledUsec ?? 0) * 1000,
            },
        },
        MemoryStats = metrics.Memory is not { } memory ? new ContainerMemoryStats() : new ContainerMemoryStats
        {
            Usage = memory.Usage,
            Failcnt = metrics.MemoryEvents?.Oom is > 0 and var oom ? oom : null,
            Limit = Limit(memory.UsageLimit),
            Stats = new Dictionary<string, ulong?>
            {
                ["anon"] = memory.Anon,
                ["file"] = memory.File,
                ["kernel_stack"] = memory.KernelStack,
                ["slab"] = memory.Slab,
                ["sock"] = memory.Sock,
                ["shmem"] = memory.Shmem,
                ["file_mapped"] = memory.FileMapped,
                ["file_dirty"] = memory.FileDirty,
                ["file_writeback"] = memory.FileWriteback,
                ["anon_thp"] = memory.AnonThp,
                ["inactive_anon"] = memory.InactiveAnon,
                ["active_anon"] = memory.ActiveAnon,
                ["inactive_file"] = memory.InactiveFile,
                ["active_file"] = memory.ActiveFile,
                ["unevictable"] = memory.Unevictable,
                ["slab_reclaimable"] = memory.SlabReclaimable,
                ["slab_unreclaimable"] = memory.SlabUnreclaimable,
                ["pgfault"] = memory.Pgfault,
                ["pgmajfault"] = memory.Pgmajfault,
                ["pgrefill"] = memory.Pgrefill,
                ["pgscan"] = memory.Pgscan,
                ["pgsteal"] = memory.Pgsteal,
                ["pgactivate"] = memory.Pgactivate,
                ["pgdeactivate"] = memory.Pgdeactivate,
                ["pglazyfree"] = memory.Pglazyfree,
                ["pglazyfreed"] = memory.Pglazyfreed,
                ["thp_fault_alloc"] = memory.ThpFaultAlloc,
                ["thp_collapse_alloc"] = memory.ThpCollapseAlloc,
            },
        },
        PidsStats = new ContainerPidsStats { Current = metrics.Pids?.Current ?? 0, Limit = metrics.Pids?.Limit is > 0 and var limit ? limit : null },
        BlkioStats = new ContainerBlkioStats
        {
            IoServiceBytesRecursive = metrics.Io?.Usage is { Count: > 0 } usage
                ? [.. usage.SelectMany(u => new[] { Entry(u.Major, u.Minor, "read", u.Rbytes), Entry(u.Major, u.Minor, "write", u.Wbytes) })]
                : null,
        },
    };

    /// <summary>Where nothing is limited, the machine is the limit.</summary>
    private ulong Limit(ulong limit) => limit is 0 || limit > (ulong)services.Host.Memory ? (ulong)services.Host.Memory : limit;

    private static List<ContainerBlkioStatEntry>? Entries(Google.Protobuf.Collections.RepeatedField<V1.BlkIOEntry> entries) =>
        entries.Count == 0 ? null : [.. entries.Select(e => Entry(e.Major, e.Minor, e.Op, e.Value))];

    private static ContainerBlkioStatEntry Entry(ulong major, ulong minor, string operation, ulong value) =>
        new() { Major = major, Minor = minor, Op = operation, Value = value };

    /// <summary>Processor time of the whole machine, in nanoseconds: the first line of /proc/stat, whose unit is 1/100 s.</summary>
    private static ulong SystemCpu()
    {
        using var reader = new StreamReader("/proc/stat");
        var fields = (reader.ReadLine() ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Skip(1).Take(7).Aggregate(0UL, (sum, f) => sum + ulong.Parse(f, CultureInfo.InvariantCulture)) * 10_000_000;
    }

    /// <summary>Counters of the container's interfaces, as its own namespace shows them.</summary>
    private static Dictionary<string, ContainerNetworkStats>? Networks(Container container)
    {
        if (container.Record.HostConfig.NetworkMode == "host")
        {
            return null;
        }

        try
        {
            return Parse(File.ReadLines(string.Create(CultureInfo.InvariantCulture, $"/proc/{container.Status.Pid}/net/dev")));
        }
        catch (IOException)
        {
            return null;
        }
    }

    internal static Dictionary<string, ContainerNetworkStats>? Parse(IEnumerable<string> lines)
    {
        var networks = new Dictionary<string, ContainerNetworkStats>();
        foreach (var line in lines.Skip(2))
        {
            var colon = line.IndexOf(':');
            var name = colon < 0 ? "" : line[..colon].Trim();
            var fields = line[(colon + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (name is "" or "lo" || fields.Length < 12)
            {
                continue;
            }

            ulong At(int index) => ulong.Parse(fields[index], CultureInfo.InvariantCulture);
            networks[name] = new ContainerNetworkStats
            {
                RxBytes = At(0),
                RxPackets = At(1),
                RxErrors = At(2),
                RxDropped = At(3),
                TxBytes = At(8),
                TxPackets = At(9),
                TxErrors = At(10),
                TxDropped = At(11),
            };
        }

        return networks.Count > 0 ? networks : null;
    }
}
