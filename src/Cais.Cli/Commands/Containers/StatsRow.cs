using System.Globalization;
using System.Text.Json;
using Cais.Cli.Formatting;

namespace Cais.Cli.Commands.Containers;

/// <summary>The latest measurement of one container, as <c>stats</c> shows it.</summary>
internal sealed record StatsRow(string Container, bool Truncate)
{
    private const string Unknown = "--";

    public static readonly RowSchema<StatsRow> Schema = new(
        "*container.statsContext",
        [
            new("BlockIO", "BLOCK I/O", static r => r.Valid ? $"{Human.Size(r.BlockRead, 3)} / {Human.Size(r.BlockWrite, 3)}" : Unknown),
            new("CPUPerc", "CPU %", static r => r.Valid ? Percent(r.Cpu) : Unknown),
            new("Container", "CONTAINER", static r => r.Container),
            new("ID", "CONTAINER ID", static r => r.Truncate ? Human.ShortId(r.Id) : r.Id),
            new("MemPerc", "MEM %", static r => r.Valid ? Percent(r.MemoryPercent) : Unknown),
            new("MemUsage", "MEM USAGE / LIMIT", static r => r.Valid ? $"{Human.BinarySize(r.Memory)} / {Human.BinarySize(r.MemoryLimit)}" : Unknown + " / " + Unknown),
            new("Name", "NAME", static r => r.Name.Length > 1 ? r.Name.TrimStart('/') : Unknown),
            new("NetIO", "NET I/O", static r => r.Valid ? $"{Human.Size(r.NetworkRx, 3)} / {Human.Size(r.NetworkTx, 3)}" : Unknown),
            new("PIDs", "PIDS", static r => r.Valid ? r.Pids.ToString(CultureInfo.InvariantCulture) : Unknown),
        ]);

    private string Id { get; init; } = "";

    private string Name { get; init; } = "";

    private double Cpu { get; init; }

    private double Memory { get; init; }

    private double MemoryLimit { get; init; }

    private double MemoryPercent { get; init; }

    private double NetworkRx { get; init; }

    private double NetworkTx { get; init; }

    private double BlockRead { get; init; }

    private double BlockWrite { get; init; }

    private long Pids { get; init; }

    /// <summary>False before the first measurement, and when the container has none.</summary>
    public bool Valid { get; private init; }

    /// <summary>This row with a measurement of the daemon in it. What the numbers mean: docs of <c>GET /containers/{id}/stats</c>.</summary>
    public StatsRow With(JsonElement stats)
    {
        var memory = stats.Member("memory_stats");
        var used = MemoryUsed(memory);
        var limit = memory?.Number("limit") ?? 0;
        var (read, write) = BlockIo(stats);
        var networks = stats.Members("networks").Select(static n => n.Value).ToList();
        return this with
        {
            Id = stats.Text("id"),
            Name = stats.Text("name"),
            Valid = true,
            Cpu = CpuPercent(stats),
            Memory = used,
            MemoryLimit = limit,
            MemoryPercent = limit > 0 ? used * 100.0 / limit : 0,
            NetworkRx = networks.Sum(static n => n.Number("rx_bytes")),
            NetworkTx = networks.Sum(static n => n.Number("tx_bytes")),
            BlockRead = read,
            BlockWrite = write,
            Pids = stats.Member("pids_stats")?.Number("current") ?? 0,
        };
    }

    /// <summary>Share of one CPU's time since the measurement before: 200 % is two of them busy.</summary>
    private static double CpuPercent(JsonElement stats)
    {
        var (now, before) = (stats.Member("cpu_stats"), stats.Member("precpu_stats"));
        var own = (now?.Member("cpu_usage")?.Number("total_usage") ?? 0) - (double)(before?.Member("cpu_usage")?.Number("total_usage") ?? 0);
        var system = (now?.Number("system_cpu_usage") ?? 0) - (double)(before?.Number("system_cpu_usage") ?? 0);
        var cpus = now?.Number("online_cpus") is > 0 and var online ? online : now?.Member("cpu_usage")?.Items("percpu_usage").Count() ?? 0;
        return own > 0 && system > 0 ? own / system * cpus * 100 : 0;
    }

    /// <summary>Without the page cache that can be given back at once: cgroup v1 and v2 name it differently.</summary>
    private static long MemoryUsed(JsonElement? memory)
    {
        var usage = memory?.Number("usage") ?? 0;
        var detail = memory?.Member("stats");
        foreach (var name in new[] { "total_inactive_file", "inactive_file" })
        {
            if (detail?.Member(name) is not null && detail.Value.Number(name) is var inactive && inactive < usage)
            {
                return usage - inactive;
            }
        }

        return usage;
    }

    private static (double Read, double Write) BlockIo(JsonElement stats)
    {
        double read = 0, write = 0;
        foreach (var entry in stats.Member("blkio_stats")?.Items("io_service_bytes_recursive") ?? [])
        {
            switch (entry.Text("op"))
            {
                case ['r' or 'R', ..]:
                    read += entry.Number("value");
                    break;
                case ['w' or 'W', ..]:
                    write += entry.Number("value");
                    break;
            }
        }

        return (read, write);
    }

    private static string Percent(double value) => value.ToString("F2", CultureInfo.InvariantCulture) + "%";
}
