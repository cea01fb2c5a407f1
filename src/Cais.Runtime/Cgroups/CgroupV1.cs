using Cais.Linux;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>cgroup v1: each controller a hierarchy of its own, and perhaps a v2 hierarchy beside them. See Documentation/admin-guide/cgroup-v1.</summary>
internal sealed partial class CgroupV1 : ContainerCgroup
{
    private readonly List<(CgroupHierarchy Hierarchy, string Path)> _directories = [];

    public CgroupV1(CgroupLayout layout, Func<CgroupHierarchy, string> directory)
    {
        foreach (var hierarchy in layout.Hierarchies)
        {
            if (directory(hierarchy) is { Length: > 0 } path)
            {
                _directories.Add((hierarchy, path));
            }
        }
    }

    public override IReadOnlyList<string> Paths
    {
        get
        {
            var paths = new string[_directories.Count];
            for (var i = 0; i < paths.Length; i++)
            {
                paths[i] = _directories[i].Path;
            }

            return paths;
        }
    }

    public override CgroupMountSource MountSource
    {
        get
        {
            var mounts = new List<CgroupHierarchyMount>();
            foreach (var (hierarchy, path) in _directories)
            {
                mounts.Add(new CgroupHierarchyMount(hierarchy.Name, Option(hierarchy), path));
            }

            return new CgroupMountSource(false, mounts, null);
        }
    }

    public override bool IsFrozen =>
        Find("freezer") is { } path && TryRead(path, "freezer.state") is { } state && state.StartsWith("FR", StringComparison.Ordinal);

    private static string Option(CgroupHierarchy hierarchy)
    {
        var text = string.Join(',', hierarchy.Controllers);
        return text.StartsWith("name=", StringComparison.Ordinal) ? "none," + text : text;
    }

    public override void Create()
    {
        foreach (var (hierarchy, path) in _directories)
        {
            var made = MakeDirectories(path, hierarchy.MountPoint, hierarchy.Has("cpuset") ? InheritCpuset : null);
            if (!made && hierarchy.Has("freezer"))
            {
                RefuseFrozen(path);
            }
        }
    }

    public override CgroupEntrance OpenEntrance(string? below = null)
    {
        var entrance = new CgroupEntrance();
        foreach (var (hierarchy, path) in _directories)
        {
            var directory = below is null ? path : path + PlanContext.Clean(below);
            if (hierarchy.IsUnified)
            {
                entrance.SetDirectory(directory);
            }
            else
            {
                entrance.AddTasks(directory);
            }
        }

        return entrance;
    }

    /// <summary>The v2 hierarchy beside those of v1.</summary>
    private (CgroupHierarchy Hierarchy, string Path)? Unified()
    {
        foreach (var directory in _directories)
        {
            if (directory.Hierarchy.IsUnified)
            {
                return directory;
            }
        }

        return null;
    }

    public override void SetFrozen(bool frozen)
    {
        var path = Need("freezer", "freezer.state");
        var wanted = frozen ? "FROZEN" : "THAWED";
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            // Tasks that fork while the state spreads keep it at FREEZING; writing again continues.
            Write(path, "freezer.state", wanted);
            if (Read(path, "freezer.state") == wanted)
            {
                return;
            }

            Thread.Sleep(Math.Min(attempt, 10));
        }

        if (frozen)
        {
            TryWrite(path, "freezer.state", "THAWED");
        }

        throw new RuntimeException(RuntimeError.Failed, $"{path} does not become {wanted}");
    }

    public override void SignalAll(int signal)
    {
        // Of nothing nothing is born: freezing makes the kernel rewrite its own code, which every processor waits for.
        if (Pids().Count == 0)
        {
            return;
        }

        var freezer = Find("freezer");
        var froze = freezer is not null && !IsFrozen && TryWrite(freezer, "freezer.state", "FROZEN");
        foreach (var pid in Pids())
        {
            Signals.Send(pid, signal);
        }

        if (freezer is not null && (froze || signal == Signals.Kill))
        {
            TryWrite(freezer, "freezer.state", "THAWED");
        }
    }

    public override IReadOnlyList<int> Pids()
    {
        var pids = new List<int>();
        var path = Find("pids") ?? Find("devices") ?? Find("freezer") ?? (_directories.Count > 0 ? _directories[0].Path : null);
        if (path is not null)
        {
            AddPids(pids, path);
        }

        return pids;
    }

    public override ContainerStats Stats()
    {
        var memory = Find("memory");
        var pids = Find("pids");
        return new ContainerStats
        {
            Cpu = CgroupV1Stats.Cpu(Find("cpuacct"), Find("cpu"), TryRead),
            Memory = memory is null ? new MemoryStats() : CgroupV1Stats.Memory(memory, TryRead, ReadNumber),
            Pids = pids is null ? new PidsStats()
                : new PidsStats { Current = ReadNumber(pids, "pids.current"), Limit = ReadNumber(pids, "pids.max") },
            BlockIo = Find("blkio") is { } blkio ? CgroupV1Stats.BlockIo(blkio, TryRead) : new BlockIoStats(),
        };
    }

    public override OomWatch? WatchOom() => Find("memory") is { } path ? OomWatch.ForV1(path) : null;

    public override void Delete()
    {
        foreach (var (_, path) in _directories)
        {
            Remove(path);
        }
    }

    /// <summary>A new cpuset has no CPUs and no memory nodes; a process could not enter it.</summary>
    private static void InheritCpuset(string path)
    {
        var parent = Path.GetDirectoryName(path)!;
        foreach (var file in new[] { "cpuset.cpus", "cpuset.mems" })
        {
            var inherited = Read(parent, file);
            if (inherited.Length == 0)
            {
                // Another process may have made the parent this very moment and not filled it yet. The hierarchy's root is never empty.
                InheritCpuset(parent);
                inherited = Read(parent, file);
            }

            Write(path, file, inherited);
        }
    }

    private string? Find(string controller)
    {
        foreach (var (hierarchy, path) in _directories)
        {
            if (hierarchy.Has(controller))
            {
                return path;
            }
        }

        return null;
    }

    private string Need(string controller, string file) => Find(controller) ?? throw new RuntimeException(
        RuntimeError.Failed, $"cannot set {file}: the cgroup controller {controller} is not mounted");

    private void Set(string controller, string file, string? value)
    {
        if (value is not null)
        {
            Write(Need(controller, file), file, value);
        }
    }
}
