namespace Cais.Api;

/// <summary>A test to perform to check that the container is healthy.</summary>
public sealed record HealthConfig
{
    /// <summary>The test to perform.</summary>
    public IReadOnlyList<string>? Test { get; init; }

    /// <summary>The time to wait between checks in nanoseconds.</summary>
    public long? Interval { get; init; }

    /// <summary>The time to wait before considering the check to have hung.</summary>
    public long? Timeout { get; init; }

    /// <summary>The number of consecutive failures needed to consider a container as unhealthy.</summary>
    public long? Retries { get; init; }

    /// <summary>Start period for the container to initialize before starting health-retries countdown in nanoseconds.</summary>
    public long? StartPeriod { get; init; }

    /// <summary>The time to wait between checks in nanoseconds during the start period.</summary>
    public long? StartInterval { get; init; }
}
