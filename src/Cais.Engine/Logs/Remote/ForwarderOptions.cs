namespace Cais.Engine.Logs.Remote;

/// <summary>How a queue of lines before a receiver behaves.</summary>
internal sealed record ForwarderOptions
{
    /// <summary>Bytes that may wait; what comes when they do is dropped, or in blocking mode waits.</summary>
    public long LargestQueue { get; init; } = 1_000_000;

    /// <summary>Lines that may wait.</summary>
    public int MostLines { get; init; } = int.MaxValue;

    /// <summary>Never slow the container down: drop instead. Otherwise a receiver that is slow, but takes something, slows the container down.</summary>
    public bool NonBlocking { get; init; }

    /// <summary>How often a batch is tried before it is given up.</summary>
    public int MostAttempts { get; init; } = int.MaxValue;

    /// <summary>From the first failure to the next attempt; grows by half with every further one.</summary>
    public TimeSpan FirstPause { get; init; } = TimeSpan.FromMilliseconds(100);

    public TimeSpan LongestPause { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A send that takes longer has failed.</summary>
    public TimeSpan SendTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long lines may still wait for their receiver after the container has ended.</summary>
    public TimeSpan DrainPatience { get; init; } = TimeSpan.FromSeconds(15);
}
