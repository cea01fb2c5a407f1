using Cais.Linux;
using Cais.Linux.Netlink;

namespace Cais.Networking.Kernel;

/// <summary>The host's network namespace: one thread and the sockets that change links and packet filter there.</summary>
internal sealed class HostKernel : IDisposable
{
    private HostKernel(KernelThread thread, RouteSocket route, NftSocket filter)
    {
        Thread = thread;
        Route = route;
        Filter = filter;
    }

    public KernelThread Thread { get; }

    public RouteSocket Route { get; }

    public NftSocket Filter { get; }

    /// <summary>Reused by jobs on the thread, one after the other.</summary>
    public RouteBatch Batch { get; } = new();

    /// <param name="name">Of the thread.</param>
    /// <param name="host">The namespace that is the host, or null for the caller's.</param>
    public static HostKernel Open(string name, FileDescriptor? host)
    {
        var thread = new KernelThread(name, host);
        try
        {
            return thread.Run(() => new HostKernel(thread, RouteSocket.Open(), NftSocket.Open())).GetAwaiter().GetResult();
        }
        catch
        {
            thread.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Thread.Dispose();
        Route.Dispose();
        Filter.Dispose();
    }
}
