using Cais.Api;

namespace Cais.Engine.Containers;

/// <summary>What a container is: as it was created, with every default filled in. Changed by rename, update and network connect only.</summary>
public sealed record ContainerRecord
{
    /// <summary>64 hexadecimal digits.</summary>
    public required string Id { get; init; }

    /// <summary>Without the leading slash that the API puts before it.</summary>
    public required string Name { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>The image's digest.</summary>
    public required string ImageId { get; init; }

    /// <summary>The manifest of this machine's platform in that image.</summary>
    public ApiDescriptor? ImageManifest { get; init; }

    /// <summary>The request's configuration over the image's.</summary>
    public required ContainerConfig Config { get; init; }

    public required HostConfig HostConfig { get; init; }

    /// <summary>How it joins each network, by the name or id it was asked with.</summary>
    public IReadOnlyDictionary<string, EndpointSettings> Networks { get; init; } = new Dictionary<string, EndpointSettings>();

    /// <summary><c>--link</c> in the default network: ids of other containers by the names that this one has for them.</summary>
    public IReadOnlyDictionary<string, string> Links { get; init; } = new Dictionary<string, string>();

    /// <summary>Everything that is mounted beside the engine's own mounts, in the order to mount it.</summary>
    public IReadOnlyList<MountRecord> Mounts { get; init; } = [];

    /// <summary>The runtime's name as in the daemon's configuration.</summary>
    public required string Runtime { get; init; }

    /// <summary>The driver's name; options are in <see cref="HostConfig"/>.</summary>
    public required string LogDriver { get; init; }

    public string ShortId => Id[..12];

    /// <summary>The program and its arguments: the entry point, then the command.</summary>
    public IReadOnlyList<string> CommandLine => [.. Config.Entrypoint ?? [], .. Config.Cmd ?? []];
}

/// <summary>One mount of a container.</summary>
public sealed record MountRecord
{
    /// <summary><c>bind</c>, <c>volume</c>, <c>tmpfs</c> or <c>image</c>.</summary>
    public required string Type { get; init; }

    /// <summary>Path on the host; empty for tmpfs. A volume's is its data directory.</summary>
    public string Source { get; init; } = "";

    /// <summary>Absolute path in the container.</summary>
    public required string Destination { get; init; }

    /// <summary>The volume's name.</summary>
    public string? Name { get; init; }

    /// <summary>The volume's driver.</summary>
    public string? Driver { get; init; }

    /// <summary>The options after the second colon of <c>-v</c>, as given.</summary>
    public string Mode { get; init; } = "";

    public bool ReadOnly { get; init; }

    /// <summary><c>rprivate</c> and so on; empty takes the default.</summary>
    public string Propagation { get; init; } = "";

    /// <summary>Without the mounts below the source.</summary>
    public bool NonRecursive { get; init; }

    /// <summary>Mounts below the source stay writable although the mount is read-only.</summary>
    public bool ReadOnlyNonRecursive { get; init; }

    /// <summary>Fails when mounts below the source cannot be made read-only.</summary>
    public bool ReadOnlyForceRecursive { get; init; }

    /// <summary>Make the source directory when it does not exist, as <c>-v</c> does and <c>--mount</c> does not.</summary>
    public bool CreateSource { get; init; }

    /// <summary>A new, empty volume gets what the image has at the destination.</summary>
    public bool CopyUp { get; init; }

    /// <summary>A directory in the volume or image to mount instead of all of it.</summary>
    public string? Subpath { get; init; }

    /// <summary>Made for this container without a name, and removed with it (<c>rm -v</c>, <c>--rm</c>).</summary>
    public bool Anonymous { get; init; }

    /// <summary>Options of a tmpfs: <c>size=…</c>, <c>mode=…</c> and flags.</summary>
    public IReadOnlyList<string> TmpfsOptions { get; init; } = [];

    /// <summary>Whether the mount came in as <c>--mount</c>, which is how inspect shows it.</summary>
    public bool FromMounts { get; init; }
}
