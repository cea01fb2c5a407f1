namespace Cais.BuildKit.History;

/// <summary>How much of the past is kept. A build that nobody has pinned goes when it is both old and one too many, as dockerd has it; and in any case when the logs take too much room.</summary>
/// <param name="MaxAge">What is younger stays.</param>
/// <param name="MaxEntries">That many stay, however old.</param>
/// <param name="MaxBytes">All logs and statements together.</param>
public sealed record HistoryLimits(TimeSpan MaxAge, int MaxEntries, long MaxBytes = 512L << 20)
{
    /// <summary>dockerd's.</summary>
    public static readonly HistoryLimits Default = new(TimeSpan.FromHours(48), 50);
}
