using System.Diagnostics;

namespace Cais.Testing;

/// <summary>Waits for a condition with a deadline, so that no test needs to guess how long something takes.</summary>
public static class Eventually
{
    /// <summary>Far beyond what any condition should need on a loaded two-core machine: reaching it is a failure, not a pace.</summary>
    public static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    /// <summary>Polls until <paramref name="condition"/> holds. Throws <see cref="TimeoutException"/> with <paramref name="what"/> at the deadline.</summary>
    public static async Task Holds(Func<Task<bool>> condition, string what, TimeSpan? deadline = null)
    {
        var clock = Stopwatch.StartNew();
        var pause = 1;
        while (!await condition().ConfigureAwait(false))
        {
            if (clock.Elapsed > (deadline ?? Deadline))
            {
                throw new TimeoutException($"not within {(deadline ?? Deadline).TotalSeconds:0} s: {what}");
            }

            await Task.Delay(pause).ConfigureAwait(false);
            pause = Math.Min(pause * 2, 50);
        }
    }

    public static Task Holds(Func<bool> condition, string what, TimeSpan? deadline = null) =>
        Holds(() => Task.FromResult(condition()), what, deadline);
}
