namespace Cais.Engine;

/// <summary>A lock that is waited for without blocking a thread. Not re-entrant.</summary>
#pragma warning disable CA1001 // A SemaphoreSlim whose wait handle is never asked for holds nothing to dispose of.
internal sealed class AsyncLock
#pragma warning restore CA1001
{
    private readonly SemaphoreSlim _semaphore = new(1, 1);

    public async ValueTask<Holder> Enter(CancellationToken cancellation = default)
    {
        await _semaphore.WaitAsync(cancellation).ConfigureAwait(false);
        return new Holder(_semaphore);
    }

    /// <summary>Disposing it lets the next one in.</summary>
    public readonly struct Holder(SemaphoreSlim semaphore) : IDisposable
    {
        public void Dispose() => semaphore.Release();
    }
}
