using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record ContainerInspectResponse
{
    /// <summary>The ID of this container as a 128-bit (64-character) hexadecimal string (32 bytes).</summary>
    public string? Id { get; init; }

    public string? Created { get; init; }

    /// <summary>The path to the command being run</summary>
    public string? Path { get; init; }

    /// <summary>The arguments to the command being run</summary>
    public IReadOnlyList<string>? Args { get; init; }

    public ContainerState? State { get; init; }

    /// <summary>The ID (digest) of the image that this container was created from.</summary>
    public string? Image { get; init; }

    /// <summary>Location of the `/etc/resolv.conf` generated for the container on the host.</summary>
    public string? ResolvConfPath { get; init; }

    /// <summary>Location of the `/etc/hostname` generated for the container on the host.</summary>
    public string? HostnamePath { get; init; }

    /// <summary>Location of the `/etc/hosts` generated for the container on the host.</summary>
    public string? HostsPath { get; init; }

    /// <summary>Location of the file used to buffer the container's logs.</summary>
    public string? LogPath { get; init; }

    /// <summary>The name associated with this container.</summary>
    public string? Name { get; init; }

    /// <summary>Number of times the container was restarted since it was created, or since daemon was started.</summary>
    public long? RestartCount { get; init; }

    /// <summary>The storage-driver used for the container's filesystem (graph-driver or snapshotter).</summary>
    public string? Driver { get; init; }

    /// <summary>The platform (operating system) for which the container was created.</summary>
    public string? Platform { get; init; }

    /// <summary>OCI descriptor of the platform-specific manifest of the image the container was created from.</summary>
    public ApiDescriptor? ImageManifestDescriptor { get; init; }

    /// <summary>SELinux mount label set for the container.</summary>
    public string? MountLabel { get; init; }

    /// <summary>SELinux process label set for the container.</summary>
    public string? ProcessLabel { get; init; }

    /// <summary>The AppArmor profile set for the container.</summary>
    public string? AppArmorProfile { get; init; }

    /// <summary>IDs of exec instances that are running in the container.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? ExecIDs { get; init; }

    public HostConfig? HostConfig { get; init; }

    public DriverData? GraphDriver { get; init; }

    public StorageInfo? Storage { get; init; }

    /// <summary>The size of files that have been created or changed by this container.</summary>
    public long? SizeRw { get; init; }

    /// <summary>The total size of all files in the read-only layers from the image that the container uses.</summary>
    public long? SizeRootFs { get; init; }

    /// <summary>List of mounts used by the container.</summary>
    public IReadOnlyList<MountPoint>? Mounts { get; init; }

    public ContainerConfig? Config { get; init; }

    public NetworkSettings? NetworkSettings { get; init; }
}
