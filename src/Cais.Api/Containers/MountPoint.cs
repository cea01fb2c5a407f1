namespace Cais.Api;

/// <summary>MountPoint represents a mount point configuration inside the container.</summary>
public sealed record MountPoint
{
    /// <summary>The mount type: - `bind` a mount of a file or directory from the host into the container.</summary>
    public string? Type { get; init; }

    /// <summary>Name is the name reference to the underlying data defined by `Source` e.g., the volume name.</summary>
    public string? Name { get; init; }

    /// <summary>Source location of the mount.</summary>
    public string? Source { get; init; }

    /// <summary>Destination is the path relative to the container root (`/`) where the `Source` is mounted inside the container.</summary>
    public string? Destination { get; init; }

    /// <summary>Driver is the volume driver used to create the volume (if it is a volume).</summary>
    public string? Driver { get; init; }

    /// <summary>Mode is a comma separated list of options supplied by the user when creating the bind/volume mount.</summary>
    public string? Mode { get; init; }

    /// <summary>Whether the mount is mounted writable (read-write).</summary>
    public bool? RW { get; init; }

    /// <summary>Propagation describes how mounts are propagated from the host into the mount point, and vice-versa.</summary>
    public string? Propagation { get; init; }
}
