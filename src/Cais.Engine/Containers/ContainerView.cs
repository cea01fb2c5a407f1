using System.Globalization;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Containers;

/// <summary>
/// A container's files as its processes see them or would see them, mounts included. Of a running container it is its own root, in its own mount namespace; of one
/// that does not run, its layers and mounts put together in a namespace that nobody else sees and that ends with this object, or with this process.
/// </summary>
internal sealed class ContainerView : IDisposable
{
    private const ResolveFlags Inside = ResolveFlags.InRoot | ResolveFlags.NoMagicLinks;

    private readonly FileDescriptor _root;
    private readonly FileDescriptor? _namespace;
    private readonly Action? _release;

    private ContainerView(FileDescriptor root, FileDescriptor? space = null, Action? release = null)
    {
        _root = root;
        _namespace = space;
        _release = release;
    }

    /// <summary>A path to the root that works in this process. Everything below it is the container's, and hostile.</summary>
    public string Root => _root.ProcPath;

    /// <summary>The root of a running container; null when it ended before it could be opened.</summary>
    public static ContainerView? OfRunning(Container container)
    {
        var task = container.Task;
        if (task is null || container.Status is not { HasProcess: true, Pid: > 0 and var pid })
        {
            return null;
        }

        var root = Files.TryOpen(string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/root"), OpenFlags.Path | OpenFlags.Directory);
        if (root is null)
        {
            return null;
        }

        // The number may have become another process's while it was being opened. As long as the task is not put away, it has not.
        if (container.Task == task && !task.Finished.IsCompleted && container.Status.Pid == pid && Files.Exists($"/proc/{pid}/ns/mnt"))
        {
            return new ContainerView(root);
        }

        root.Dispose();
        return null;
    }

    /// <summary>
    /// The file system of a container that does not run. To write to it, its gate must be held, since two overlays must not share a writable layer; to read it,
    /// what is missing for its mounts is made in memory and forgotten.
    /// </summary>
    /// <param name="services">For its volumes.</param>
    /// <param name="record">Which container.</param>
    /// <param name="rootfs">Its layers.</param>
    /// <param name="writable">Whether changes are to stay.</param>
    public static ContainerView OfStopped(EngineServices services, ContainerRecord record, RootfsMount rootfs, bool writable)
    {
        var mounted = new List<string>();
        void Release() => mounted.ForEach(name => services.Volumes.Unmount(name, record.Id));
        try
        {
            foreach (var mount in record.Mounts)
            {
                if (mount is { Type: "volume", Name: { } name })
                {
                    services.Volumes.Mount(name, record.Id);
                    mounted.Add(name);
                }
            }

            // Mounted where nothing is: the namespace is a copy of ours, in which its mounts have to find a place.
            var place = Path.Combine(services.Options.RunDirectory, "view");
            Directory.CreateDirectory(place);
            return Linux.Namespaces.RunInNewMountNamespace(() =>
            {
                MountRoot(rootfs, place, writable);
                var root = Files.Open(place, OpenFlags.Path | OpenFlags.Directory);
                try
                {
                    foreach (var (mount, number) in record.Mounts.Select((m, i) => (m, i)).OrderBy(m => m.m.Destination.Count(c => c == '/')))
                    {
                        if (mount is { Type: "image", Subpath: null or "" } && services.Images.Snapshots.Find(HostMounts.SnapshotOf(record.Id, number)) is { } image)
                        {
                            using var target = MakeTarget(root, mount.Destination, directory: true);
                            if (target is not null)
                            {
                                using var overlay = Mounts.CreateOverlay([image.UpperDir, .. image.ImageDirs], null, null, MountAttributes.ReadOnly);
                                Mounts.Attach(overlay, target);
                            }
                        }
                        else
                        {
                            Mount(root, mount);
                        }
                    }

                    return new ContainerView(root, Files.Open("/proc/thread-self/ns/mnt", OpenFlags.ReadOnly), Release);
                }
                catch
                {
                    root.Dispose();
                    throw;
                }
            });
        }
        catch
        {
            Release();
            throw;
        }
    }

    public void Dispose()
    {
        _root.Dispose();
        _namespace?.Dispose();
        _release?.Invoke();
    }

    private static void MountRoot(RootfsMount rootfs, string place, bool writable)
    {
        if (writable)
        {
            Mounts.MountOverlay(rootfs.LowerDirs, rootfs.UpperDir, rootfs.WorkDir, place);
            return;
        }

        Mounts.Mount("tmpfs", place, "tmpfs", MountFlags.None, "mode=700");
        var upper = Path.Combine(place, "upper");
        var work = Path.Combine(place, "work");
        Directory.CreateDirectory(upper);
        Directory.CreateDirectory(work);
        if (EntryStatus.Of(rootfs.UpperDir) is { } own)
        {
            // Overlay shows its upper directory's owner, mode and time as the root's.
            PathAttributes.ChangeOwner(upper, own.Uid, own.Gid);
            PathAttributes.ChangeMode(upper, own.Permissions);
            PathAttributes.ChangeTimes(upper, own.Modified);
        }

        Mounts.MountOverlay([rootfs.UpperDir, .. rootfs.LowerDirs], upper, work, place);
    }

    private static void Mount(FileDescriptor root, MountRecord mount)
    {
        if (mount.Type is not ("bind" or "volume") || Files.TryOpen(mount.Source, OpenFlags.Path) is not { } whole)
        {
            return;
        }

        using var opened = whole;
        using var source = mount.Subpath is { Length: > 0 } subpath ? Files.OpenAt2(whole, subpath, OpenFlags.Path, Inside) : Files.Open(mount.Source, OpenFlags.Path);
        using var target = MakeTarget(root, mount.Destination, EntryStatus.Of(source).Kind == FileKind.Directory);
        if (target is null)
        {
            return;
        }

        Mounts.Bind(source, target, recursive: !mount.NonRecursive, mount.ReadOnly ? MountAttributes.ReadOnly : 0);
    }

    /// <summary>The place of a mount, made where it is missing; null where something of another kind is in the way.</summary>
    private static FileDescriptor? MakeTarget(FileDescriptor root, string path, bool directory)
    {
        FileDescriptor? Try(string where, int flags, uint mode = 0)
        {
            try
            {
                return Files.OpenAt2(root, where, flags, Inside, mode);
            }
            catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.EEXIST or Errno.EISDIR or Errno.ELOOP)
            {
                return null;
            }
        }

        if (Try(path, OpenFlags.Path) is { } there)
        {
            return there;
        }

        var parts = path.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 1; i <= parts.Length; i++)
        {
            var part = string.Join('/', parts.Take(i));
            using var known = Try(part, OpenFlags.Path);
            if (known is not null)
            {
                continue;
            }

            using var parent = i == 1 ? Try(".", OpenFlags.Path | OpenFlags.Directory) : Try(string.Join('/', parts.Take(i - 1)), OpenFlags.Path | OpenFlags.Directory);
            if (parent is null)
            {
                return null;
            }

            if (i < parts.Length || directory)
            {
                Files.MakeDirectory(Path.Combine(parent.ProcPath, parts[i - 1]), 0b111_101_101);
            }
            else
            {
                Files.OpenAt(parent, parts[i - 1], OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoFollow, 0b110_100_100).Dispose();
            }
        }

        return Try(path, OpenFlags.Path);
    }
}
