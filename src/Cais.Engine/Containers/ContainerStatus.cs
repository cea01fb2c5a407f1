using Cais.Api;

namespace Cais.Engine.Containers;

/// <summary>Where in its life a container is.</summary>
public enum Phase
{
    Created,
    Running,
    Paused,

    /// <summary>Has exited and is going to be started again.</summary>
    Restarting,
    Removing,
    Exited,

    /// <summary>Its removal failed half-way; only another removal is possible.</summary>
    Dead,
}

/// <summary>The end of a container's first process.</summary>
public sealed record ProcessEnd(int ExitCode, DateTimeOffset At, bool OomKilled);

/// <summary>A container's state at one moment: immutable, so that whoever lists and inspects never waits for whoever changes it.</summary>
public sealed record ContainerStatus
{
    public Phase Phase { get; init; }

    /// <summary>Of the first process, in the host's numbering; 0 when there is none.</summary>
    public int Pid { get; init; }

    public int ExitCode { get; init; }

    /// <summary>Why the last start failed.</summary>
    public string Error { get; init; } = "";

    public bool OomKilled { get; init; }

    public DateTimeOffset? StartedAt { get; init; }

    public DateTimeOffset? FinishedAt { get; init; }

    /// <summary>How often the restart policy has started it again since somebody last started it.</summary>
    public int RestartCount { get; init; }

    /// <summary>How long the restart policy waited before this run, or waits now; it grows with every run that ends soon.</summary>
    public TimeSpan RestartDelay { get; init; }

    /// <summary>Stopped on request: policies <c>unless-stopped</c> and <c>always</c> leave it so (the first across daemon restarts too).</summary>
    public bool StoppedByUser { get; init; }

    /// <summary>Where its shim listens. Written before the shim gets anything to do, so that a crash leaves no shim unknown.</summary>
    public string? ShimSocket { get; init; }

    /// <summary>The version of the Task service that its shim speaks; null for the second.</summary>
    public string? ShimService { get; init; }

    /// <summary>
    /// How the process ended, while it is being put away. Written before the shim forgets it: should the engine die in between, nobody else knows.
    /// </summary>
    public ProcessEnd? End { get; init; }

    public HealthState? Health { get; init; }

    /// <summary>As docker counts: a container that is paused or about to restart is running.</summary>
    public bool IsRunning => Phase is Phase.Running or Phase.Paused or Phase.Restarting;

    /// <summary>Whether it has a process now.</summary>
    public bool HasProcess => Phase is Phase.Running or Phase.Paused;

    /// <summary>The API's word.</summary>
    public string Name => Phase switch
    {
        Phase.Created => "created",
        Phase.Running => "running",
        Phase.Paused => "paused",
        Phase.Restarting => "restarting",
        Phase.Removing => "removing",
        Phase.Exited => "exited",
        _ => "dead",
    };

    /// <summary>How <c>docker ps</c> says it: <c>Up 5 minutes (healthy)</c>.</summary>
    public string Describe(DateTimeOffset now)
    {
        var up = Durations.Human(now - (StartedAt ?? now));
        var ago = Durations.Human(now - (FinishedAt ?? now));
        return Phase switch
        {
            Phase.Created => "Created",
            Phase.Running when Health is { Status: { } health } && health is not ("" or "none") =>
                $"Up {up} ({(health == "starting" ? "health: starting" : health)})",
            Phase.Running => $"Up {up}",
            Phase.Paused => $"Up {up} (Paused)",
            Phase.Restarting => $"Restarting ({ExitCode}) {ago} ago",
            Phase.Removing => "Removal In Progress",
            Phase.Exited when FinishedAt is null => "",
            Phase.Exited => $"Exited ({ExitCode}) {ago} ago",
            _ => "Dead",
        };
    }
}
