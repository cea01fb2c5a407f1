using Cais.BuildKit.Grpc;

namespace Cais.BuildKit.Builds;

/// <summary>The builds that run, and a history of those that ran.</summary>
internal sealed class JobRegistry
{
    /// <summary>How many finished builds are remembered. Their output is kept in memory, and so the number is small.</summary>
    private const int MostRemembered = 50;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, BuildJob> _jobs = [];
    private readonly List<BuildJob> _finished = [];
    private TaskCompletionSource _changed = NewSignal();

    /// <summary>Adds a build. Throws <see cref="GrpcException"/> if there is one of that ref.</summary>
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

    /// <summary>A build has ended and is history; one that is no more than a question to the builder is forgotten.</summary>
    public void Finish(BuildJob job)
    {
        lock (_gate)
        {
            _finished.Add(job);
            var excess = _finished.Count(j => !j.Record.Pinned) - MostRemembered;
            if (job.Request.Internal)
            {
                // Its listeners may still be on their way: it goes when the next one ends.
                foreach (var old in _finished.Where(j => j.Request.Internal && j != job).ToList())
                {
                    Forget(old);
                }
            }

            foreach (var old in _finished.Where(j => !j.Record.Pinned).Take(Math.Max(0, excess)).ToList())
            {
                Forget(old);
            }

            Signal();
        }
    }

    /// <summary>
    /// A build by its ref, waited for if it is not there yet: a client asks for its status, or speaks to its gateway, while its <c>Solve</c> is on the way.
    /// Throws <see cref="GrpcException"/> (NotFound).
    /// </summary>
    public async Task<BuildJob> FindAsync(string id, TimeSpan patience, CancellationToken cancellation)
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
                    return job;
                }

                changed = _changed.Task;
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

    /// <summary>Those that a client wants to know of, oldest first, and a task that ends when that may have changed.</summary>
    public (IReadOnlyList<BuildJob> Jobs, Task Changed) List()
    {
        lock (_gate)
        {
            return ([.. _jobs.Values.Where(j => !j.Request.Internal).OrderBy(j => j.Record.CreatedAt)], _changed.Task);
        }
    }

    /// <summary>Forgets a finished build. Throws <see cref="GrpcException"/>.</summary>
    public void Delete(string id)
    {
        lock (_gate)
        {
            var job = _finished.Find(j => j.Request.Ref == id)
                ?? throw new GrpcException(GrpcStatusCode.NotFound, $"no finished build {id}");
            Forget(job);
            Signal();
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

    private void Forget(BuildJob job)
    {
        _finished.Remove(job);
        _jobs.Remove(job.Request.Ref);
        job.Dispose();
    }

    private void Signal()
    {
        var changed = _changed;
        _changed = NewSignal();
        changed.TrySetResult();
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
