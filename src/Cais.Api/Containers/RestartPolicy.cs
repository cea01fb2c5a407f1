namespace Cais.Api;

/// <summary>The behavior to apply when the container exits.</summary>
public sealed record RestartPolicy
{
    public string? Name { get; init; }

    /// <summary>If `on-failure` is used, the number of times to retry before giving up.</summary>
    public long? MaximumRetryCount { get; init; }
}
