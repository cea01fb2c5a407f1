using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using V1 = Io.Containerd.Cgroups.V1;
using V2 = Io.Containerd.Cgroups.V2;

namespace Cais.Shim.Cgroups;

/// <summary>A cgroup's use of resources in containerd's messages, as its clients (ctr metrics, CRI, our engine) read them.</summary>
internal static class CgroupMetrics
{
    private const ulong NanosecondsPerTick = 10_000_000; // USER_HZ is 100 on all architectures that Linux shows to programs.

    public static Any Read(ProcessCgroup cgroup) => cgroup.Unified is { } unified
        ? Pack("io.containerd.cgroups.v2.Metrics", ReadV2(unified))
        : Pack("io.containerd.cgroups.v1.Metrics", ReadV1(cgroup));

    private static Any Pack(string type, IMessage message) => new() { TypeUrl = type, Value = message.ToByteString() };

    private static V1.Metrics ReadV1(ProcessCgroup cgroup)
    {
        var metrics = new V1.Metrics
        {
            Pids = new V1.PidsStat
            {
                Current = CgroupFile.Number(cgroup["pids"], "pids.current"),
                Limit = NoLimitIsZero(CgroupFile.Number(cgroup["pids"], "pids.max")),
            },
            Cpu = CpuV1(cgroup),
            Memory = MemoryV1(cgroup["memory"]),
            Blkio = BlockIoV1(cgroup["blkio"]),
        };
        var oom = CgroupFile.Table(cgroup["memory"], "memory.oom_control");
        metrics.MemoryOomControl = new V1.MemoryOomControl
        {
            OomKillDisable = oom.GetValueOrDefault("oom_kill_disable"),
            UnderOom = oom.GetValueOrDefault("under_oom"),
            OomKill = oom.GetValueOrDefault("oom_kill"),
        };
        if (cgroup["hugetlb"] is { } hugetlb)
        {
            foreach (var size in PageSizes(hugetlb, ".usage_in_bytes"))
            {
                metrics.Hugetlb.Add(new V1.HugetlbStat
                {
                    Pagesize = size,
                    Usage = CgroupFile.Number(hugetlb, $"hugetlb.{size}.usage_in_bytes"),
                    Max = CgroupFile.Number(hugetlb, $"hugetlb.{size}.max_usage_in_bytes"),
                    Failcnt = CgroupFile.Number(hugetlb, $"hugetlb.{size}.failcnt"),
                });
            }
        }

        return metrics;
    }

    private static V1.CPUStat CpuV1(ProcessCgroup cgroup)
    {
        var ticks = CgroupFile.Table(cgroup["cpuacct"], "cpuacct.stat");
        var usage = new V1.CPUUsage
        {
            Total = CgroupFile.Number(cgroup["cpuacct"], "cpuacct.usage"),
            User = ticks.GetValueOrDefault("user") * NanosecondsPerTick,
            Kernel = ticks.GetValueOrDefault("system") * NanosecondsPerTick,
        };
        foreach (var cpu in CgroupFile.Text(cgroup["cpuacct"], "cpuacct.usage_percpu").Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            if (ulong.TryParse(cpu.AsSpan().Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                usage.PerCpu.Add(value);
            }
        }

        var throttling = CgroupFile.Table(cgroup["cpu"], "cpu.stat");
        return new V1.CPUStat
        {
            Usage = usage,
            Throttling = new V1.Throttle
            {
                Periods = throttling.GetValueOrDefault("nr_periods"),
                ThrottledPeriods = throttling.GetValueOrDefault("nr_throttled"),
                ThrottledTime = throttling.GetValueOrDefault("throttled_time"),
            },
        };
    }

    private static V1.MemoryStat MemoryV1(string? memory)
    {
        var stat = CgroupFile.Table(memory, "memory.stat");
        return new V1.MemoryStat
        {
            Cache = Of("cache"),
            Rss = Of("rss"),
            RssHuge = Of("rss_huge"),
            MappedFile = Of("mapped_file"),
            Dirty = Of("dirty"),
            Writeback = Of("writeback"),
            PgPgIn = Of("pgpgin"),
            PgPgOut = Of("pgpgout"),
            PgFault = Of("pgfault"),
            PgMajFault = Of("pgmajfault"),
            InactiveAnon = Of("inactive_anon"),
            ActiveAnon = Of("active_anon"),
            InactiveFile = Of("inactive_file"),
            ActiveFile = Of("active_file"),
            Unevictable = Of("unevictable"),
            HierarchicalMemoryLimit = Of("hierarchical_memory_limit"),
            HierarchicalSwapLimit = Of("hierarchical_memsw_limit"),
            TotalCache = Of("total_cache"),
            TotalRss = Of("total_rss"),
            TotalRssHuge = Of("total_rss_huge"),
            TotalMappedFile = Of("total_mapped_file"),
            TotalDirty = Of("total_dirty"),
            TotalWriteback = Of("total_writeback"),
            TotalPgPgIn = Of("total_pgpgin"),
            TotalPgPgOut = Of("total_pgpgout"),
            TotalPgFault = Of("total_pgfault"),
            TotalPgMajFault = Of("total_pgmajfault"),
            TotalInactiveAnon = Of("total_inactive_anon"),
            TotalActiveAnon = Of("total_active_anon"),
            TotalInactiveFile = Of("total_inactive_file"),
            TotalActiveFile = Of("total_active_file"),
            TotalUnevictable = Of("total_unevictable"),
            Usage = MemoryEntry(memory, "memory"),
            Swap = MemoryEntry(memory, "memory.memsw"),
            Kernel = MemoryEntry(memory, "memory.kmem"),
            KernelTcp = MemoryEntry(memory, "memory.kmem.tcp"),
        };

        ulong Of(string key) => stat.GetValueOrDefault(key);
    }

    private static V1.MemoryEntry MemoryEntry(string? memory, string prefix) => new()
    {
        Limit = CgroupFile.Number(memory, prefix + ".limit_in_bytes"),
        Usage = CgroupFile.Number(memory, prefix + ".usage_in_bytes"),
        Max = CgroupFile.Number(memory, prefix + ".max_usage_in_bytes"),
        Failcnt = CgroupFile.Number(memory, prefix + ".failcnt"),
    };

    private static V1.BlkIOStat BlockIoV1(string? blkio)
    {
        var stat = new V1.BlkIOStat();
        // The file of the proportional scheduler counts everything where it is active; else only throttling counts.
        stat.IoServiceBytesRecursive.AddRange(Entries("blkio.bfq.io_service_bytes_recursive", "blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_service_bytes"));
        stat.IoServicedRecursive.AddRange(Entries("blkio.bfq.io_serviced_recursive", "blkio.throttle.io_serviced_recursive", "blkio.throttle.io_serviced"));
        stat.IoQueuedRecursive.AddRange(Entries("blkio.bfq.io_queued_recursive"));
        stat.IoServiceTimeRecursive.AddRange(Entries("blkio.bfq.io_service_time_recursive"));
        stat.IoWaitTimeRecursive.AddRange(Entries("blkio.bfq.io_wait_time_recursive"));
        stat.IoMergedRecursive.AddRange(Entries("blkio.bfq.io_merged_recursive"));
        stat.IoTimeRecursive.AddRange(Entries("blkio.bfq.time_recursive"));
        stat.SectorsRecursive.AddRange(Entries("blkio.bfq.sectors_recursive"));
        return stat;

        List<V1.BlkIOEntry> Entries(params ReadOnlySpan<string> files)
        {
            var entries = new List<V1.BlkIOEntry>();
            foreach (var file in files)
            {
                foreach (var line in CgroupFile.Text(blkio, file).Split('\n', StringSplitOptions.RemoveEmptyEntries))
                {
                    // "8:0 Read 4096", or "8:0 4096" where there is no operation; "Total 4096" sums up and is left out.
                    var words = line.Split(' ');
                    if (words.Length >= 2 && words[0].Split(':') is [var major, var minor])
                    {
                        entries.Add(new V1.BlkIOEntry
                        {
                            Major = CgroupFile.Parse(major),
                            Minor = CgroupFile.Parse(minor),
                            Op = words.Length > 2 ? words[1] : "",
                            Value = CgroupFile.Parse(words[^1]),
                        });
                    }
                }

                if (entries.Count > 0)
                {
                    break;
                }
            }

            return entries;
        }
    }

    private static V2.Metrics ReadV2(string cgroup)
    {
        var cpu = CgroupFile.Table(cgroup, "cpu.stat");
        var events = CgroupFile.Table(cgroup, "memory.events");
        var metrics = new V2.Metrics
        {
            Pids = new V2.PidsStat
            {
                Current = CgroupFile.Number(cgroup, "pids.current"),
                Limit = NoLimitIsZero(CgroupFile.Number(cgroup, "pids.max")),
            },
            Cpu = new V2.CPUStat
            {
                UsageUsec = cpu.GetValueOrDefault("usage_usec"),
                UserUsec = cpu.GetValueOrDefault("user_usec"),
                SystemUsec = cpu.GetValueOrDefault("system_usec"),
                NrPeriods = cpu.GetValueOrDefault("nr_periods"),
                NrThrottled = cpu.GetValueOrDefault("nr_throttled"),
                ThrottledUsec = cpu.GetValueOrDefault("throttled_usec"),
                NrBursts = cpu.GetValueOrDefault("nr_bursts"),
                BurstUsec = cpu.GetValueOrDefault("burst_usec"),
                Psi = Pressure(cgroup, "cpu.pressure"),
            },
            Memory = MemoryV2(cgroup),
            MemoryEvents = new V2.MemoryEvents
            {
                Low = events.GetValueOrDefault("low"),
                High = events.GetValueOrDefault("high"),
                Max = events.GetValueOrDefault("max"),
                Oom = events.GetValueOrDefault("oom"),
                OomKill = events.GetValueOrDefault("oom_kill"),
                OomGroupKill = events.GetValueOrDefault("oom_group_kill"),
            },
            Io = new V2.IOStat { Psi = Pressure(cgroup, "io.pressure") },
        };
        metrics.Io.Usage.AddRange(IoV2(cgroup));
        foreach (var size in PageSizes(cgroup, ".current"))
        {
            metrics.Hugetlb.Add(new V2.HugeTlbStat
            {
                Pagesize = size,
                Current = CgroupFile.Number(cgroup, $"hugetlb.{size}.current"),
                Max = CgroupFile.Number(cgroup, $"hugetlb.{size}.max"),
            });
        }

        return metrics;
    }

    private static V2.MemoryStat MemoryV2(string cgroup)
    {
        var stat = CgroupFile.Table(cgroup, "memory.stat");
        return new V2.MemoryStat
        {
            Anon = Of("anon"),
            File = Of("file"),
            KernelStack = Of("kernel_stack"),
            Slab = Of("slab"),
            Sock = Of("sock"),
            Shmem = Of("shmem"),
            FileMapped = Of("file_mapped"),
            FileDirty = Of("file_dirty"),
            FileWriteback = Of("file_writeback"),
            AnonThp = Of("anon_thp"),
            InactiveAnon = Of("inactive_anon"),
            ActiveAnon = Of("active_anon"),
            InactiveFile = Of("inactive_file"),
            ActiveFile = Of("active_file"),
            Unevictable = Of("unevictable"),
            SlabReclaimable = Of("slab_reclaimable"),
            SlabUnreclaimable = Of("slab_unreclaimable"),
            Pgfault = Of("pgfault"),
            Pgmajfault = Of("pgmajfault"),
            WorkingsetNodereclaim = Of("workingset_nodereclaim"),
            WorkingsetRefaultAnon = Of("workingset_refault_anon"),
            WorkingsetRefaultFile = Of("workingset_refault_file"),
            WorkingsetActivateAnon = Of("workingset_activate_anon"),
            WorkingsetActivateFile = Of("workingset_activate_file"),
            Pgrefill = Of("pgrefill"),
            Pgscan = Of("pgscan"),
            Pgsteal = Of("pgsteal"),
            Pgactivate = Of("pgactivate"),
            Pgdeactivate = Of("pgdeactivate"),
            Pglazyfree = Of("pglazyfree"),
            Pglazyfreed = Of("pglazyfreed"),
            ThpFaultAlloc = Of("thp_fault_alloc"),
            ThpCollapseAlloc = Of("thp_collapse_alloc"),
            Usage = CgroupFile.Number(cgroup, "memory.current"),
            UsageLimit = CgroupFile.Number(cgroup, "memory.max"),
            MaxUsage = CgroupFile.Number(cgroup, "memory.peak"),
            SwapUsage = CgroupFile.Number(cgroup, "memory.swap.current"),
            SwapLimit = CgroupFile.Number(cgroup, "memory.swap.max"),
            SwapMaxUsage = CgroupFile.Number(cgroup, "memory.swap.peak"),
            Psi = Pressure(cgroup, "memory.pressure"),
        };

        ulong Of(string key) => stat.GetValueOrDefault(key);
    }

    private static IEnumerable<V2.IOEntry> IoV2(string cgroup)
    {
        // 8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6
        foreach (var line in CgroupFile.Text(cgroup, "io.stat").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length < 2 || words[0].Split(':') is not [var major, var minor])
            {
                continue;
            }

            yield return new V2.IOEntry
            {
                Major = CgroupFile.Parse(major),
                Minor = CgroupFile.Parse(minor),
                Rbytes = Field(words, "rbytes="),
                Wbytes = Field(words, "wbytes="),
                Rios = Field(words, "rios="),
                Wios = Field(words, "wios="),
            };
        }
    }

    private static V2.PSIStats? Pressure(string cgroup, string file)
    {
        var text = CgroupFile.Text(cgroup, file);
        if (text.Length == 0)
        {
            return null;
        }

        var stats = new V2.PSIStats();
        foreach (var line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            // some avg10=0.00 avg60=0.00 avg300=0.00 total=0
            var words = line.Split(' ');
            var data = new V2.PSIData
            {
                Avg10 = Average("avg10="),
                Avg60 = Average("avg60="),
                Avg300 = Average("avg300="),
                Total = Field(words, "total="),
            };
            if (words[0] == "some")
            {
                stats.Some = data;
            }
            else if (words[0] == "full")
            {
                stats.Full = data;
            }

            double Average(string key) =>
                Array.Find(words, w => w.StartsWith(key, StringComparison.Ordinal)) is { } word
                && double.TryParse(word.AsSpan(key.Length), CultureInfo.InvariantCulture, out var value) ? value : 0;
        }

        return stats;
    }

    private static ulong Field(string[] words, string key) =>
        Array.Find(words, w => w.StartsWith(key, StringComparison.Ordinal)) is { } word ? CgroupFile.Parse(word.AsSpan(key.Length)) : 0;

    private static IEnumerable<string> PageSizes(string directory, string suffix)
    {
        try
        {
            return [.. Directory.EnumerateFiles(directory, "hugetlb.*" + suffix)
                .Select(path => Path.GetFileName(path)["hugetlb.".Length..^suffix.Length])
                .Where(size => !size.Contains('.', StringComparison.Ordinal))];
        }
        catch (IOException)
        {
            return [];
        }
    }

    private static ulong NoLimitIsZero(ulong limit) => limit == ulong.MaxValue ? 0 : limit;
}
