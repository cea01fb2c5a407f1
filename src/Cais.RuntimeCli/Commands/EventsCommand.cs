using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>events</c>: statistics, once or every few seconds, and out-of-memory kills, in runc's form.</summary>
internal static class EventsCommand
{
    public static int Run(Invocation invocation, Arguments options)
    {
        using var container = invocation.Runtime.Load(options.Id);
        if (container.Status == ContainerStatus.Stopped)
        {
            throw new RuntimeException(RuntimeError.WrongState, $"container with id {container.Id} is not running");
        }

        if (options.Has("stats"))
        {
            Output.Write(Stats(container.Id, container.Stats()));
            return 0;
        }

        var interval = Interval(options.Value("interval") ?? "5s");
        using var oom = container.WatchOom();
        while (container.Status != ContainerStatus.Stopped)
        {
            Output.Write(Stats(container.Id, container.Stats()));
            if (oom is not null && Poll.Readable(oom.Descriptor, interval) && oom.Check())
            {
                Output.Line($"{{\"type\":\"oom\",\"id\":\"{container.Id}\"}}");
            }
            else if (oom is null)
            {
                Thread.Sleep(interval);
            }
        }

        return 0;
    }

    /// <summary>As Go writes durations: <c>5s</c>, <c>1m30s</c>, <c>250ms</c>. In milliseconds.</summary>
    private static int Interval(string text)
    {
        double total = 0;
        for (var rest = text.AsSpan(); !rest.IsEmpty;)
        {
            var digits = rest.IndexOfAnyExceptInRange('.', '9');
            var unit = digits < 0 ? default : rest[digits..];
            var letters = unit.IndexOfAnyInRange('.', '9');
            unit = letters < 0 ? unit : unit[..letters];
            var scale = unit switch
            {
                "ns" => 1e-6,
                "us" or "µs" => 1e-3,
                "ms" => 1,
                "s" => 1000,
                "m" => 60_000,
                "h" => 3_600_000,
                _ => -1,
            };
            if (scale < 0 || !double.TryParse(rest[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number))
            {
                throw new UsageException($"invalid value \"{text}\" for flag -interval: a duration such as 5s is expected");
            }

            total += number * scale;
            rest = rest[(digits + unit.Length)..];
        }

        return total > 0 ? (int)Math.Clamp(total, 1, int.MaxValue) : throw new UsageException("duration interval must be greater than 0");
    }

    private static byte[] Stats(string id, ContainerStats stats)
    {
        var json = new JsonText().BeginObject().Add("type", "stats").Add("id", id).BeginObject("data");
        Cpu(json, stats.Cpu);
        json.BeginObject("cpuset").EndObject();
        Memory(json, stats.Memory);
        json.BeginObject("pids").Add("current", stats.Pids.Current).Add("limit", stats.Pids.Limit).EndObject();
        json.BeginObject("blkio");
        Entries(json, "ioServiceBytesRecursive", stats.BlockIo.ServiceBytes);
        Entries(json, "ioServicedRecursive", stats.BlockIo.Serviced);
        json.EndObject();
        return json.BeginObject("hugetlb").EndObject().BeginObject("intel_rdt").EndObject().Raw("network_interfaces", "null")
            .EndObject().EndObject().ToLine();
    }

    private static void Cpu(JsonText json, CpuStats cpu)
    {
        json.BeginObject("cpu").BeginObject("usage").Add("total", cpu.TotalUsage).BeginArray("percpu");
        foreach (var one in cpu.PerCpu)
        {
            json.Add(null, one);
        }

        json.EndArray().Add("kernel", cpu.KernelUsage).Add("user", cpu.UserUsage).EndObject();
        json.BeginObject("throttling").Add("periods", cpu.Periods).Add("throttledPeriods", cpu.ThrottledPeriods)
            .Add("throttledTime", cpu.ThrottledTime).EndObject().EndObject();
    }

    private static void Memory(JsonText json, MemoryStats memory)
    {
        json.BeginObject("memory").Add("cache", memory.Raw.GetValueOrDefault("cache", memory.Raw.GetValueOrDefault("file")));
        Entry(json, "usage", memory.Limit, memory.Usage, memory.MaxUsage, memory.FailCount);
        Entry(json, "swap", memory.SwapLimit, memory.SwapUsage, memory.SwapMaxUsage, memory.SwapFailCount);
        Entry(json, "kernel", memory.KernelLimit, memory.KernelUsage, 0, 0);
        Entry(json, "kernelTCP", memory.KernelTcpLimit, memory.KernelTcpUsage, 0, 0);
        json.BeginObject("raw");
        foreach (var (name, value) in memory.Raw)
        {
            json.Add(name, value);
        }

        json.EndObject().EndObject();
    }

    private static void Entry(JsonText json, string name, ulong limit, ulong usage, ulong max, ulong failed) =>
        json.BeginObject(name).Add("limit", limit).Add("usage", usage).Add("max", max).Add("failcnt", failed).EndObject();

    private static void Entries(JsonText json, string name, IReadOnlyList<BlockIoEntry> entries)
    {
        json.BeginArray(name);
        foreach (var entry in entries)
        {
            json.BeginObject().Add("major", entry.Major).Add("minor", entry.Minor).Add("op", entry.Operation).Add("value", entry.Value).EndObject();
        }

        json.EndArray();
    }
}
