using System.Globalization;

namespace Cais.Daemon.Metrics;

/// <summary>The daemon's own process, under the names of Prometheus's client libraries; the collector instead of Go's run-time.</summary>
internal static class ProcessMetrics
{
    /// <summary>USER_HZ, which is 100 on every Linux that .NET runs on; see proc(5).</summary>
    private const double TicksPerSecond = 100;

    public static IEnumerable<Instrument> All() =>
    [
        new Observed("dotnet_collection_count_total", "Number of garbage collections", "counter", "generation", () =>
            Enumerable.Range(0, GC.MaxGeneration + 1).Select(g => (g.ToString(CultureInfo.InvariantCulture), (double)GC.CollectionCount(g)))),
        new Observed("dotnet_total_memory_bytes", "Memory allocated by managed objects", "gauge", () => GC.GetTotalMemory(forceFullCollection: false)),
        new Observed("process_cpu_seconds_total", "Total user and system CPU time spent in seconds", "counter", () => (Stat(13) + Stat(14)) / TicksPerSecond),
        new Observed("process_max_fds", "Maximum number of open file descriptors", "gauge", MaxDescriptors),
        new Observed("process_open_fds", "Number of open file descriptors", "gauge", () => Directory.EnumerateFileSystemEntries("/proc/self/fd").Count()),
        new Observed("process_resident_memory_bytes", "Resident memory size in bytes", "gauge", () => Stat(23) * Environment.SystemPageSize),
        new Observed("process_start_time_seconds", "Start time of the process since unix epoch in seconds", "gauge", () => BootTime() + (Stat(21) / TicksPerSecond)),
        new Observed("process_threads", "Number of threads", "gauge", () => Stat(19)),
        new Observed("process_virtual_memory_bytes", "Virtual memory size in bytes", "gauge", () => Stat(22)),
    ];

    /// <summary>A field of /proc/self/stat, counted from 0; the second is in parentheses and may hold anything.</summary>
    private static double Stat(int field)
    {
        var text = File.ReadAllText("/proc/self/stat");
        var fields = text[(text.LastIndexOf(')') + 2)..].Split(' ');
        return double.Parse(fields[field - 2], CultureInfo.InvariantCulture);
    }

    private static double BootTime() =>
        double.Parse(File.ReadLines("/proc/stat").First(l => l.StartsWith("btime ", StringComparison.Ordinal))["btime ".Length..], CultureInfo.InvariantCulture);

    private static double MaxDescriptors()
    {
        var line = File.ReadLines("/proc/self/limits").First(l => l.StartsWith("Max open files", StringComparison.Ordinal));
        return double.TryParse(line["Max open files".Length..].Split(' ', StringSplitOptions.RemoveEmptyEntries)[0], NumberStyles.None, CultureInfo.InvariantCulture, out var limit)
            ? limit : double.PositiveInfinity;
    }
}
