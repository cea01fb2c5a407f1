using Cais.Oci.Images;

namespace Cais.Build.Solving;

/// <summary>Which work is being done in this moment, so that builds at the same time do what they have in common once.</summary>
internal sealed class WorkInProgress
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Digest, TaskCompletionSource> _begun = [];

    /// <summary>Begins some work, until what is returned is disposed of; or null if somebody else is at it, with a task that ends when that has ended, well or not.</summary>
    public IDisposable? TryBegin(Digest key, out Task other)
    {
        lock (_gate)
        {
            if (_begun.TryGetValue(key, out var begun))
            {
                other = begun.Task;
                return null;
            }

            var mine = _begun[key] = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            other = mine.Task;
            return new Turn(this, key, mine);
        }
    }

    private sealed class Turn(WorkInProgress work, Digest key, TaskCompletionSource ended) : IDisposable
    {
        public void Dispose()
        {
            lock (work._gate)
            {
                work._begun.Remove(key);
            }

            ended.TrySetResult();
        }
    }
}
