using System.Globalization;

namespace Cais.Engine.Containers;

/// <summary>What the engine reads of containers' cgroups beside what the shim tells.</summary>
internal static class CgroupFiles
{
    /// <summary>Removes the directory of the engine's containers from every hierarchy where it is empty.</summary>
    public static void RemoveParent(string parent)
    {
        foreach (var line in File.ReadLines("/proc/self/mounts"))
        {
            if (line.Split(' ') is [_, var mount, "cgroup" or "cgroup2", ..])
            {
                try
                {
                    // rmdir(2), which of a cgroup takes only the directory and refuses while somebody is in it.
                    Linux.Files.RemoveDirectory(Path.Combine(mount, parent.Trim('/')));
                }
                catch (Linux.LinuxException)
                {
                    // Somebody is in it, or it is not ours to remove.
                }
            }
        }
    }

    /// <summary>Ends what is left of a container whose shim is gone, and removes its cgroups, with those that it made in them.</summary>
    public static async Task Clear(EngineServices services, ContainerRecord container)
    {
        var path = PathOf(services, container);
        foreach (var line in File.ReadLines("/proc/self/mounts"))
        {
            if (line.Split(' ') is [_, var mount, "cgroup" or "cgroup2", ..] && Path.Combine(mount, path) is var top && Directory.Exists(top))
            {
                // Killed processes take a moment to be gone; one that the kernel cannot end keeps its cgroup.
                for (var patience = 100; patience > 0 && !Remove(top); patience--)
                {
                    await Task.Delay(TimeSpan.FromMilliseconds(5), services.Time).ConfigureAwait(false);
                }
            }
        }
    }

    private static bool Remove(string top)
    {
        string[] all = [.. Directory.EnumerateDirectories(top, "*", SearchOption.AllDirectories).OrderByDescending(d => d.Length), top];
        foreach (var directory in all)
        {
            try
            {
                foreach (var pid in File.ReadLines(Path.Combine(directory, "cgroup.procs")))
                {
                    // 0 stands for a process of another pid namespace; to kill(2) it would be this process's own group.
                    if (int.Parse(pid, CultureInfo.InvariantCulture) is > 0 and var number)
                    {
                        Linux.Signals.Send(number, Linux.Signals.Kill);
                    }
                }

                Linux.Files.RemoveDirectory(directory);
            }
            catch (Exception e) when (e is Linux.LinuxException or IOException)
            {
                return !Directory.Exists(top);
            }
        }

        return true;
    }

    private static string PathOf(EngineServices services, ContainerRecord container)
    {
        var parent = string.IsNullOrEmpty(container.HostConfig.CgroupParent) ? services.Options.CgroupParent : container.HostConfig.CgroupParent;
        return $"{Specs.SpecGenerator.CleanParent(parent).TrimStart('/')}/{container.Id}";
    }

    /// <summary>Whether the kernel has killed a process of the container for want of memory.</summary>
    public static bool WasOutOfMemory(EngineServices services, ContainerRecord container)
    {
        var path = PathOf(services, container);
        var file = services.Host.CgroupVersion == 2 ? $"/sys/fs/cgroup/{path}/memory.events" : $"/sys/fs/cgroup/memory/{path}/memory.oom_control";
        try
        {
            foreach (var line in File.ReadLines(file))
            {
                if (line.StartsWith("oom_kill ", StringComparison.Ordinal))
                {
                    return long.TryParse(line.AsSpan("oom_kill ".Length), NumberStyles.None, CultureInfo.InvariantCulture, out var count) && count > 0;
                }
            }
        }
        catch (IOException)
        {
            // The cgroup is gone, or the controller is not there.
        }

        return false;
    }
}
