namespace Cais.Api;

/// <summary>Health stores information about the container's healthcheck results.</summary>
public sealed record HealthState
{
    public string? Status { get; init; }

    /// <summary>FailingStreak is the number of consecutive failures</summary>
    public long? FailingStreak { get; init; }

    /// <summary>Log contains the last few results (oldest first)</summary>
    public IReadOnlyList<HealthcheckResult>? Log { get; init; }
}
