using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;

namespace Cais.Runtime.Systemd;

/// <summary>Limits as properties of a unit, so that systemd keeps what it would otherwise reset at its next reload; systemd.resource-control(5).</summary>
internal static class SystemdProperties
{
    public static List<(string Name, string Signature, Action<BusWriter> Value)> Of(LinuxResources? resources, bool unified)
    {
        var properties = new List<(string, string, Action<BusWriter>)>();
        if (resources?.Memory is { } memory)
        {
            Number(unified ? "MemoryMax" : "MemoryLimit", memory.Limit);
            if (unified)
            {
                Number("MemoryLow", memory.Reservation);
                if (CgroupV2.SwapAlone(memory) is { } swap)
                {
                    Add("MemorySwapMax", swap == "max" ? ulong.MaxValue : ulong.Parse(swap, System.Globalization.CultureInfo.InvariantCulture));
                }
            }
        }

        if (resources?.Cpu is { } cpu)
        {
            if (cpu.Shares is { } shares and not 0)
            {
                Add(unified ? "CPUWeight" : "CPUShares", unified ? CgroupV2.WeightOfShares(shares) : shares);
            }

            if (cpu.Quota is { } quota and not 0)
            {
                var period = cpu.Period is { } given and not 0 ? given : 100_000;
                Add("CPUQuotaPeriodUSec", period);
                Add("CPUQuotaPerSecUSec", quota < 0 ? ulong.MaxValue : RoundUp((ulong)quota * 1_000_000 / period));
            }

            if (unified)
            {
                List("AllowedCPUs", cpu.Cpus);
                List("AllowedMemoryNodes", cpu.Mems);
            }
        }

        Number("TasksMax", resources?.Pids?.Limit);
        if (resources?.BlockIO?.Weight is { } weight and not 0)
        {
            Add(unified ? "IOWeight" : "BlockIOWeight", unified ? 1 + (((ulong)weight - 10) * 9999 / 990) : weight);
        }

        return properties;

        void Add(string name, ulong value) => properties.Add((name, "t", writer => writer.UInt64(value)));

        void Number(string name, long? value)
        {
            if (value is { } number and not 0)
            {
                Add(name, number < 0 ? ulong.MaxValue : (ulong)number);
            }
        }

        void List(string name, string? cpus)
        {
            if (!string.IsNullOrEmpty(cpus))
            {
                properties.Add((name, "ay", writer => writer.Array(1, bytes => bytes.Raw(Bits(cpus)))));
            }
        }
    }

    /// <summary>systemd counts in 10 ms; what lies between would be cut off.</summary>
    private static ulong RoundUp(ulong microseconds) => (microseconds + 9_999) / 10_000 * 10_000;

    /// <summary><c>0-2,7</c> as a bit set, lowest first.</summary>
    internal static byte[] Bits(string list)
    {
        var bits = new byte[128];
        var highest = 0;
        foreach (var part in list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var dash = part.IndexOf('-', StringComparison.Ordinal);
            var first = Parse(dash < 0 ? part : part[..dash]);
            var last = dash < 0 ? first : Parse(part[(dash + 1)..]);
            for (var number = first; number <= last; number++)
            {
                bits[number / 8] |= (byte)(1 << (number % 8));
                highest = Math.Max(highest, number);
            }
        }

        return bits[..((highest / 8) + 1)];

        int Parse(string text) => int.TryParse(text, out var number) && number is >= 0 and < 1024
            ? number : throw new RuntimeException(RuntimeError.InvalidConfig, $"\"{list}\" is no list of CPUs");
    }
}
