namespace Cais.Images.Content;

/// <summary>
/// Work that several callers may want at once and that is done once: who comes while it runs waits for the same run. It is cancelled when
/// nobody waits for it any more.
/// </summary>
internal sealed class SharedWork<TKey, TResult>
    where TKey : notnull
{
    private readonly Dictionary<TKey, Run> _runs = [];
    private readonly Lock _gate = new();

    /// <summary>
    /// The result of the run for <paramref name="key"/>, which <paramref name="work"/> starts unless one is under way. If that one fails because its own
    /// caller gave up, the next waiter starts anew.
    /// </summary>
    public async Task<TResult> RunAsync(TKey key, Func<CancellationToken, Task<TResult>> work, CancellationToken cancellation)
    {
        while (true)
        {
            var run = Join(key, work);
            try
            {
                return await run.Task.WaitAsync(cancellation).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
            {
                // The run was cancelled by those who left before we came.
            }
            finally
            {
                if (Leave(run))
                {
                    // Ours to wait for: who cancels work wants to know that it has stopped and cleaned up.
                    await ((Task)run.Task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private Run Join(TKey key, Func<CancellationToken, Task<TResult>> work)
    {
        lock (_gate)
        {
            if (_runs.TryGetValue(key, out var current) && !current.IsAbandoned)
            {
                current.Waiters++;
                return current;
            }

            var run = new Run { Waiters = 1 };
            _runs[key] = run;
            run.Task = Task.Run(async () =>
            {
                try
                {
                    return await work(run.Cancellation).ConfigureAwait(false);
                }
                finally
                {
                    Forget(key, run);
                }
            });
            return run;
        }
    }

    private void Forget(TKey key, Run run)
    {
        lock (_gate)
        {
            if (_runs.TryGetValue(key, out var current) && current == run)
            {
                _runs.Remove(key);
            }
        }
    }

    /// <summary>True if nobody waits any more and the work was still going on.</summary>
    private bool Leave(Run run)
    {
        lock (_gate)
        {
            if (--run.Waiters > 0 || run.Task.IsCompleted)
            {
                return false;
            }

            run.Abandon();
            return true;
        }
    }

#pragma warning disable CA1001 // see the field
    private sealed class Run
#pragma warning restore CA1001
    {
        // Never disposed of: it holds no timer and no wait handle, so there is nothing to free.
        private readonly CancellationTokenSource _cancellation = new();

        public int Waiters { get; set; }

        public Task<TResult> Task { get; set; } = null!;

        public CancellationToken Cancellation => _cancellation.Token;

        public bool IsAbandoned => _cancellation.IsCancellationRequested;

        /// <summary>On another thread: whoever reacts may take any time.</summary>
        public void Abandon() => _ = _cancellation.CancelAsync();
    }
}
