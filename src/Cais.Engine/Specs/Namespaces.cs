using System.Globalization;
using Cais.Engine.Containers;
using Cais.Oci.Runtime;

namespace Cais.Engine.Specs;

/// <summary>Which namespaces a container has to itself, and whose it shares.</summary>
internal static class Namespaces
{
    public static IReadOnlyList<LinuxNamespace> Of(ContainerRecord container, SpecOptions options)
    {
        var host = container.HostConfig;
        var list = new List<LinuxNamespace> { new() { Type = "mount" } };
        if (options.Ids is not null)
        {
            list.Add(new() { Type = "user", Path = options.UserNamespace });
        }

        if (host.NetworkMode != "host")
        {
            list.Add(new() { Type = "network", Path = options.NetworkNamespace });
        }

        if (host.UTSMode != "host")
        {
            list.Add(new() { Type = "uts" });
        }

        Add(list, "pid", "pid", host.PidMode, options);
        Add(list, "ipc", "ipc", host.IpcMode, options);
        if (host.CgroupnsMode == "private")
        {
            list.Add(new() { Type = "cgroup" });
        }

        return list;
    }

    /// <summary>Whether a mode means another's namespace or the host's.</summary>
    public static bool IsShared(string? mode) => mode is not null && (mode == "host" || mode.StartsWith("container:", StringComparison.Ordinal));

    /// <summary>The name in <c>container:name</c>, or null.</summary>
    public static string? ContainerOf(string? mode) => mode?.StartsWith("container:", StringComparison.Ordinal) == true ? mode["container:".Length..] : null;

    /// <summary>The process whose namespaces are shared.</summary>
    /// <exception cref="EngineException">It does not exist, or is not running.</exception>
    public static int PidOf(string name, string type, Func<string, Container> find)
    {
        var other = find(name);
        return other.Status is { HasProcess: true, Pid: > 0 and var pid }
            ? pid
            : throw EngineException.Conflict(type == "network"
                ? $"cannot join network namespace of a non running container: container {other.Name} is {other.Status.Name}"
                : $"failed to join {type.ToUpperInvariant()} namespace: container {other.Id} is not running");
    }

    private static void Add(List<LinuxNamespace> list, string type, string file, string? mode, SpecOptions options)
    {
        if (mode == "host")
        {
            return;
        }

        list.Add(ContainerOf(mode) is { } other
            ? new() { Type = type, Path = string.Create(CultureInfo.InvariantCulture, $"/proc/{PidOf(other, type, options.Find)}/ns/{file}") }
            : new() { Type = type });
    }
}
