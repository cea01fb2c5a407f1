namespace Cais.Api;

public sealed record MountSpec
{
    public string? Target { get; init; }

    public string? Source { get; init; }

    public string? Type { get; init; }

    /// <summary>Whether the mount should be read-only.</summary>
    public bool? ReadOnly { get; init; }

    /// <summary>The consistency requirement for the mount: `default`, `consistent`, `cached`, or `delegated`.</summary>
    public string? Consistency { get; init; }

    /// <summary>Optional configuration for the `bind` type.</summary>
    public MountSpecBindOptions? BindOptions { get; init; }

    /// <summary>Optional configuration for the `volume` type.</summary>
    public MountSpecVolumeOptions? VolumeOptions { get; init; }

    /// <summary>Optional configuration for the `image` type.</summary>
    public MountSpecImageOptions? ImageOptions { get; init; }

    /// <summary>Optional configuration for the `tmpfs` type.</summary>
    public MountSpecTmpfsOptions? TmpfsOptions { get; init; }
}

/// <summary>Optional configuration for the `bind` type.</summary>
public sealed record MountSpecBindOptions
{
    /// <summary>A propagation mode with the value `[r]private`, `[r]shared`, or `[r]slave`.</summary>
    public string? Propagation { get; init; }

    /// <summary>Disable recursive bind mount.</summary>
    public bool? NonRecursive { get; init; }

    /// <summary>Create mount point on host if missing</summary>
    public bool? CreateMountpoint { get; init; }

    public bool? ReadOnlyNonRecursive { get; init; }

    /// <summary>Raise an error if the mount cannot be made recursively read-only.</summary>
    public bool? ReadOnlyForceRecursive { get; init; }
}

/// <summary>Optional configuration for the `volume` type.</summary>
public sealed record MountSpecVolumeOptions
{
    /// <summary>Populate volume with data from the target.</summary>
    public bool? NoCopy { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>Map of driver specific options</summary>
    public MountSpecVolumeOptionsDriverConfig? DriverConfig { get; init; }

    /// <summary>Source path inside the volume.</summary>
    public string? Subpath { get; init; }
}

/// <summary>Map of driver specific options</summary>
public sealed record MountSpecVolumeOptionsDriverConfig
{
    /// <summary>Name of the driver to use to create the volume.</summary>
    public string? Name { get; init; }

    /// <summary>key/value map of driver specific options.</summary>
    public IReadOnlyDictionary<string, string>? Options { get; init; }
}

/// <summary>Optional configuration for the `image` type.</summary>
public sealed record MountSpecImageOptions
{
    /// <summary>Source path inside the image.</summary>
    public string? Subpath { get; init; }
}

/// <summary>Optional configuration for the `tmpfs` type.</summary>
public sealed record MountSpecTmpfsOptions
{
    /// <summary>The size for the tmpfs mount in bytes.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>The permission mode for the tmpfs mount in an integer.</summary>
    public long? Mode { get; init; }

    /// <summary>The options to be passed to the tmpfs mount.</summary>
    public IReadOnlyList<IReadOnlyList<string>>? Options { get; init; }
}
