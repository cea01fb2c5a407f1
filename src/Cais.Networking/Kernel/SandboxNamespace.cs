using Cais.Linux;
using Cais.Linux.Netlink;

namespace Cais.Networking.Kernel;

/// <summary>A container's network namespace while it is worked on: what keeps it alive, and a socket inside.</summary>
internal sealed class SandboxNamespace : IDisposable
{
    private const int LoopbackIndex = 1;

    private SandboxNamespace(string path, FileDescriptor descriptor, RouteSocket route)
    {
        Path = path;
        Descriptor = descriptor;
        Route = route;
    }

    /// <summary>Where it is bound.</summary>
    public string Path { get; }

    public FileDescriptor Descriptor { get; }

    public RouteSocket Route { get; }

    /// <summary>Creates one with loopback up, bound at a path. Only from a job on <paramref name="thread"/>.</summary>
    public static SandboxNamespace Create(KernelThread thread, string path)
    {
        RouteSocket? route = null;
        try
        {
            var descriptor = thread.CreateNamespace(created =>
            {
                route = OpenWithLoopback();
                NetworkNamespace.Bind(created, path);
            });
            return new SandboxNamespace(path, descriptor, route!);
        }
        catch
        {
            route?.Dispose();
            throw;
        }
    }

    /// <summary>The same of a namespace that somebody else makes, for another user namespace.</summary>
    public static SandboxNamespace Create(KernelThread thread, string path, Func<FileDescriptor> make)
    {
        var descriptor = make();
        RouteSocket? route = null;
        try
        {
            thread.Visit(descriptor, () => route = OpenWithLoopback());
            NetworkNamespace.Bind(descriptor, path);
            return new SandboxNamespace(path, descriptor, route!);
        }
        catch
        {
            route?.Dispose();
            descriptor.Dispose();
            throw;
        }
    }

    private static RouteSocket OpenWithLoopback()
    {
        var route = RouteSocket.Open();
        try
        {
            var batch = new RouteBatch();
            batch.SetUp(LoopbackIndex, "lo");
            route.Execute(batch);
            return route;
        }
        catch
        {
            route.Dispose();
            throw;
        }
    }

    /// <summary>Opens an existing one. Only from a job on <paramref name="thread"/>.</summary>
    public static SandboxNamespace Open(KernelThread thread, string path)
    {
        var descriptor = NetworkNamespace.Open(path);
        try
        {
            RouteSocket? route = null;
            thread.Visit(descriptor, () => route = RouteSocket.Open());
            return new SandboxNamespace(path, descriptor, route!);
        }
        catch
        {
            descriptor.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Route.Dispose();
        Descriptor.Dispose();
    }
}
