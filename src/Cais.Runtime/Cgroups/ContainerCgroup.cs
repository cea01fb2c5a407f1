using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;

namespace Cais.Runtime.Cgroups;

/// <summary>A container's cgroup: one directory on v2, one in each hierarchy on v1.</summary>
internal abstract class ContainerCgroup
{
    /// <summary>Absolute directories, for the state file.</summary>
    public abstract IReadOnlyList<string> Paths { get; }

    /// <summary>Makes the directories and sets what every container has. Existing directories are taken over.</summary>
    public abstract void Create();

    /// <summary>Writes limits; null leaves all as they are.</summary>
    public abstract void Apply(LinuxResources? resources, bool update);

    /// <summary>Lets a user make cgroups below this one. Only v2 can do that safely.</summary>
    public virtual void Delegate(uint uid)
    {
    }

    /// <summary>Descriptors through which a process enters; the caller closes them.</summary>
    public abstract CgroupEntrance OpenEntrance(string? below = null);

    public abstract CgroupMountSource MountSource { get; }

    public abstract void SetFrozen(bool frozen);

    public abstract bool IsFrozen { get; }

    /// <summary>Signals every process in it, none escaping by forking.</summary>
    public abstract void SignalAll(int signal);

    public abstract IReadOnlyList<int> Pids();

    public abstract ContainerStats Stats();

    public abstract OomWatch? WatchOom();

    /// <summary>Removes the directories, with what the container made inside them.</summary>
    public abstract void Delete();

    /// <summary>The container's cgroup as the configuration names it.</summary>
    public static ContainerCgroup For(CgroupLayout layout, string? cgroupsPath, string id)
    {
        if (cgroupsPath is not null && PathEscapes(cgroupsPath))
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"cgroupsPath \"{cgroupsPath}\" must not contain ..");
        }

        return layout.IsUnified
            ? new CgroupV2(layout.Hierarchies[0], Directory(layout.Hierarchies[0], cgroupsPath, id))
            : new CgroupV1(layout, hierarchy => Directory(hierarchy, cgroupsPath, id));
    }

    /// <summary>As a state file has it.</summary>
    public static ContainerCgroup Restore(IReadOnlyList<string> paths)
    {
        var layout = CgroupLayout.Detect();
        return paths.Count == 0 ? new NoCgroup(layout.IsUnified)
            : layout.IsUnified ? new CgroupV2(layout.Hierarchies[0], paths[0])
            : new CgroupV1(layout, hierarchy => Below(paths, hierarchy.MountPoint));
    }

    private static string Below(IReadOnlyList<string> paths, string mountPoint)
    {
        foreach (var path in paths)
        {
            if (path.StartsWith(mountPoint, StringComparison.Ordinal) && path.Length > mountPoint.Length && path[mountPoint.Length] == '/')
            {
                return path;
            }
        }

        return "";
    }

    private static bool PathEscapes(string path)
    {
        foreach (var part in path.Split('/'))
        {
            if (part == "..")
            {
                return true;
            }
        }

        return false;
    }

    private static string Directory(CgroupHierarchy hierarchy, string? cgroupsPath, string id)
    {
        var relative = string.IsNullOrEmpty(cgroupsPath) ? id : cgroupsPath;

        // On v2 beside this process's own cgroup, not below it: one that has processes cannot hand down its controllers.
        var own = hierarchy.IsUnified ? Path.GetDirectoryName(hierarchy.OwnPath) ?? "" : hierarchy.OwnPath;
        var path = relative.StartsWith('/') ? relative : $"{own.TrimEnd('/')}/{relative}";
        return hierarchy.MountPoint + PlanContext.Clean(path);
    }

    protected static void Write(string directory, string file, string value) =>
        Files.WriteValue($"{directory}/{file}", Encoding.UTF8.GetBytes(value));

    protected static bool TryWrite(string directory, string file, string value)
    {
        try
        {
            Write(directory, file, value);
            return true;
        }
        catch (LinuxException)
        {
            return false;
        }
    }

    protected static string Read(string directory, string file) =>
        Encoding.UTF8.GetString(Files.ReadAll($"{directory}/{file}")).TrimEnd('\n');

    protected static string? TryRead(string directory, string file)
    {
        try
        {
            return Read(directory, file);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.EOPNOTSUPP or Errno.ENODEV)
        {
            return null;
        }
    }

    protected static ulong ReadNumber(string directory, string file) =>
        ulong.TryParse(TryRead(directory, file), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : 0;

    protected static string Text(long value) => value.ToString(CultureInfo.InvariantCulture);

    protected static string Text(ulong value) => value.ToString(CultureInfo.InvariantCulture);

    /// <summary>A process that enters a frozen cgroup never comes to its program; whoever waits for it waits for ever.</summary>
    protected void RefuseFrozen(string path)
    {
        if (IsFrozen)
        {
            throw new RuntimeException(RuntimeError.Failed, $"cgroup {path} is frozen: a container cannot start in it");
        }
    }

    /// <summary>The limit counts reservations where the kernel can, and pages in use.</summary>
    protected static void WriteHugePages(string path, IReadOnlyList<HugepageLimit> limits, string used, string reserved)
    {
        foreach (var huge in limits)
        {
            if (huge.PageSize.Contains('/', StringComparison.Ordinal) || !Files.Exists($"{path}/hugetlb.{huge.PageSize}.{used}"))
            {
                throw new RuntimeException(
                    RuntimeError.InvalidConfig,
                    $"cannot limit huge pages of {huge.PageSize}: {path} has no hugetlb.{huge.PageSize}.{used} (is the page size right, and the controller enabled?)");
            }

            Write(path, $"hugetlb.{huge.PageSize}.{used}", Text(huge.Limit));
            if (Files.Exists($"{path}/hugetlb.{huge.PageSize}.{reserved}"))
            {
                Write(path, $"hugetlb.{huge.PageSize}.{reserved}", Text(huge.Limit));
            }
        }
    }

    /// <summary>Makes a directory and those above it; <paramref name="made"/> sees each new one, from the top down. False where it was there.</summary>
    protected static bool MakeDirectories(string path, string top, Action<string>? made)
    {
        try
        {
            if (Files.MakeDirectory(path, 0x1ed))
            {
                made?.Invoke(path);
                return true;
            }

            return false;
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT && path.Length > top.Length)
        {
            MakeDirectories(Path.GetDirectoryName(path)!, top, made);
            if (Files.MakeDirectory(path, 0x1ed))
            {
                made?.Invoke(path);
            }

            return true;
        }
    }

    protected static void AddPids(List<int> pids, string directory)
    {
        string text;
        try
        {
            text = Read(directory, "cgroup.procs");
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENODEV)
        {
            return;
        }

        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (int.TryParse(line, NumberStyles.None, CultureInfo.InvariantCulture, out var pid) && pid > 0)
            {
                pids.Add(pid);
            }
        }

        foreach (var below in Subdirectories(directory))
        {
            AddPids(pids, below);
        }
    }

    protected static IReadOnlyList<string> Subdirectories(string directory)
    {
        try
        {
            return System.IO.Directory.GetDirectories(directory);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    /// <summary>Removes a cgroup and those below. Processes that are still dying make it busy for a moment.</summary>
    protected static void Remove(string directory)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                Files.RemoveDirectory(directory);
                return;
            }
            catch (LinuxException e) when (e.Errno is Errno.EBUSY or Errno.ENOTEMPTY && attempt < 200)
            {
                foreach (var below in Subdirectories(directory))
                {
                    Remove(below);
                }

                if (attempt > 0)
                {
                    Thread.Sleep(Math.Min(attempt, 10));
                }
            }
        }
    }
}

/// <summary>Open descriptors through which a new process enters a container's cgroups.</summary>
internal sealed class CgroupEntrance : IDisposable
{
    private readonly List<FileDescriptor> _open = [];

    /// <summary>v1: <c>tasks</c> files to write 0 to.</summary>
    public List<(string Path, int Fd)> Tasks { get; } = [];

    /// <summary>v2: directory for CLONE_INTO_CGROUP; -1 for none.</summary>
    public int Directory { get; private set; } = -1;

    public void AddTasks(string path)
    {
        var file = Files.Open($"{path}/tasks", OpenFlags.WriteOnly);
        _open.Add(file);
        Tasks.Add((path, file.Number));
    }

    public void SetDirectory(string path)
    {
        var directory = Files.Open(path, OpenFlags.ReadOnly | OpenFlags.Directory);
        _open.Add(directory);
        Directory = directory.Number;
    }

    public void Dispose()
    {
        foreach (var file in _open)
        {
            file.Dispose();
        }
    }
}
