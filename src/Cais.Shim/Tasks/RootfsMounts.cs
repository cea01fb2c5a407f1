using Cais.Linux;
using Cais.Runtime;

namespace Cais.Shim.Tasks;

/// <summary>Mounts a container's root filesystem in the bundle, for runtimes that expect it there.</summary>
internal static class RootfsMounts
{
    private static readonly Dictionary<string, (MountFlags Set, MountFlags Clear)> Flags = new()
    {
        ["ro"] = (MountFlags.ReadOnly, 0),
        ["rw"] = (0, MountFlags.ReadOnly),
        ["nosuid"] = (MountFlags.NoSuid, 0),
        ["suid"] = (0, MountFlags.NoSuid),
        ["nodev"] = (MountFlags.NoDev, 0),
        ["dev"] = (0, MountFlags.NoDev),
        ["noexec"] = (MountFlags.NoExec, 0),
        ["exec"] = (0, MountFlags.NoExec),
        ["sync"] = (MountFlags.Synchronous, 0),
        ["async"] = (0, MountFlags.Synchronous),
        ["dirsync"] = (MountFlags.DirectorySync, 0),
        ["noatime"] = (MountFlags.NoAccessTime, 0),
        ["atime"] = (0, MountFlags.NoAccessTime),
        ["nodiratime"] = (MountFlags.NoDirectoryAccessTime, 0),
        ["relatime"] = (MountFlags.RelativeAccessTime, 0),
        ["strictatime"] = (MountFlags.StrictAccessTime, 0),
        ["bind"] = (MountFlags.Bind, 0),
        ["rbind"] = (MountFlags.Bind | MountFlags.Recursive, 0),
    };

    /// <summary>Mounts all, in order; on failure none is left.</summary>
    public static void Mount(IReadOnlyList<RootfsMount> mounts, string target)
    {
        Directory.CreateDirectory(target);
        try
        {
            foreach (var mount in mounts)
            {
                Mount(mount, mount.Target.Length == 0 ? target : Path.Join(target, mount.Target));
            }
        }
        catch
        {
            Unmount(target);
            throw;
        }
    }

    /// <summary>Removes whatever is mounted at <paramref name="target"/>, however often; a busy one goes when its last user does.</summary>
    public static void Unmount(string target)
    {
        // Unmount says false when nothing is mounted there (any more).
        for (var i = 0; i < 64 && IsMountPoint(target); i++)
        {
            if (!Mounts.Unmount(target, lazy: true))
            {
                return;
            }
        }
    }

    private static bool IsMountPoint(string target)
    {
        var full = Path.GetFullPath(target);
        try
        {
            return File.ReadLines("/proc/self/mountinfo").Any(line => line.Split(' ') is { Length: > 4 } words && words[4] == full);
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static void Mount(RootfsMount mount, string target)
    {
        var flags = MountFlags.None;
        var data = new List<string>();
        foreach (var option in mount.Options)
        {
            if (Flags.TryGetValue(option, out var change))
            {
                flags = (flags | change.Set) & ~change.Clear;
            }
            else
            {
                data.Add(option);
            }
        }

        if (mount.Type == "overlay")
        {
            MountOverlay(data, target, flags);
        }
        else if (flags.HasFlag(MountFlags.Bind))
        {
            Mounts.Mount(mount.Source, target, null, flags & (MountFlags.Bind | MountFlags.Recursive));
            var rest = flags & ~(MountFlags.Bind | MountFlags.Recursive);
            if (rest != 0)
            {
                Mounts.Mount(null, target, null, MountFlags.Remount | MountFlags.Bind | rest);
            }
        }
        else
        {
            Mounts.Mount(mount.Source, target, mount.Type, flags, string.Join(',', data));
        }
    }

    /// <summary>By fsconfig, layer by layer: mount(2) takes one page of options, which some forty layers fill.</summary>
    private static void MountOverlay(List<string> data, string target, MountFlags flags)
    {
        var options = new List<KeyValuePair<string, string?>>();
        foreach (var option in data.Where(o => !IdMap.IsMountOption(o)))
        {
            var (key, value) = option.IndexOf('=', StringComparison.Ordinal) is var equals and > 0
                ? (option[..equals], option[(equals + 1)..]) : (option, (string?)null);
            if (key == "lowerdir" && value is not null)
            {
                options.AddRange(SplitLayers(value).Select(layer => new KeyValuePair<string, string?>("lowerdir+", layer)));
            }
            else
            {
                options.Add(new(key, value));
            }
        }

        var attributes = (flags.HasFlag(MountFlags.ReadOnly) ? MountAttributes.ReadOnly : 0)
            | (flags.HasFlag(MountFlags.NoSuid) ? MountAttributes.NoSuid : 0)
            | (flags.HasFlag(MountFlags.NoDev) ? MountAttributes.NoDev : 0)
            | (flags.HasFlag(MountFlags.NoExec) ? MountAttributes.NoExec : 0);
        using var overlay = IdMap.OfMountOptions(data) is { } map ? CreateMapped(options, attributes, map) : Mounts.Create("overlay", options, attributes);
        Mounts.Attach(overlay, target);
    }

    /// <summary>For a container in a user namespace, whose files have on disk the ids that they have in there.</summary>
    private static FileDescriptor CreateMapped(List<KeyValuePair<string, string?>> options, MountAttributes attributes, IdMap map)
    {
        using var ids = MappedIds.Create(map);
        return Mounts.CreateMappedOverlay(
            [.. options.Where(o => o.Key == "lowerdir+").Select(o => o.Value!)],
            options.Find(o => o.Key == "upperdir").Value,
            options.Find(o => o.Key == "workdir").Value,
            [.. options.Where(o => o.Key is not ("lowerdir+" or "upperdir" or "workdir"))],
            attributes,
            ids);
    }

    /// <summary>Paths separated by colons; a colon within one is written <c>\:</c>.</summary>
    internal static IEnumerable<string> SplitLayers(string value)
    {
        var layer = new System.Text.StringBuilder();
        for (var i = 0; i < value.Length; i++)
        {
            if (value[i] == '\\' && i + 1 < value.Length)
            {
                layer.Append(value[++i]);
            }
            else if (value[i] == ':')
            {
                yield return layer.ToString();
                layer.Clear();
            }
            else
            {
                layer.Append(value[i]);
            }
        }

        yield return layer.ToString();
    }
}
