namespace Cais.Engine.Health;

/// <summary>How many health checks have been run since the engine began. Safe for use from any thread.</summary>
public sealed class HealthCounters
{
    private long _total;
    private long _failed;

    public long Total => Interlocked.Read(ref _total);

    public long Failed => Interlocked.Read(ref _failed);

    internal void Count(bool failed)
    {
        Interlocked.Increment(ref _total);
        if (failed)
        {
            Interlocked.Increment(ref _failed);
        }
    }
}
