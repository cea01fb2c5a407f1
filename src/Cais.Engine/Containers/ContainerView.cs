using System.Globalization;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Containers;

/// <summary>
/// A container's files as its processes see them or would see them, mounts included. Of a running container it is its own root, in its own mount namespace; of one
/// that does not run, its layers and mounts put together in a namespace that nobody else sees and that ends with this object, or with this process.
/// </summary>
internal sealed class ContainerView : IAsyncDisposable
{
    private const ResolveFlags Inside = ResolveFlags.InRoot | ResolveFlags.NoMagicLinks;

    private readonly FileDescriptor _root;
    private readonly FileDescriptor? _namespace;
    private readonly Func<Task>? _release;

    private ContainerView(FileDescriptor root, IdMap? ids, FileDescriptor? space = null, Func<Task>? release = null)
    {
        _root = root;
        Ids = ids;
        _namespace = space;
        _release = release;
    }

    /// <summary>A path to the root that works in this process. Everything below it is the container's, and hostile.</summary>
    public string Root => _root.ProcPath;

    /// <summary>Of the container's user namespace: the files' owners here are what these make of their owners in there. Null for the host's.</summary>
    public IdMap? Ids { get; }

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

        var ids = IdMap.OfProcess(pid);

        // The number may have become another process's while it was being opened. As long as the task is not put away, it has not.
        if (container.Task == task && !task.Finished.IsCompleted && container.Status.Pid == pid && Files.Exists($"/proc/{pid}/ns/mnt"))
        {
            return new ContainerView(root, ids);
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
    public static async Task<ContainerView> OfStopped(EngineServices services, ContainerRecord record, RootfsMount rootfs, bool writable)
    {
        // A name of its own: the container may be started, and use the same volumes, while they are looked at.
        var user = $"{record.Id}-view-{RandomId.New()}";
        var mounted = new List<string>();
        var ids = UserSpaces.IdsOf(record.HostConfig, services);
        async Task Release()
        {
            foreach (var name in mounted)
            {
                await services.Volumes.UnmountFor(name, user).ConfigureAwait(false);
            }
        }

        try
        {
            var mounts = new List<MountRecord>(record.Mounts.Count);
            foreach (var mount in record.Mounts)
            {
                if (mount is { Type: "volume", Name: { } name })
                {
                    var (path, isNew) = await services.Volumes.MountFor(name, user, CancellationToken.None).ConfigureAwait(false);
                    mounts.Add(mount with { Source = path });
                    if (isNew)
                    {
                        mounted.Add(name);
                    }
                }
                else
                {
                    mounts.Add(mount);
                }
            }

            // Mounted where nothing is: the namespace is a copy of ours, in which its mounts have to find a place.
            var place = Path.Combine(services.Options.RunDirectory, "view");
            Directory.CreateDirectory(place);
            ContainerView PutTogether()
            {
                MountRoot(rootfs, place, writable, ids);
                var root = Files.Open(place, OpenFlags.Path | OpenFlags.Directory);
                try
                {
                    foreach (var (mount, number) in mounts.Select((m, i) => (m, i)).OrderBy(m => m.m.Destination.Count(c => c == '/')))
                    {
                        if (mount is { Type: "image", Subpath: null or "" } && services.Images.Snapshots.Find(HostMounts.SnapshotOf(record.Id, number)) is { } image)
                        {
                            using var target = MakeTarget(root, mount.Destination, directory: true);
                            if (target is not null)
                            {
                                using var overlay = Mounts.CreateOverlay([image.UpperDir, .. image.ImageDirs], null, null, MountAttributes.ReadOnly, ids);
                                Mounts.Attach(overlay, target);
                            }
                        }
                        else
                        {
                            Mount(root, mount, HostMounts.IsMapped(mount, services.Volumes) ? ids : null);
                        }
                    }

                    return new ContainerView(root, ids?.Map, Files.Open("/proc/thread-self/ns/mnt", OpenFlags.ReadOnly), Release);
                }
                catch
                {
                    root.Dispose();
                    throw;
                }
            }

            return await Task.Run(() => Linux.Namespaces.RunInNewMountNamespace(() => ids is null ? PutTogether() : ids.AsRoot(PutTogether))).ConfigureAwait(false);
        }
        catch
        {
            await Release().ConfigureAwait(false);
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        _root.Dispose();
        _namespace?.Dispose();
        if (_release is not null)
        {
            await _release().ConfigureAwait(false);
        }
    }

    private static void MountRoot(RootfsMount rootfs, string place, bool writable, MappedIds? ids)
    {
        if (writable)
        {
            Mounts.MountOverlay(rootfs.LowerDirs, rootfs.UpperDir, rootfs.WorkDir, place, ids: ids);
            return;
        }

        Mounts.Mount("tmpfs", place, "tmpfs", MountFlags.None, "mode=700,uid=0,gid=0");
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

        if (ids is not null)
        {
            // It is seen through the same map as the layers.
            PathAttributes.ChangeOwner(work, 0, 0);
        }

        Mounts.MountOverlay([rootfs.UpperDir, .. rootfs.LowerDirs], upper, work, place, ids: ids);
    }

    private static void Mount(FileDescriptor root, MountRecord mount, MappedIds? ids)
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

        Mounts.Bind(source, target, recursive: !mount.NonRecursive, mount.ReadOnly ? MountAttributes.ReadOnly : 0, ids);
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
