using System.Collections.Concurrent;
using Cais.Build.Graph;
using Cais.Build.Solving;

namespace Cais.Build.Tests.Solving;

/// <summary>Notes the steps that were done, not taken from the cache.</summary>
internal sealed class DoneSteps : IBuildProgress
{
    public ConcurrentQueue<string> Done { get; } = [];

    public void Started(Step step)
    {
    }

    public void Output(Step step, bool isError, ReadOnlySpan<byte> data)
    {
    }

    public void Completed(Step step, bool wasCached, Exception? error)
    {
        if (!wasCached && error is null && step is not ImageStep)
        {
            Done.Enqueue(step.Name);
        }
    }
}
