using System.Runtime;
using Cais.Daemon.Http;

namespace Cais.Daemon;

/// <summary>
/// Gives memory back when the daemon has had nothing to do for a while: after a burst the collector keeps what it got, and a daemon is idle most of its life.
/// </summary>
internal sealed class IdleTrimmer : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(10);

    private readonly ApiApplication _application;
    private readonly Timer _timer;
    private long _seen = -1;
    private bool _trimmed;

    public IdleTrimmer(ApiApplication application)
    {
        _application = application;
        _timer = new Timer(_ => Look(), null, Interval, Interval);
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        var requests = _application.Requests;
        if (requests != _seen)
        {
            (_seen, _trimmed) = (requests, false);
        }
        else if (!_trimmed)
        {
            _trimmed = true;
            GCSettings.LargeObjectHeapCompactionMode = GCLargeObjectHeapCompactionMode.CompactOnce;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _ = Native.malloc_trim(0);
        }
    }
}
