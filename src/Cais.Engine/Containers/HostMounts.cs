using System.Globalization;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Containers;

/// <summary>
/// The few mounts that a running container needs on the host's side: what its own namespace cannot make, because it is shared with another container or has to be
/// resolved safely first. They are in the run directory, one directory for each container, and end with its run.
/// </summary>
internal sealed class HostMounts(EngineServices services)
{
    private const string SharedMemory = "shm";

    private string Top => Path.Combine(services.Options.RunDirectory, "mounts");

    /// <summary>Makes what the container needs. What to bind instead of a mount's own source, by destination.</summary>
    /// <param name="record">The container, whose volumes are in place.</param>
    /// <param name="ids">Of its user namespace.</param>
    public IReadOnlyDictionary<string, string> Prepare(ContainerRecord record, MappedIds? ids)
    {
        var sources = new Dictionary<string, string>();
        if (record.Mounts.Count > 0 || record.HostConfig.IpcMode == "shareable")
        {
            Directory.CreateDirectory(Top, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }

        for (var i = 0; i < record.Mounts.Count; i++)
        {
            var mount = record.Mounts[i];
            var place = Path.Combine(Top, record.Id, i.ToString(CultureInfo.InvariantCulture));
            if (mount.Type == "image")
            {
                sources[mount.Destination] = MountImage(record, mount, i, place, ids);
            }
            else if (ids is not null && IsMapped(mount, services.Volumes))
            {
                sources[mount.Destination] = MountVolume(mount, place, ids);
            }
            else if (mount.Propagation.Length > 0)
            {
                CheckPropagation(mount);
            }
        }

        if (record.HostConfig.IpcMode == "shareable")
        {
            var place = Path.Combine(Top, record.Id, SharedMemory);
            Directory.CreateDirectory(place);
            Unmount(place);
            var size = record.HostConfig.ShmSize is > 0 and var asked ? asked : services.Options.DefaultShmSize;
            Mounts.Mount(
                "shm", place, "tmpfs", MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec, string.Create(CultureInfo.InvariantCulture, $"mode=1777,size={size},uid={ids?.Root.User ?? 0},gid={ids?.Root.Group ?? 0}"));
        }

        return sources;
    }

    /// <summary>Where the container's /dev/shm is when it shares one.</summary>
    /// <exception cref="EngineException">The other container does not share its own.</exception>
    public string? SharedMemoryOf(ContainerRecord record)
    {
        if (record.HostConfig.IpcMode == "shareable")
        {
            return Path.Combine(Top, record.Id, SharedMemory);
        }

        if (Specs.Namespaces.ContainerOf(record.HostConfig.IpcMode) is not { } name)
        {
            return null;
        }

        var other = services.Containers.Get(name);
        return other.Record.HostConfig.IpcMode switch
        {
            "shareable" => Path.Combine(Top, other.Id, SharedMemory),
            "host" => "/dev/shm",
            var mode when Specs.Namespaces.ContainerOf(mode) is not null => SharedMemoryOf(other.Record),
            _ => throw EngineException.InvalidParameter($"failed to join IPC namespace: container {other.Id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)"),
        };
    }

    /// <summary>Undoes <see cref="Prepare"/>. Safe to repeat.</summary>
    public void Release(string id)
    {
        var directory = Path.Combine(Top, id);
        if (!Directory.Exists(directory))
        {
            return;
        }

        foreach (var place in Directory.EnumerateFileSystemEntries(directory))
        {
            Unmount(place);
        }

        Trees.Delete(directory);
    }

    /// <summary>Undoes those of containers that do not run.</summary>
    public void ReleaseStrays(Func<string, bool> runs)
    {
        if (!Directory.Exists(Top))
        {
            return;
        }

        foreach (var id in Directory.EnumerateDirectories(Top).Select(d => Path.GetFileName(d)).Where(id => !runs(id)))
        {
            Release(id);
        }
    }

    /// <summary>Under which name the layers of an image that is mounted are held.</summary>
    public static string SnapshotOf(string container, int mount) => string.Create(CultureInfo.InvariantCulture, $"{container}-image-{mount}");

    /// <summary>
    /// Whether a mount's files have on disk the ids that they have in containers: those in volumes that are directories of our own. What the user has put somewhere, or a plugin,
    /// has the host's ids.
    /// </summary>
    public static bool IsMapped(MountRecord mount, Volumes.VolumeStore volumes) => mount is { Type: "volume", Name: { } name }
        && volumes.Find(name) is { Driver: "local" } volume && volume.Options?.Keys.Any(k => k is "type" or "device" or "o") != true;

    private static string MountVolume(MountRecord mount, string place, MappedIds ids)
    {
        using var source = Mounts.MappedClone(mount.Source, ids, recursive: !mount.NonRecursive);
        Unmount(place);
        if (Directory.Exists(mount.Source))
        {
            Directory.CreateDirectory(place);
        }
        else
        {
            Directory.CreateDirectory(Path.GetDirectoryName(place)!);
            File.WriteAllBytes(place, []);
        }

        Mounts.Attach(source, place);
        return place;
    }

    private string MountImage(ContainerRecord record, MountRecord mount, int number, string place, MappedIds? ids)
    {
        var rootfs = services.Images.Snapshots.Find(SnapshotOf(record.Id, number))
            ?? throw EngineException.System($"the layers of image {mount.Source} for {mount.Destination} are gone: remove the container and create it again");
        var whole = place + (mount.Subpath is { Length: > 0 } ? "-image" : "");
        Directory.CreateDirectory(whole);
        Unmount(whole);
        Mounts.MountOverlay([rootfs.UpperDir, .. rootfs.ImageDirs], null, null, whole, MountAttributes.ReadOnly, ids);
        if (mount.Subpath is { Length: > 0 } subpath)
        {
            BindBelow(whole, subpath, place, $"image {mount.Source}");
        }

        return place;
    }

    /// <summary>Binds a path below a directory, whose content is somebody else's: links in it do not lead out.</summary>
    private static void BindBelow(string directory, string subpath, string place, string what)
    {
        using var root = Files.Open(directory, OpenFlags.Path | OpenFlags.Directory);
        FileDescriptor found;
        try
        {
            found = Files.OpenAt2(root, subpath, OpenFlags.Path, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
        }
        catch (LinuxException e)
        {
            throw EngineException.InvalidParameter($"cannot access path {subpath} in {what}: {e.Errno.Describe()}");
        }

        using (found)
        {
            Unmount(place);
            if (EntryStatus.Of(found).Kind == FileKind.Directory)
            {
                Directory.CreateDirectory(place);
            }
            else
            {
                Directory.CreateDirectory(Path.GetDirectoryName(place)!);
                File.WriteAllBytes(place, []);
            }

            Mounts.Bind(found.ProcPath, place, recursive: true);
        }
    }

    /// <summary>Propagation needs a source whose own mount propagates; otherwise it would silently not happen.</summary>
    private static void CheckPropagation(MountRecord mount)
    {
        var mode = mount.Propagation.TrimStart('r');
        if (mode is not ("shared" or "slave"))
        {
            return;
        }

        var (point, optional) = MountOf(mount.Source);
        var shared = optional.Any(o => o.StartsWith("shared:", StringComparison.Ordinal));
        if (mode == "shared" && !shared)
        {
            throw EngineException.System($"path {mount.Source} is mounted on {point} but it is not a shared mount");
        }

        if (mode == "slave" && !shared && !optional.Any(o => o.StartsWith("master:", StringComparison.Ordinal)))
        {
            throw EngineException.System($"path {mount.Source} is mounted on {point} but it is not a shared or slave mount");
        }
    }

    /// <summary>The mount that a path is on, and its optional fields; proc_pid_mountinfo(5).</summary>
    private static (string Point, string[] Optional) MountOf(string path)
    {
        (string Point, string[] Optional) best = ("/", []);
        foreach (var line in File.ReadLines("/proc/self/mountinfo"))
        {
            var fields = line.Split(' ');
            var end = Array.IndexOf(fields, "-");
            var point = fields[4].Replace("\\040", " ", StringComparison.Ordinal);
            var covers = point == "/" || path == point || path.StartsWith(point + "/", StringComparison.Ordinal);
            if (covers && end >= 6 && point.Length >= best.Point.Length)
            {
                best = (point, fields[6..end]);
            }
        }

        return best;
    }

    private static void Unmount(string place)
    {
        // Several may be on top of one another after crashes.
        while (Path.Exists(place) && Mounts.Unmount(place, lazy: true))
        {
        }
    }
}
