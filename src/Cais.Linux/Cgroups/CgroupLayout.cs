using System.Text;

namespace Cais.Linux;

/// <summary>One mounted cgroup hierarchy.</summary>
/// <param name="MountPoint">Absolute.</param>
/// <param name="Controllers">v1: <c>cpu</c>, <c>cpuacct</c>, or <c>name=systemd</c>. v2: none, they are per directory.</param>
/// <param name="OwnPath">This process's cgroup, from the mount's root: <c>/</c> or <c>/a/b</c>.</param>
/// <param name="IsUnified">cgroup v2.</param>
public sealed record CgroupHierarchy(string MountPoint, IReadOnlyList<string> Controllers, string OwnPath, bool IsUnified)
{
    /// <summary>Last part of the mount point, <c>cpu,cpuacct</c>.</summary>
    public string Name => Path.GetFileName(MountPoint);

    public bool Has(string controller)
    {
        foreach (var own in Controllers)
        {
            if (own == controller)
            {
                return true;
            }
        }

        return false;
    }
}

/// <summary>How cgroups are mounted here: all of v2, or v1 hierarchies (perhaps with a v2 one beside them).</summary>
public sealed class CgroupLayout
{
    private const long Cgroup2Magic = 0x63677270;
    private const string Top = "/sys/fs/cgroup";

    private CgroupLayout(IReadOnlyList<CgroupHierarchy> hierarchies, bool isUnified)
    {
        Hierarchies = hierarchies;
        IsUnified = isUnified;
    }

    public IReadOnlyList<CgroupHierarchy> Hierarchies { get; }

    /// <summary>v2 alone.</summary>
    public bool IsUnified { get; }

    /// <summary>The v1 hierarchy of a controller, or null.</summary>
    public CgroupHierarchy? Find(string controller)
    {
        foreach (var hierarchy in Hierarchies)
        {
            if (hierarchy.Has(controller))
            {
                return hierarchy;
            }
        }

        return null;
    }

    public static CgroupLayout Detect()
    {
        var own = Encoding.UTF8.GetString(Files.ReadAll("/proc/self/cgroup"));
        return Files.FilesystemType(Top) == Cgroup2Magic
            ? new CgroupLayout([new CgroupHierarchy(Top, [], OwnPath(own, null), true)], true)
            : Parse(Encoding.UTF8.GetString(Files.ReadAll("/proc/self/mountinfo")), own);
    }

    /// <summary>From the texts of /proc/self/mountinfo and /proc/self/cgroup.</summary>
    internal static CgroupLayout Parse(string mountInfo, string own)
    {
        var hierarchies = new List<CgroupHierarchy>(14);
        foreach (var line in mountInfo.AsSpan().EnumerateLines())
        {
            var dash = line.IndexOf(" - cgroup", StringComparison.Ordinal);
            if (dash < 0)
            {
                continue;
            }

            // id parent major:minor root mountpoint options [tags] - type source superoptions
            var rest = line[(dash + 3)..];
            var isUnified = rest.StartsWith("cgroup2 ", StringComparison.Ordinal);
            if (!isUnified && !rest.StartsWith("cgroup ", StringComparison.Ordinal))
            {
                continue;
            }

            var root = Field(line, 3);
            var mountPoint = Unescape(Field(line, 4));
            List<string> controllers = isUnified ? [] : Controllers(Field(rest, 2));
            if (!Contains(hierarchies, controllers, isUnified))
            {
                var path = OwnPath(own, isUnified ? null : controllers[0]);
                var prefix = root.ToString();
                path = prefix != "/" && path.StartsWith(prefix, StringComparison.Ordinal) ? path[prefix.Length..] : path;
                hierarchies.Add(new CgroupHierarchy(mountPoint, controllers, path.Length == 0 ? "/" : path, isUnified));
            }
        }

        return new CgroupLayout(hierarchies, hierarchies.Count == 1 && hierarchies[0].IsUnified);
    }

    /// <summary>The same hierarchy may be mounted at several places: the first counts.</summary>
    private static bool Contains(List<CgroupHierarchy> hierarchies, List<string> controllers, bool isUnified)
    {
        foreach (var hierarchy in hierarchies)
        {
            if (isUnified ? hierarchy.IsUnified : hierarchy.Has(controllers[0]))
            {
                return true;
            }
        }

        return false;
    }

    private static List<string> Controllers(ReadOnlySpan<char> superOptions)
    {
        var controllers = new List<string>(2);
        foreach (var range in superOptions.Split(','))
        {
            var option = superOptions[range];
            if (option is not ("rw" or "ro" or "xattr" or "clone_children" or "noprefix" or "favordynmods" or "cpuset_v2_mode")
                && !option.StartsWith("release_agent=", StringComparison.Ordinal))
            {
                controllers.Add(option.ToString());
            }
        }

        return controllers.Count > 0 ? controllers : ["none"];
    }

    /// <summary>Line of /proc/self/cgroup: <c>5:cpu,cpuacct:/path</c>, for v2 <c>0::/path</c>.</summary>
    private static string OwnPath(string text, string? controller)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            var first = line.IndexOf(':');
            var second = first < 0 ? -1 : line[(first + 1)..].IndexOf(':') + first + 1;
            if (second <= first)
            {
                continue;
            }

            var list = line[(first + 1)..second];
            if (controller is null)
            {
                if (list.IsEmpty)
                {
                    return line[(second + 1)..].ToString();
                }

                continue;
            }

            foreach (var range in list.Split(','))
            {
                if (list[range].Equals(controller, StringComparison.Ordinal))
                {
                    return line[(second + 1)..].ToString();
                }
            }
        }

        return "/";
    }

    private static ReadOnlySpan<char> Field(ReadOnlySpan<char> line, int index)
    {
        for (; index > 0; index--)
        {
            line = line[(line.IndexOf(' ') + 1)..];
        }

        var end = line.IndexOf(' ');
        return end < 0 ? line : line[..end];
    }

    private static string Unescape(ReadOnlySpan<char> text)
    {
        if (!text.Contains('\\'))
        {
            return text.ToString();
        }

        var plain = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\' && i + 3 < text.Length)
            {
                plain.Append((char)(((text[i + 1] - '0') << 6) | ((text[i + 2] - '0') << 3) | (text[i + 3] - '0')));
                i += 3;
            }
            else
            {
                plain.Append(text[i]);
            }
        }

        return plain.ToString();
    }
}
