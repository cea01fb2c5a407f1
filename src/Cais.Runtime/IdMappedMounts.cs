using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Launch;

namespace Cais.Runtime;

/// <summary>
/// Mounts that the child in its user namespace could not make: bind mounts whose files appear under other ids (config.md, <c>idmap</c> and
/// <c>ridmap</c>), root filesystems of layers with mapped ids, and bind mounts of what only the caller may reach. Made before the fork, by whoever
/// has the right over the filesystem; the child only puts them in their places.
/// </summary>
internal sealed class IdMappedMounts : IDisposable
{
    private readonly List<FileDescriptor> _open = [];
    private readonly Dictionary<string, FileDescriptor> _namespaces = [];

    /// <summary>Descriptor of the detached mount by index in the configuration.</summary>
    public Dictionary<int, int> Mounts { get; } = [];

    /// <summary>The same for what the root filesystem is made of.</summary>
    public Dictionary<int, int> Roots { get; } = [];

    public static IdMappedMounts Prepare(Spec spec, string bundle, IReadOnlyList<RootfsMount> rootfs)
    {
        var result = new IdMappedMounts();
        try
        {
            for (var i = 0; i < rootfs.Count; i++)
            {
                if (IdMap.OfMountOptions(rootfs[i].Options) is { } map)
                {
                    result.AddRoot(i, spec, rootfs[i], map);
                }
            }

            // Whoever is root in a user namespace is somebody here who need not be able to reach what root binds for it.
            var reaches = !UserNamespaces.Has(spec) || UserIds.Effective != 0;
            for (var i = 0; i < (spec.Mounts?.Count ?? 0); i++)
            {
                var options = MountOptions.Parse(spec.Mounts![i].Options);
                if (Wanted(spec.Mounts[i], options))
                {
                    result.Add(i, spec, spec.Mounts[i], options, bundle);
                }
                else if (!reaches && (options.IsBind || spec.Mounts[i].Type == "bind"))
                {
                    result.AddPlain(i, spec.Mounts[i], options, bundle);
                }
            }

            return result;
        }
        catch
        {
            result.Dispose();
            throw;
        }
    }

    internal static bool Wanted(Mount mount, MountOptions options) =>
        options.IdMap || mount.UidMappings is { Count: > 0 } || mount.GidMappings is { Count: > 0 };

    /// <summary>Refuses what cannot be mapped, before anything is made.</summary>
    public static void Validate(Spec spec, Mount mount, MountOptions options)
    {
        if (!Wanted(mount, options))
        {
            return;
        }

        var own = mount.UidMappings is { Count: > 0 };
        if (own != mount.GidMappings is { Count: > 0 })
        {
            throw Invalid($"mount on {mount.Destination}: uidMappings and gidMappings must be given together");
        }

        if (!options.IsBind && mount.Type != "bind")
        {
            throw Invalid($"mount on {mount.Destination}: only bind mounts can be id-mapped");
        }

        if (!own && !UserNamespaces.Has(spec))
        {
            throw Invalid($"mount on {mount.Destination}: idmap needs uidMappings and gidMappings, or a user namespace whose mappings are meant");
        }
    }

    private void Add(int index, Spec spec, Mount mount, MountOptions options, string bundle)
    {
        var source = MountSteps.Source(mount, bundle);
        var tree = Cais.Linux.Mounts.Clone(source, options.IsRecursive);
        _open.Add(tree);
        Cais.Linux.Mounts.SetIdMapping(tree, Namespace(spec, mount), options.IdMapRecursive, source);
        Mounts[index] = tree.Number;
    }

    private void AddPlain(int index, Mount mount, MountOptions options, string bundle)
    {
        var source = MountSteps.Source(mount, bundle);
        var tree = Cais.Linux.Mounts.Clone(source, options.IsRecursive);
        _open.Add(tree);
        if (options.Propagation.Count == 0)
        {
            // As it would be in the child, whose copy of all mounts only hears from the host.
            Cais.Linux.Mounts.SetPropagation(tree, MountFlags.Slave, source);
        }

        Mounts[index] = tree.Number;
    }

    private void AddRoot(int index, Spec spec, RootfsMount mount, IdMap map)
    {
        if (mount.Type != "overlay" || index != 0 || mount.Target.Length > 0)
        {
            throw Invalid($"root filesystem of type {mount.Type}: uidmap and gidmap are options of an overlay that is the whole of it");
        }

        // Kept open as the others are, so not this one's to close.
        var ids = new MappedIds(map, UserNamespaces.PathOf(spec) is { } path
            ? Known(path, () => Files.Open(path, OpenFlags.ReadOnly))
            : Known(IdMap.Text(map.Users) + '/' + IdMap.Text(map.Groups), () => UserNamespace.Create(map)));
        var options = RootfsSteps.OverlayOptions(mount.Options).ToList();
        var (set, _) = MountOptions.Parse(mount.Options).Attributes();
        var overlay = Cais.Linux.Mounts.CreateMappedOverlay(
            [.. options.Where(o => o.Key == "lowerdir+").Select(o => o.Value!)],
            options.FirstOrDefault(o => o.Key == "upperdir").Value,
            options.FirstOrDefault(o => o.Key == "workdir").Value,
            [.. options.Where(o => o.Key is not ("lowerdir+" or "upperdir" or "workdir")).Select(o => KeyValuePair.Create(o.Key, o.Value))],
            set,
            ids);
        _open.Add(overlay);
        Roots[index] = overlay.Number;
    }

    /// <summary>A user namespace with the mount's own mappings, or those of the container.</summary>
    private FileDescriptor Namespace(Spec spec, Mount mount)
    {
        if (mount.UidMappings is not { Count: > 0 } && UserNamespaces.PathOf(spec) is { } path)
        {
            return Known(path, () => Files.Open(path, OpenFlags.ReadOnly));
        }

        var uids = mount.UidMappings is { Count: > 0 } ? mount.UidMappings : spec.Linux?.UidMappings ?? [];
        var gids = mount.GidMappings is { Count: > 0 } ? mount.GidMappings : spec.Linux?.GidMappings ?? [];
        return Known(UserNamespaces.Text(uids) + '/' + UserNamespaces.Text(gids), () => Make(uids, gids));
    }

    private FileDescriptor Known(string key, Func<FileDescriptor> open)
    {
        if (!_namespaces.TryGetValue(key, out var space))
        {
            _namespaces[key] = space = open();
            _open.Add(space);
        }

        return space;
    }

    /// <summary>A namespace lives as long as something holds it: a process makes it, and ends as soon as its descriptor is open here.</summary>
    private static FileDescriptor Make(IReadOnlyList<IdMapping> uids, IReadOnlyList<IdMapping> gids)
    {
        FileDescriptor? space = null;
        var (parent, child) = MessageSocket.Pair();
        using (parent)
        {
            using var plan = new LaunchPlan();
            var context = new PlanContext(plan, new LaunchInputs
            {
                Spec = new Spec(),
                Id = "",
                Bundle = "/",
                RootPath = "/",
                ReportFd = child.Number,
                ParentFd = parent.Number,
            });
            ForkSteps.BeginChild(context, ForkSteps.Fork(context, NamespaceKind.User));
            context.Synchronize(ReportKind.MapIds, new Note("wait for the mappings"));
            context.B.Call(new Note("end"), SystemCall.ExitGroup, 0);
            var (_, pidFd) = Launcher.Run(plan, parent, child, new LaunchEvents
            {
                MapIds = pid =>
                {
                    UserNamespaces.WriteMappings(pid, uids, gids);
                    space = Files.Open($"/proc/{pid}/ns/user", OpenFlags.ReadOnly);
                },
            });
            using (pidFd)
            {
                Pidfd.Reap(pidFd);
            }
        }

        return space ?? throw new RuntimeException(RuntimeError.Failed, "the user namespace for an id-mapped mount could not be made");
    }

    public void Dispose()
    {
        foreach (var file in _open)
        {
            file.Dispose();
        }
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
