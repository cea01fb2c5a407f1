using Cais.Linux;

namespace Cais.Engine.Volumes;

/// <summary>Volumes of the local driver that are a mount of something else: <c>--opt type=nfs --opt device=… --opt o=…</c>.</summary>
internal static class VolumeMount
{
    private static readonly (string Name, MountFlags Flag)[] Flags =
    [
        ("ro", MountFlags.ReadOnly), ("nosuid", MountFlags.NoSuid), ("nodev", MountFlags.NoDev), ("noexec", MountFlags.NoExec),
        ("sync", MountFlags.Synchronous), ("dirsync", MountFlags.DirectorySync), ("noatime", MountFlags.NoAccessTime),
        ("nodiratime", MountFlags.NoDirectoryAccessTime), ("bind", MountFlags.Bind), ("rbind", MountFlags.Bind | MountFlags.Recursive),
        ("relatime", MountFlags.RelativeAccessTime), ("strictatime", MountFlags.StrictAccessTime),
    ];

    /// <summary>Throws what docker says of options that are not the local driver's or lack a part.</summary>
    public static void Check(string name, IReadOnlyDictionary<string, string>? options)
    {
        if (options is not { Count: > 0 })
        {
            return;
        }

        foreach (var option in options.Keys)
        {
            if (option is not ("type" or "device" or "o" or "size"))
            {
                throw EngineException.InvalidParameter($"create {name}: invalid option: \"{option}\"");
            }
        }

        if (options.ContainsKey("size") && options.Count == 1)
        {
            throw EngineException.System("quota size requested but no quota support");
        }

        if (!options.ContainsKey("device"))
        {
            throw EngineException.InvalidParameter($"create {name}: missing required option: \"device\"");
        }

        if (!options.ContainsKey("type") && !(options.TryGetValue("o", out var o) && o.Split(',').Any(f => f is "bind" or "rbind")))
        {
            throw EngineException.InvalidParameter($"create {name}: missing required option: \"type\"");
        }
    }

    public static void Mount(VolumeRecord volume)
    {
        if (volume.Options is not { } options || !options.TryGetValue("device", out var device))
        {
            return;
        }

        var flags = MountFlags.None;
        var data = new List<string>();
        foreach (var word in (options.GetValueOrDefault("o") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            if (Array.Find(Flags, f => f.Name == word) is { Name: not null } known)
            {
                flags |= known.Flag;
            }
            else
            {
                data.Add(word);
            }
        }

        try
        {
            Mounts.Mount(device, volume.Path, options.GetValueOrDefault("type"), flags, data.Count > 0 ? string.Join(',', data) : null);
        }
        catch (LinuxException e)
        {
            throw EngineException.System(
                $"failed to mount local volume: mount {device}:{volume.Path}, flags: 0x{(ulong)flags:x}, data: {string.Join(',', data)}: {e.Errno.Describe()}", e);
        }
    }

    public static void Unmount(VolumeRecord volume)
    {
        if (volume.Options?.ContainsKey("device") == true)
        {
            Mounts.Unmount(volume.Path, lazy: true);
        }
    }
}
