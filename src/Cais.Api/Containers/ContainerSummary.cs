namespace Cais.Api;

public sealed record ContainerSummary
{
    /// <summary>The ID of this container as a 128-bit (64-character) hexadecimal string (32 bytes).</summary>
    public string? Id { get; init; }

    /// <summary>The names associated with this container.</summary>
    public IReadOnlyList<string>? Names { get; init; }

    /// <summary>The name or ID of the image used to create the container.</summary>
    public string? Image { get; init; }

    /// <summary>The ID (digest) of the image that this container was created from.</summary>
    public string? ImageID { get; init; }

    /// <summary>OCI descriptor of the platform-specific manifest of the image the container was created from.</summary>
    public ApiDescriptor? ImageManifestDescriptor { get; init; }

    /// <summary>Command to run when starting the container</summary>
    public string? Command { get; init; }

    /// <summary>Date and time at which the container was created as a Unix timestamp (number of seconds since EPOCH).</summary>
    public long? Created { get; init; }

    /// <summary>Port-mappings for the container.</summary>
    public IReadOnlyList<PortSummary>? Ports { get; init; }

    /// <summary>The size of files that have been created or changed by this container.</summary>
    public long? SizeRw { get; init; }

    /// <summary>The total size of all files in the read-only layers from the image that the container uses.</summary>
    public long? SizeRootFs { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>The state of this container.</summary>
    public string? State { get; init; }

    /// <summary>Additional human-readable status of this container (e.g.</summary>
    public string? Status { get; init; }

    /// <summary>Summary of host-specific runtime information of the container.</summary>
    public ContainerSummaryHostConfig? HostConfig { get; init; }

    /// <summary>Summary of the container's network settings</summary>
    public ContainerSummaryNetworkSettings? NetworkSettings { get; init; }

    /// <summary>List of mounts used by the container.</summary>
    public IReadOnlyList<MountPoint>? Mounts { get; init; }

    /// <summary>Summary of health status Added in v1.52, before that version all container summary not include Health.</summary>
    public ContainerSummaryHealth? Health { get; init; }
}

/// <summary>Summary of host-specific runtime information of the container.</summary>
public sealed record ContainerSummaryHostConfig
{
    /// <summary>Networking mode (`host`, `none`, `container:&lt;id&gt;`) or name of the primary network the container is using.</summary>
    public string? NetworkMode { get; init; }

    /// <summary>Arbitrary key-value metadata attached to the container.</summary>
    public IReadOnlyDictionary<string, string>? Annotations { get; init; }
}

/// <summary>Summary of the container's network settings</summary>
public sealed record ContainerSummaryNetworkSettings
{
    /// <summary>Summary of network-settings for each network the container is attached to.</summary>
    public IReadOnlyDictionary<string, EndpointSettings>? Networks { get; init; }
}

/// <summary>Summary of health status Added in v1.52, before that version all container summary not include Health.</summary>
public sealed record ContainerSummaryHealth
{
    /// <summary>the health status of the container</summary>
    public string? Status { get; init; }

    /// <summary>FailingStreak is the number of consecutive failures</summary>
    public long? FailingStreak { get; init; }
}
