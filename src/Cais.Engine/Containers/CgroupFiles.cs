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

    /// <summary>Whether the kernel has killed a process of the container for want of memory.</summary>
    public static bool WasOutOfMemory(EngineServices services, ContainerRecord container)
    {
        var parent = string.IsNullOrEmpty(container.HostConfig.CgroupParent) ? services.Options.CgroupParent : container.HostConfig.CgroupParent;
        var path = $"{parent.Trim('/')}/{container.Id}";
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
