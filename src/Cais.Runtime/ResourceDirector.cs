using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>
/// A container's class of service and monitoring group in resctrl, the kernel's interface to Intel RDT (config-linux.md, <c>intelRdt</c>;
/// Documentation/filesystems/resctrl.rst of the kernel).
/// </summary>
internal sealed class ResourceDirector
{
    /// <summary>A class's name that means the class of all that have none: the top of resctrl.</summary>
    private const string DefaultClass = "/";

    private readonly List<string> _made = [];
    private readonly List<string> _own = [];
    private readonly List<string> _groups = [];

    private ResourceDirector()
    {
    }

    /// <summary>Directories that go with the container: its monitoring group, and its class where that has no name of its own. The group comes first.</summary>
    public IReadOnlyList<string> Own => _own;

    /// <summary>Directories whose <c>tasks</c> the container's processes enter.</summary>
    public IReadOnlyList<string> Groups => _groups;

    /// <summary>Null where the configuration does not ask for it: then resctrl is not touched.</summary>
    public static ResourceDirector? Prepare(IntelRdt? wanted, string id) => wanted is null ? null : Prepare(wanted, id, MountPoint());

    internal static ResourceDirector Prepare(IntelRdt wanted, string id, string? mountPoint)
    {
        if (mountPoint is null)
        {
            throw Invalid("intelRdt is asked for, but no resctrl filesystem is mounted: this needs a CPU with Intel RDT (or AMD QoS) and \"mount -t resctrl resctrl /sys/fs/resctrl\"");
        }

        var result = new ResourceDirector();
        try
        {
            result.EnterClass(wanted, id, mountPoint);
            return result;
        }
        catch
        {
            result.Undo();
            throw;
        }
    }

    public static void Validate(IntelRdt? wanted)
    {
        if (wanted?.ClosId is { } name and not DefaultClass && (name is "" or "." or ".." or "info" or "mon_groups" or "mon_data" || name.Contains('/', StringComparison.Ordinal)))
        {
            throw Invalid($"intelRdt.closID \"{name}\" is no name for a class of service");
        }

        if (wanted?.MemBwSchema is { Length: > 0 } bandwidth
            && (!bandwidth.StartsWith("MB:", StringComparison.Ordinal) || bandwidth.Contains('\n', StringComparison.Ordinal)))
        {
            throw Invalid("intelRdt.memBwSchema must be one line that begins with MB:");
        }

        foreach (var line in wanted?.Schemata ?? [])
        {
            if (line.Contains('\n', StringComparison.Ordinal))
            {
                throw Invalid("intelRdt.schemata: each entry is one line");
            }
        }
    }

    private void EnterClass(IntelRdt wanted, string id, string mountPoint)
    {
        var schemata = Schemata(wanted);
        var directory = wanted.ClosId == DefaultClass ? mountPoint : $"{mountPoint}/{wanted.ClosId ?? id}";
        var made = wanted.ClosId != DefaultClass && (wanted.ClosId is null || schemata.Count > 0) && Files.MakeDirectory(directory, 0x1ed);
        if (made)
        {
            _made.Add(directory);
            if (wanted.ClosId is null)
            {
                _own.Add(directory);
            }

            foreach (var line in schemata)
            {
                Files.WriteValue($"{directory}/schemata", Encoding.ASCII.GetBytes(line + "\n"));
            }
        }
        else if (!Files.Exists(directory))
        {
            throw Invalid($"intelRdt.closID {wanted.ClosId}: there is no such class of service below {mountPoint}, and no schema to make it with");
        }
        else if (schemata.Count > 0)
        {
            Compare(schemata, directory);
        }

        _groups.Add(directory);
        if (wanted.EnableMonitoring == true)
        {
            // The container's id is its name, so one that is there already is what a runtime that died left behind.
            var group = $"{directory}/mon_groups/{id}";
            Files.MakeDirectory(group, 0x1ed);
            _made.Insert(0, group);
            _own.Insert(0, group);
            _groups.Add(group);
        }
    }

    /// <summary>One line a resource, in the order in which they are to be written: an MB line of its own takes the place of one among the L3 lines.</summary>
    internal static List<string> Schemata(IntelRdt wanted)
    {
        var lines = new List<string>();
        foreach (var line in (wanted.L3CacheSchema ?? "").Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (string.IsNullOrEmpty(wanted.MemBwSchema) || !line.StartsWith("MB:", StringComparison.Ordinal))
            {
                lines.Add(line);
            }
        }

        if (!string.IsNullOrEmpty(wanted.MemBwSchema))
        {
            lines.Add(wanted.MemBwSchema);
        }

        lines.AddRange(wanted.Schemata ?? []);
        return lines;
    }

    /// <summary>A class that others use already must be what this container wants; changing it would change theirs.</summary>
    private static void Compare(List<string> wanted, string directory)
    {
        var there = new List<string>();
        foreach (var line in Encoding.ASCII.GetString(Files.ReadAll($"{directory}/schemata")).Split('\n'))
        {
            there.AddRange(Pairs(line));
        }

        foreach (var line in wanted)
        {
            foreach (var pair in Pairs(line))
            {
                if (!there.Contains(pair))
                {
                    throw Invalid($"intelRdt: the class of service {directory} exists already, with another schema than \"{line}\"");
                }
            }
        }
    }

    /// <summary><c>L3:0=7f0;1=1f</c> is <c>L3:0=7f0</c> and <c>L3:1=1f</c>; leading zeros say nothing.</summary>
    private static IEnumerable<string> Pairs(string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        foreach (var part in colon < 0 ? [] : line[(colon + 1)..].Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (part.Split('=') is [var domain, var value])
            {
                yield return $"{line[..colon].Trim()}:{domain.Trim()}={value.Trim().TrimStart('0')}";
            }
        }
    }

    public static void Enter(IReadOnlyList<string> groups, int pid)
    {
        foreach (var group in groups)
        {
            Files.WriteValue($"{group}/tasks", Encoding.ASCII.GetBytes(pid.ToString(CultureInfo.InvariantCulture)));
        }
    }

    public static void Remove(IReadOnlyList<string> made)
    {
        foreach (var directory in made)
        {
            Files.RemoveDirectory(directory);
        }
    }

    /// <summary>After a creation that failed: as if it had not been tried.</summary>
    public void Undo() => Remove(_made);

    private static string? MountPoint()
    {
        foreach (var line in Encoding.UTF8.GetString(Files.ReadAll("/proc/self/mountinfo")).Split('\n'))
        {
            if (line.Contains(" - resctrl ", StringComparison.Ordinal))
            {
                return line.Split(' ')[4];
            }
        }

        return null;
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
