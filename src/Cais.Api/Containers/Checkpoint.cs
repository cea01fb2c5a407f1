namespace Cais.Api;

/// <summary>A checkpoint of a container, as listed.</summary>
public sealed record CheckpointSummary
{
    public required string Name { get; init; }
}

/// <summary>What to write to disk of a running container.</summary>
public sealed record CheckpointCreateRequest
{
    public string? CheckpointID { get; init; }

    /// <summary>Where; null or empty for the container's own directory.</summary>
    public string? CheckpointDir { get; init; }

    /// <summary>Whether the container ends with it.</summary>
    public bool? Exit { get; init; }
}
