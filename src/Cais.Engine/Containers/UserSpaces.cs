using System.Globalization;
using Cais.Api;
using Cais.Linux;
using Cais.Linux.Netlink;
using Cais.Networking;
using Namespaces = Cais.Engine.Specs.Namespaces;

namespace Cais.Engine.Containers;

/// <summary>
/// The user namespaces of containers under <c>userns-remap</c>. Each container has one of its own, which owns its network namespace and is found by it; who shares a namespace
/// of another container shares that one's user namespace too, since only there it has rights over what is shared.
/// </summary>
internal static class UserSpaces
{
    private const string Hint = "use --userns=host";

    /// <summary>The ids of the container's user namespace; null when that is the host's.</summary>
    public static MappedIds? IdsOf(HostConfig host, EngineServices services) => host.UsernsMode == "host" ? null : services.Ids;

    /// <summary>The user namespace of the container whose namespaces this one shares; null when it shares none.</summary>
    /// <exception cref="EngineException">Conflict: that container does not run, or its user namespace is not one that containers get now.</exception>
    public static string? SharedBy(HostConfig host, EngineServices services)
    {
        if (IdsOf(host, services) is not { } ids)
        {
            return null;
        }

        string? path = null, identity = null;
        foreach (var (type, mode) in (ReadOnlySpan<(string, string?)>)[("network", host.NetworkMode), ("ipc", host.IpcMode), ("pid", host.PidMode)])
        {
            if (Namespaces.ContainerOf(mode) is not { } name)
            {
                continue;
            }

            var pid = Namespaces.PidOf(name, type, services.Containers.Get);
            if (IdMap.OfProcess(pid) is not { } map)
            {
                throw EngineException.Conflict($"cannot share a namespace of container {name}, which is in the host's user namespace: {Hint}");
            }

            if (IdMap.Text(map.Users) != IdMap.Text(ids.Map.Users) || IdMap.Text(map.Groups) != IdMap.Text(ids.Map.Groups))
            {
                throw EngineException.Conflict($"cannot share a namespace of container {name}, which was started with other ids (userns-remap has changed): restart it first");
            }

            var file = string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/user");
            var number = new FileInfo(file).LinkTarget;
            if (path is not null && number != identity)
            {
                throw EngineException.Conflict($"cannot share namespaces of two containers that have a user namespace each: {Hint}");
            }

            (path, identity) = (file, number);
        }

        return path;
    }

    /// <summary>What the runtime specification says of it.</summary>
    /// <param name="host">The container.</param>
    /// <param name="sandbox">Its network namespace.</param>
    /// <param name="id">The container's id, for a name.</param>
    /// <param name="services">The engine's.</param>
    public static UserSpace? Open(HostConfig host, Sandbox? sandbox, string id, EngineServices services)
    {
        if (IdsOf(host, services) is not { } ids)
        {
            return null;
        }

        if (SharedBy(host, services) is { } shared)
        {
            return new UserSpace(ids.Map, shared);
        }

        return sandbox?.NamespacePath is { } network ? UserSpace.OfOwner(ids.Map, network, Path.Combine(Directory(services.Options), id)) : new UserSpace(ids.Map, null);
    }

    /// <summary>Takes away what an engine that was killed has left.</summary>
    public static void Clear(EngineOptions options)
    {
        if (System.IO.Directory.Exists(Directory(options)))
        {
            foreach (var place in System.IO.Directory.GetFiles(Directory(options)))
            {
                UserSpace.Unbind(place);
            }
        }
    }

    /// <summary>docker's three refusals.</summary>
    /// <exception cref="EngineException">InvalidParameter.</exception>
    public static void Check(HostConfig host, bool isRemapped)
    {
        if (!isRemapped || host.UsernsMode == "host")
        {
            return;
        }

        if (host.Privileged == true)
        {
            throw EngineException.InvalidParameter(
                "privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode");
        }

        if (host.NetworkMode == "host")
        {
            throw EngineException.InvalidParameter("cannot share the host's network namespace when user namespaces are enabled");
        }

        if (host.PidMode == "host")
        {
            throw EngineException.InvalidParameter("cannot share the host PID namespace when user namespaces are enabled");
        }
    }

    private static string Directory(EngineOptions options) => Path.Combine(options.RunDirectory, "userns");
}

/// <summary>One container's user namespace on its way to the runtime. Once the container is made, its processes hold the namespace.</summary>
/// <param name="ids">Its ids.</param>
/// <param name="path">A file to join it by; null for a new one.</param>
internal sealed class UserSpace(IdMap ids, string? path) : IDisposable
{
    private bool _isBound;

    public IdMap Ids => ids;

    public string? Path => path;

    /// <summary>The one that owns a network namespace, bound at a place of our own: it has no path by itself.</summary>
    public static UserSpace OfOwner(IdMap ids, string networkNamespace, string place)
    {
        using var network = NetworkNamespace.Open(networkNamespace);
        using var owner = UserNamespace.OwnerOf(network);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(place)!);
        Unbind(place);
        File.WriteAllBytes(place, []);
        Mounts.Mount(owner.ProcPath, place, null, MountFlags.Bind);
        return new UserSpace(ids, place) { _isBound = true };
    }

    public static void Unbind(string place)
    {
        while (Mounts.Unmount(place, lazy: true))
        {
        }

        File.Delete(place);
    }

    public void Dispose()
    {
        if (_isBound)
        {
            Unbind(path!);
        }
    }
}
