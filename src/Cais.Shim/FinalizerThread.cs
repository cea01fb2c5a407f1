using Cais.Linux.Io;

namespace Cais.Shim;

/// <summary>
/// Blocks SIGCHLD in the runtime's finalizer thread, the one thread that exists before <c>Main</c>: an object of this class does it when
/// it is collected. Until then a SIGCHLD may be lost, which only delays the reaping of orphans to the next sweep.
/// </summary>
internal sealed class FinalizerThread
{
    private FinalizerThread()
    {
    }

    ~FinalizerThread() => ChildSignal.Block();

    /// <summary>Takes effect at the next garbage collection.</summary>
    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    public static void BlockChildSignal() => GC.KeepAlive(new FinalizerThread());
}
