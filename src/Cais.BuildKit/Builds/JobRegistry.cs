using Cais.BuildKit.Grpc;
using Cais.BuildKit.History;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Builds;

/// <summary>The builds that run, before a history of those that ran.</summary>
/// <param name="failed">Hears of builds that could not be kept in the history.</param>
internal sealed class JobRegistry(BuildHistory history, Action<string, Exception> failed)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, BuildJob> _jobs = [];
    private BuildJob? _lastQuestion;
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Adds a build. Throws <see cref="GrpcException"/> if one of that ref is running.</summary>
    public void Add(BuildJob job)
    {
        if (job.Request.Ref.Length == 0)
        {
            throw new GrpcException(GrpcStatusCode.InvalidArgument, "a build needs a ref");
        }

        lock (_gate)
        {
            if (!_jobs.TryAdd(job.Request.Ref, job))
            {
                throw new GrpcException(GrpcStatusCode.AlreadyExists, $"job ID {job.Request.Ref} exists");
            }

            Signal();
        }
    }

    /// <summary>
    /// A build has ended and is history. One that is no more than a question to the builder is none, but its listeners may still be on their way: it goes when the next one ends.
    /// </summary>
    public void Finish(BuildJob job)
    {
        if (!job.Request.Internal)
        {
            try
            {
                history.Keep(job.Record, job.Log.Entries, job.Statements);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException or System.Data.Common.DbException or ObjectDisposedException)
            {
                // What was built is there all the same.
                failed("keeping the build in the history", e);
            }
        }

        lock (_gate)
        {
            var gone = job;
            if (job.Request.Internal)
            {
                (gone, _lastQuestion) = (_lastQuestion, job);
            }

            if (gone is not null)
            {
                _jobs.Remove(gone.Request.Ref);
                gone.Dispose();
            }

            Signal();
        }
    }

    /// <summary>
    /// A running build by its ref, waited for if it is not there yet: a client asks for its status, or speaks to its gateway, while its <c>Solve</c> is on the way.
    /// Throws <see cref="GrpcException"/> (NotFound).
    /// </summary>
    public async Task<BuildJob> FindAsync(string id, TimeSpan patience, CancellationToken cancellation) =>
        (await FindAsync(id, () => (BuildHistoryRecord?)null, patience, cancellation)).Job!;

    /// <summary>A build by its ref, one that runs or one that ran; as <see cref="FindAsync(string, TimeSpan, CancellationToken)"/>.</summary>
    public Task<(BuildJob? Job, BuildHistoryRecord? Record)> FindAnyAsync(string id, TimeSpan patience, CancellationToken cancellation) =>
        FindAsync(id, () => history.Find(id), patience, cancellation);

    /// <summary>Those that a client wants to know of, oldest first, and a task that ends when that may have changed.</summary>
    public (IReadOnlyList<BuildHistoryRecord> Records, Task Changed) List()
    {
        lock (_gate)
        {
            var running = _jobs.Values.Where(j => !j.Request.Internal).Select(j => j.Record.Clone()).OrderBy(r => r.CreatedAt);
            return ([.. history.List(), .. running], _changed.Task);
        }
    }

    /// <summary>Forgets a build that has ended. Throws <see cref="GrpcException"/>.</summary>
    public void Delete(string id)
    {
        if (!history.Delete(id))
        {
            throw new GrpcException(GrpcStatusCode.NotFound, $"no finished build {id}");
        }

        lock (_gate)
        {
            Signal();
        }
    }

    /// <summary>Keeps a build that has ended whatever the history's limits say, or no more. Throws <see cref="GrpcException"/>.</summary>
    public void Pin(string id, bool isPinned)
    {
        if (!history.Pin(id, isPinned))
        {
            throw new GrpcException(GrpcStatusCode.NotFound, $"no finished build {id}");
        }
    }

    public void CancelAll()
    {
        lock (_gate)
        {
            foreach (var job in _jobs.Values)
            {
                job.Cancel();
            }
        }
    }

    private async Task<(BuildJob? Job, BuildHistoryRecord? Record)> FindAsync(
        string id, Func<BuildHistoryRecord?> ended, TimeSpan patience, CancellationToken cancellation)
    {
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        timeout.CancelAfter(patience);
        while (true)
        {
            Task changed;
            lock (_gate)
            {
                if (_jobs.TryGetValue(id, out var job))
                {
                    return (job, null);
                }

                changed = _changed.Task;
            }

            if (ended() is { } record)
            {
                return (null, record);
            }

            try
            {
                await changed.WaitAsync(timeout.Token);
            }
            catch (OperationCanceledException e) when (!cancellation.IsCancellationRequested)
            {
                throw new GrpcException(GrpcStatusCode.NotFound, $"no such job {id}", e);
            }
        }
    }

    private void Signal()
    {
        var changed = _changed;
        _changed = NewSignal();
        changed.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
