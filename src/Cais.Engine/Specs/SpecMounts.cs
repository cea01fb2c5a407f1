using System.Globalization;
using Cais.Engine.Containers;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>A container's mounts in the order to make them: the system's, the engine's files, the user's.</summary>
internal static class SpecMounts
{
    public static IReadOnlyList<Mount> Of(ContainerRecord container, SpecOptions options, SecurityOptions security)
    {
        var host = container.HostConfig;
        var privileged = host.Privileged == true;
        var mounts = new List<Mount>
        {
            new() { Destination = "/proc", Type = "proc", Source = "proc", Options = ["nosuid", "noexec", "nodev"] },
            new() { Destination = "/dev", Type = "tmpfs", Source = "tmpfs", Options = ["nosuid", "strictatime", "mode=755", "size=65536k"] },
            new()
            {
                Destination = "/dev/pts",
                Type = "devpts",
                Source = "devpts",
                Options = ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"],
            },
            new() { Destination = "/sys", Type = "sysfs", Source = "sysfs", Options = ["nosuid", "noexec", "nodev", privileged ? "rw" : "ro"] },
            new()
            {
                Destination = "/sys/fs/cgroup",
                Type = "cgroup",
                Source = "cgroup",
                Options = ["nosuid", "noexec", "nodev", privileged || security.WritableCgroups ? "rw" : "ro"],
            },
            new() { Destination = "/dev/mqueue", Type = "mqueue", Source = "mqueue", Options = ["nosuid", "noexec", "nodev"] },
        };
        if (options.Ids is not null)
        {
            ReplaceTheHosts(mounts, host);
        }

        AddSharedMemory(mounts, container, options);

        var user = UserMounts(container, options).ToList();
        var taken = user.Select(m => m.Destination).ToHashSet();

        // What a user mounts over replaces what the engine would put there.
        mounts.RemoveAll(m => taken.Contains(m.Destination) && m.Destination is not "/proc");
        if (taken.Contains("/dev"))
        {
            mounts.RemoveAll(m => m.Destination.StartsWith("/dev/", StringComparison.Ordinal));
        }

        // Part of the root as the program sees it, and as read-only as that.
        IReadOnlyList<string> access = container.HostConfig.ReadonlyRootfs == true ? ["rbind", "rprivate", "ro"] : ["rbind", "rprivate"];
        foreach (var (name, destination) in (ReadOnlySpan<(string, string)>)[("resolv.conf", "/etc/resolv.conf"), ("hostname", "/etc/hostname"), ("hosts", "/etc/hosts")])
        {
            if (!taken.Contains(destination))
            {
                mounts.Add(new() { Destination = destination, Type = "bind", Source = Path.Combine(options.Directory, name), Options = access });
            }
        }

        if (options.InitPath is { } init)
        {
            mounts.Add(new() { Destination = SpecGenerator.InitDestination, Type = "bind", Source = init, Options = ["bind", "ro"] });
        }

        mounts.AddRange(user);
        return mounts;
    }

    /// <summary>What belongs to a namespace of the host's, a user namespace's root cannot mount; but it can have what the host has mounted.</summary>
    private static void ReplaceTheHosts(List<Mount> mounts, Cais.Api.HostConfig host)
    {
        if (host.NetworkMode == "host")
        {
            var at = mounts.FindIndex(m => m.Type == "sysfs");
            mounts[at] = mounts[at] with { Type = "bind", Source = "/sys", Options = ["rbind", "rprivate", "nosuid", "noexec", "nodev", "ro"] };
        }

        if (host.IpcMode == "host")
        {
            mounts.RemoveAll(m => m.Type == "mqueue");
            if (Directory.Exists("/dev/mqueue"))
            {
                mounts.Add(new() { Destination = "/dev/mqueue", Type = "bind", Source = "/dev/mqueue", Options = ["rbind", "rprivate", "nosuid", "noexec", "nodev"] });
            }
        }
    }

    private static void AddSharedMemory(List<Mount> mounts, ContainerRecord container, SpecOptions options)
    {
        var size = container.HostConfig.ShmSize is > 0 and var asked ? asked : options.ShmSize;
        switch (container.HostConfig.IpcMode)
        {
            case "none":
                break;
            case "host":
                mounts.Add(new() { Destination = "/dev/shm", Type = "bind", Source = "/dev/shm", Options = ["rbind", "rprivate"] });
                break;
            default:
                mounts.Add(options.SharedMemoryPath is { } shared
                    ? new() { Destination = "/dev/shm", Type = "bind", Source = shared, Options = ["rbind", "rprivate"] }
                    : new()
                    {
                        Destination = "/dev/shm",
                        Type = "tmpfs",
                        Source = "shm",
                        Options = ["nosuid", "noexec", "nodev", "mode=1777", string.Create(CultureInfo.InvariantCulture, $"size={size}")],
                    });
                break;
        }
    }

    /// <summary>Parents before what is below them.</summary>
    private static IEnumerable<Mount> UserMounts(ContainerRecord container, SpecOptions options)
    {
        foreach (var mount in container.Mounts.OrderBy(m => m.Destination.Count(c => c == '/')).ThenBy(m => m.Destination, StringComparer.Ordinal))
        {
            if (mount.Type == "tmpfs")
            {
                yield return new Mount
                {
                    Destination = mount.Destination,
                    Type = "tmpfs",
                    Source = "tmpfs",
                    Options = ["noexec", "nosuid", "nodev", .. mount.TmpfsOptions],
                };
                continue;
            }

            var words = new List<string> { mount.NonRecursive ? "bind" : "rbind" };
            if (mount.ReadOnly)
            {
                words.Add(mount.NonRecursive || mount.ReadOnlyNonRecursive || mount.Type != "bind" ? "ro" : "rro");
            }

            words.Add(mount.Propagation.Length > 0 ? mount.Propagation : "rprivate");
            yield return new Mount { Destination = mount.Destination, Type = "bind", Source = options.Sources.GetValueOrDefault(mount.Destination, mount.Source), Options = words };
        }
    }
}
