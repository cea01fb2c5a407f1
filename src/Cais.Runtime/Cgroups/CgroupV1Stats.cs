using System.Globalization;

namespace Cais.Runtime.Cgroups;

/// <summary>Reads the statistics files of cgroup v1.</summary>
internal static class CgroupV1Stats
{
    /// <summary>USER_HZ, in which cpuacct.stat counts.</summary>
    private const ulong NanosecondsPerTick = 10_000_000;

    public static CpuStats Cpu(string? accounting, string? cpu, Func<string, string, string?> read)
    {
        var perCpu = new List<ulong>();
        ulong user = 0, kernel = 0, total = 0, periods = 0, throttled = 0, throttledTime = 0;
        if (accounting is not null)
        {
            total = Number(read(accounting, "cpuacct.usage"));
            foreach (var part in (read(accounting, "cpuacct.usage_percpu") ?? "").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            {
                perCpu.Add(Number(part));
            }

            var times = Pairs(read(accounting, "cpuacct.stat"));
            user = times.GetValueOrDefault("user") * NanosecondsPerTick;
            kernel = times.GetValueOrDefault("system") * NanosecondsPerTick;
        }

        if (cpu is not null)
        {
            var stat = Pairs(read(cpu, "cpu.stat"));
            periods = stat.GetValueOrDefault("nr_periods");
            throttled = stat.GetValueOrDefault("nr_throttled");
            throttledTime = stat.GetValueOrDefault("throttled_time");
        }

        return new CpuStats
        {
            TotalUsage = total,
            PerCpu = perCpu,
            UserUsage = user,
            KernelUsage = kernel,
            Periods = periods,
            ThrottledPeriods = throttled,
            ThrottledTime = throttledTime,
        };
    }

    public static MemoryStats Memory(string path, Func<string, string, string?> read, Func<string, string, ulong> number) => new()
    {
        Usage = number(path, "memory.usage_in_bytes"),
        MaxUsage = number(path, "memory.max_usage_in_bytes"),
        Limit = number(path, "memory.limit_in_bytes"),
        FailCount = number(path, "memory.failcnt"),
        SwapUsage = number(path, "memory.memsw.usage_in_bytes"),
        SwapMaxUsage = number(path, "memory.memsw.max_usage_in_bytes"),
        SwapLimit = number(path, "memory.memsw.limit_in_bytes"),
        SwapFailCount = number(path, "memory.memsw.failcnt"),
        KernelUsage = number(path, "memory.kmem.usage_in_bytes"),
        KernelLimit = number(path, "memory.kmem.limit_in_bytes"),
        KernelTcpUsage = number(path, "memory.kmem.tcp.usage_in_bytes"),
        KernelTcpLimit = number(path, "memory.kmem.tcp.limit_in_bytes"),
        OomKills = Pairs(read(path, "memory.oom_control")).GetValueOrDefault("oom_kill"),
        Raw = Pairs(read(path, "memory.stat")),
    };

    public static BlockIoStats BlockIo(string path, Func<string, string, string?> read) => new()
    {
        ServiceBytes = Entries(read(path, "blkio.throttle.io_service_bytes_recursive") ?? read(path, "blkio.throttle.io_service_bytes")),
        Serviced = Entries(read(path, "blkio.throttle.io_serviced_recursive") ?? read(path, "blkio.throttle.io_serviced")),
    };

    /// <summary>Lines of a word and a number.</summary>
    public static Dictionary<string, ulong> Pairs(string? text)
    {
        var pairs = new Dictionary<string, ulong>(StringComparer.Ordinal);
        foreach (var line in (text ?? "").AsSpan().EnumerateLines())
        {
            var space = line.IndexOf(' ');
            if (space > 0 && ulong.TryParse(line[(space + 1)..].Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value))
            {
                pairs[line[..space].ToString()] = value;
            }
        }

        return pairs;
    }

    /// <summary><c>254:0 Read 1234</c>; the last line is a total without a device.</summary>
    internal static List<BlockIoEntry> Entries(string? text)
    {
        var entries = new List<BlockIoEntry>();
        foreach (var line in (text ?? "").Split('\n'))
        {
            var parts = line.Split([' ', ':'], StringSplitOptions.RemoveEmptyEntries);
            if (parts.Length == 4)
            {
                entries.Add(new BlockIoEntry(Number(parts[0]), Number(parts[1]), parts[2], Number(parts[3])));
            }
        }

        return entries;
    }

    private static ulong Number(string? text) =>
        ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
}
