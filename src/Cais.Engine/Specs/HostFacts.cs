using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Engine.Specs;

/// <summary>What the engine needs to know of the machine; read once.</summary>
public sealed record HostFacts
{
    /// <summary><c>6.18.0-foo</c>.</summary>
    public required string Kernel { get; init; }

    /// <summary>Go's word: <c>amd64</c>, <c>arm64</c>.</summary>
    public required string Architecture { get; init; }

    /// <summary>1 or 2. A hybrid layout, whose controllers are v1's, counts as 1.</summary>
    public required int CgroupVersion { get; init; }

    /// <summary>The number of the newest capability this kernel knows.</summary>
    public required int LastCapability { get; init; }

    /// <summary>The capabilities that this process can give away, a bit each; capabilities(7).</summary>
    public ulong BoundingSet { get; init; } = ulong.MaxValue;

    public required int Processors { get; init; }

    /// <summary>Bytes.</summary>
    public required long Memory { get; init; }

    public required string Hostname { get; init; }

    /// <summary><c>Debian GNU/Linux 12 (bookworm)</c>.</summary>
    public required string OperatingSystem { get; init; }

    public required string OperatingSystemVersion { get; init; }

    /// <summary>Processors that are on; empty where that is not known.</summary>
    public IReadOnlySet<int> OnlineCpus { get; init; } = new HashSet<int>();

    public IReadOnlySet<int> OnlineMemories { get; init; } = new HashSet<int>();

    /// <summary>Whether the cpu controller shares out real-time (CONFIG_RT_GROUP_SCHED, cgroup v1 only).</summary>
    public bool HasRealtimeCpu { get; init; }

    /// <summary>Whether block devices can be weighed one by one (cgroup v1 only; newer kernels have BFQ's file for all of them).</summary>
    public bool HasBlkioWeightDevice { get; init; }

    public bool HasSeccomp { get; init; }

    public bool HasAppArmor { get; init; }

    /// <summary>The machine as uname(2) says: <c>x86_64</c>.</summary>
    public string Machine => Architecture switch
    {
        "amd64" => "x86_64",
        "arm64" => "aarch64",
        _ => Architecture,
    };

    /// <summary>libseccomp's word.</summary>
    public string SeccompArchitecture => Architecture switch
    {
        "amd64" => "SCMP_ARCH_X86_64",
        "arm64" => "SCMP_ARCH_AARCH64",
        _ => "SCMP_ARCH_" + Architecture.ToUpperInvariant(),
    };

    public static HostFacts Read()
    {
        var release = ReadOsRelease();
        return new HostFacts
        {
            Kernel = Text("/proc/sys/kernel/osrelease") ?? Environment.OSVersion.Version.ToString(),
            Architecture = RuntimeInformation.ProcessArchitecture switch
            {
                System.Runtime.InteropServices.Architecture.X64 => "amd64",
                System.Runtime.InteropServices.Architecture.Arm64 => "arm64",
                var other => other.ToString().ToLowerInvariant(),
            },
            CgroupVersion = File.Exists("/sys/fs/cgroup/cgroup.controllers") ? 2 : 1,
            LastCapability = int.TryParse(Text("/proc/sys/kernel/cap_last_cap"), NumberStyles.None, CultureInfo.InvariantCulture, out var last) ? last : 37,
            BoundingSet = ReadBoundingSet(),
            Processors = Environment.ProcessorCount,
            Memory = ReadMemory(),
            Hostname = Text("/proc/sys/kernel/hostname") ?? Environment.MachineName,
            OperatingSystem = release.GetValueOrDefault("PRETTY_NAME") ?? "Linux",
            OperatingSystemVersion = release.GetValueOrDefault("VERSION_ID") ?? "",
            OnlineCpus = ParseList(Text("/sys/devices/system/cpu/online")),
            OnlineMemories = ParseList(Text("/sys/devices/system/node/online")),
            HasBlkioWeightDevice = File.Exists("/sys/fs/cgroup/blkio/blkio.weight_device"),
            HasRealtimeCpu = File.Exists("/sys/fs/cgroup/cpu/cpu.rt_runtime_us"),
            HasSeccomp = File.Exists("/proc/sys/kernel/seccomp/actions_avail"),
            HasAppArmor = Text("/sys/module/apparmor/parameters/enabled") == "Y",
        };
    }

    /// <summary>Whether the kernel is at least <c>4.8</c> or the like.</summary>
    public bool KernelIsAtLeast(string version)
    {
        var wanted = Numbers(version);
        var actual = Numbers(Kernel);
        return actual.Major != wanted.Major ? actual.Major > wanted.Major : actual.Minor >= wanted.Minor;
    }

    /// <summary>The kernel's form of a set of numbers: <c>0-3,7</c>.</summary>
    public static string ListOf(IReadOnlySet<int> numbers)
    {
        var parts = new List<string>();
        var sorted = numbers.Order().ToList();
        for (var i = 0; i < sorted.Count;)
        {
            var end = i;
            while (end + 1 < sorted.Count && sorted[end + 1] == sorted[end] + 1)
            {
                end++;
            }

            parts.Add(string.Create(CultureInfo.InvariantCulture, $"{sorted[i]}{(end > i ? $"-{sorted[end]}" : "")}"));
            i = end + 1;
        }

        return string.Join(',', parts);
    }

    private static HashSet<int> ParseList(string? text)
    {
        var numbers = new HashSet<int>();
        foreach (var part in (text ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            var ends = part.Split('-');
            if (int.TryParse(ends[0], out var first) && int.TryParse(ends[^1], out var last))
            {
                numbers.UnionWith(Enumerable.Range(first, last - first + 1));
            }
        }

        return numbers;
    }

    private static ulong ReadBoundingSet()
    {
        const string Field = "CapBnd:";
        var line = File.ReadLines("/proc/self/status").FirstOrDefault(l => l.StartsWith(Field, StringComparison.Ordinal));
        return ulong.TryParse((line ?? Field)[Field.Length..].Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var set)
            ? set : ulong.MaxValue;
    }

    private static (int Major, int Minor) Numbers(string version)
    {
        var parts = version.Split('.', 3);
        static int Number(string part) =>
            int.TryParse(new string([.. part.TakeWhile(char.IsAsciiDigit)]), NumberStyles.None, CultureInfo.InvariantCulture, out var n) ? n : 0;
        return (Number(parts[0]), parts.Length > 1 ? Number(parts[1]) : 0);
    }

    private static long ReadMemory()
    {
        foreach (var line in File.ReadLines("/proc/meminfo"))
        {
            if (line.StartsWith("MemTotal:", StringComparison.Ordinal))
            {
                return long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024;
            }
        }

        return 0;
    }

    private static Dictionary<string, string> ReadOsRelease()
    {
        var values = new Dictionary<string, string>();
        foreach (var path in (ReadOnlySpan<string>)["/etc/os-release", "/usr/lib/os-release"])
        {
            if (!File.Exists(path))
            {
                continue;
            }

            foreach (var line in File.ReadLines(path, Encoding.UTF8))
            {
                var equals = line.IndexOf('=');
                if (equals > 0)
                {
                    values[line[..equals]] = line[(equals + 1)..].Trim('"', '\'');
                }
            }

            break;
        }

        return values;
    }

    private static string? Text(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (IOException)
        {
            return null;
        }
    }
}
