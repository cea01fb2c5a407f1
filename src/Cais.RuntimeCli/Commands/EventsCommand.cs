using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.RuntimeCli.Commands;

/// <summary><c>events</c>: statistics, once or every few seconds, and out-of-memory kills, in runc's form.</summary>
internal static class EventsCommand
{
    public static int Run(Invocation invocation, string[] args)
    {
        var options = Arguments.Parse(args, ["stats", "help|h"], ["interval"]);
        using var container = invocation.Runtime.Load(options.Id("events"));
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

    private static int Interval(string text)
    {
        var scale = text.EndsWith("ms", StringComparison.Ordinal) ? 1 : text.EndsWith('m') ? 60_000 : 1000;
        var digits = text.TrimEnd('m', 's');
        return double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number > 0
            ? (int)Math.Min(number * scale, int.MaxValue) : throw new UsageException("duration interval must be greater than 0");
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
