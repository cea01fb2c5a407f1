namespace Cais.Engine.Io;

/// <summary>
/// Gives the lines of one container their times, of which no two are equal: a line's time is then its name, by which a new engine knows whether the old one had
/// written it down. Used on the thread that reads the container's pipes only.
/// </summary>
internal sealed class LogClock(TimeProvider time) : TimeProvider
{
    private long _next;

    /// <summary>Begins a batch of lines: its first will have this time, in ticks, each further one a tick more.</summary>
    public long Begin() => _next = Math.Max(_next, time.GetUtcNow().UtcTicks);

    /// <summary>Begins a batch again that another engine had begun.</summary>
    public void Resume(long ticks) => _next = ticks;

    /// <summary>From here on every line is later than this.</summary>
    public void After(DateTimeOffset last) => _next = Math.Max(_next, last.UtcTicks + 1);

    public override DateTimeOffset GetUtcNow() => new(_next++, TimeSpan.Zero);
}
