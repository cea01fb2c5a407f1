namespace Cais.Api;

/// <summary>HealthcheckResult stores information about a single run of a healthcheck probe</summary>
public sealed record HealthcheckResult
{
    public string? Start { get; init; }

    /// <summary>Date and time at which this check ended in [RFC 3339](https://www.ietf.org/rfc/rfc3339.txt) format with nano-seconds.</summary>
    public string? End { get; init; }

    public long? ExitCode { get; init; }

    /// <summary>Output from last check</summary>
    public string? Output { get; init; }
}
