using System.Diagnostics;
using System.Globalization;

namespace Cais.Testing;

/// <summary>Waits for a condition with a deadline, so that no test needs to guess how long something takes.</summary>
public static class Eventually
{
    /// <summary>How many times slower than a loaded two-core machine this one may be: CAIS_SLOW, for an emulated machine. All deadlines are that much later.</summary>
    public static readonly int Slowness =
        int.TryParse(Environment.GetEnvironmentVariable("CAIS_SLOW"), CultureInfo.InvariantCulture, out var times) && times > 1 ? times : 1;

    /// <summary>Far beyond what any condition should need on a loaded two-core machine: reaching it is a failure, not a pace.</summary>
    public static readonly TimeSpan Deadline = Patience(30);

    /// <summary>A deadline of so many seconds, on this machine.</summary>
    public static TimeSpan Patience(double seconds) => TimeSpan.FromSeconds(seconds * Slowness);

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
