using Cais.Linux.Io;

namespace Cais.Shim.Tasks;

/// <summary>
/// Reaps children that nobody waits for: what a runtime left behind, and in a shared pid namespace what the container's processes left
/// behind. Loop thread only.
/// </summary>
/// <remarks>
/// While the shim works with a runtime it reaps nothing: a process that has just been started, or the runtime's own child, must not be
/// taken from those who will ask for its status.
/// </remarks>
internal sealed class OrphanReaper(Func<int, bool> isOwned)
{
    private int _working;

    /// <summary>Holds off the reaping until disposed.</summary>
    public IDisposable Hold()
    {
        _working++;
        return new Work(this);
    }

    public void Sweep()
    {
        while (_working == 0 && Subreaper.PeekEnded() is var pid and > 0 && !isOwned(pid))
        {
            Subreaper.Reap(pid);
        }
    }

    private sealed class Work(OrphanReaper reaper) : IDisposable
    {
        public void Dispose()
        {
            reaper._working--;
            reaper.Sweep();
        }
    }
}
