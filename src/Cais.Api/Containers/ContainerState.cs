namespace Cais.Api;

/// <summary>ContainerState stores container's running state.</summary>
public sealed record ContainerState
{
    /// <summary>String representation of the container state.</summary>
    public string? Status { get; init; }

    /// <summary>Whether this container is running.</summary>
    public bool? Running { get; init; }

    /// <summary>Whether this container is paused.</summary>
    public bool? Paused { get; init; }

    /// <summary>Whether this container is restarting.</summary>
    public bool? Restarting { get; init; }

    public bool? OOMKilled { get; init; }

    public bool? Dead { get; init; }

    /// <summary>The process ID of this container</summary>
    public long? Pid { get; init; }

    /// <summary>The last exit code of this container</summary>
    public long? ExitCode { get; init; }

    public string? Error { get; init; }

    /// <summary>The time when this container was last started.</summary>
    public string? StartedAt { get; init; }

    /// <summary>The time when this container last exited.</summary>
    public string? FinishedAt { get; init; }

    public HealthState? Health { get; init; }
}
