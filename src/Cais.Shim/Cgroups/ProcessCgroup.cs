using System.Globalization;
using System.Text;

namespace Cais.Shim.Cgroups;

/// <summary>
/// The cgroup of a container's first process: its directories in the mounted hierarchies, v2's one or v1's one a controller. Found
/// through the kernel, so it is right whichever runtime made it.
/// </summary>
/// <param name="Unified">The directory in the v2 hierarchy, where that one has the memory controller; else null.</param>
/// <param name="Controllers">v1: directory by controller.</param>
internal sealed record ProcessCgroup(string? Unified, IReadOnlyDictionary<string, string> Controllers)
{
    /// <summary>Null where the process is gone or no hierarchy is mounted.</summary>
    public static ProcessCgroup? Of(int pid)
    {
        try
        {
            return Parse(File.ReadAllText($"/proc/{pid}/cgroup"), File.ReadAllText("/proc/self/mountinfo"));
        }
        catch (IOException)
        {
            return null;
        }
    }

    /// <summary>From the texts of /proc/PID/cgroup (see cgroups(7)) and mountinfo (see proc(5)).</summary>
    internal static ProcessCgroup? Parse(string cgroups, string mountInfo)
    {
        var mounts = CgroupMount.ReadAll(mountInfo);
        var controllers = new Dictionary<string, string>();
        string? unified = null;
        foreach (var line in cgroups.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split(':', 3) is not [_, var names, var path])
            {
                continue;
            }

            if (names.Length == 0)
            {
                unified = Locate(mounts, "cgroup2", "", path);
                continue;
            }

            foreach (var name in names.Split(','))
            {
                if (Locate(mounts, "cgroup", name, path) is { } directory)
                {
                    controllers[name] = directory;
                }
            }
        }

        // A hybrid machine has both; the controllers are where v1 has them.
        return controllers.ContainsKey("memory") || controllers.ContainsKey("cpu") ? new ProcessCgroup(null, controllers)
            : unified is not null ? new ProcessCgroup(unified, controllers)
            : null;
    }

    /// <summary>A v1 controller's directory.</summary>
    public string? this[string controller] => Controllers.GetValueOrDefault(controller);

    private static string? Locate(List<CgroupMount> mounts, string type, string controller, string path)
    {
        foreach (var mount in mounts)
        {
            if (mount.Type != type || (controller.Length > 0 && !mount.Controllers.Contains(controller)))
            {
                continue;
            }

            if (mount.Root == "/")
            {
                return path == "/" ? mount.Point : mount.Point + path;
            }

            if (path == mount.Root || path.StartsWith(mount.Root + "/", StringComparison.Ordinal))
            {
                return mount.Point + path[mount.Root.Length..];
            }
        }

        return null;
    }
}

/// <summary>A mounted hierarchy: what of it is mounted, where, and for v1 its controllers.</summary>
internal readonly record struct CgroupMount(string Type, string Root, string Point, string[] Controllers)
{
    /// <summary>From the text of mountinfo; other mounts, of which a host may have thousands, cost nothing.</summary>
    public static List<CgroupMount> ReadAll(ReadOnlySpan<char> mountInfo)
    {
        var mounts = new List<CgroupMount>();
        foreach (var line in mountInfo.EnumerateLines())
        {
            // 36 35 98:0 /root /mount/point options fields… - type source superoptions
            var separator = line.IndexOf(" - cgroup", StringComparison.Ordinal);
            if (separator < 0)
            {
                continue;
            }

            var front = line[..separator].ToString().Split(' ');
            var back = line[(separator + 3)..].ToString().Split(' ');
            if (front.Length >= 5 && back.Length >= 3)
            {
                mounts.Add(new CgroupMount(back[0], Unescape(front[3]), Unescape(front[4]), back[2].Split(',')));
            }
        }

        return mounts;
    }

    /// <summary>mountinfo writes space, tab, newline and backslash as octal.</summary>
    private static string Unescape(string text)
    {
        if (!text.Contains('\\', StringComparison.Ordinal))
        {
            return text;
        }

        var result = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length && text.AsSpan(i + 1, 3).IndexOfAnyExceptInRange('0', '7') < 0)
            {
                result.Append((char)(((text[i + 1] - '0') * 64) + ((text[i + 2] - '0') * 8) + (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                result.Append(text[i]);
            }
        }

        return result.ToString();
    }
}

/// <summary>Reading a cgroup's files; what is absent counts as zero, because controllers come and go with kernels.</summary>
internal static class CgroupFile
{
    public static ulong Number(string? directory, string file) => Parse(Text(directory, file));

    /// <summary>Lines of <c>key value</c>.</summary>
    public static Dictionary<string, ulong> Table(string? directory, string file)
    {
        var table = new Dictionary<string, ulong>();
        foreach (var line in Text(directory, file).Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            if (line.Split(' ', 2) is [var key, var value])
            {
                table[key] = Parse(value);
            }
        }

        return table;
    }

    public static string Text(string? directory, string file)
    {
        if (directory is null)
        {
            return "";
        }

        try
        {
            return File.ReadAllText(Path.Combine(directory, file));
        }
        catch (IOException)
        {
            return "";
        }
        catch (UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary><c>max</c> is no limit, the largest number.</summary>
    public static ulong Parse(ReadOnlySpan<char> text)
    {
        text = text.Trim();
        return text is "max" ? ulong.MaxValue
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;
    }
}
