using Cais.Oci.Images;

namespace Cais.Images;

/// <summary>A container that stands on an image.</summary>
public sealed record ContainerUse(string ContainerId, bool IsRunning);

/// <summary>How the store works; the daemon's configuration by its own names where dockerd has them.</summary>
public sealed record ImageStoreOptions
{
    /// <summary>max-concurrent-downloads, over all pulls.</summary>
    public int MaxConcurrentDownloads { get; init; } = 3;

    /// <summary>max-concurrent-uploads, over all pushes.</summary>
    public int MaxConcurrentUploads { get; init; } = 5;

    /// <summary>Bytes that are sent at a time to a registry that does not take whole blobs.</summary>
    public long UploadChunkSize { get; init; } = 16 * 1024 * 1024;

    /// <summary>max-download-attempts: how often a broken transfer is taken up again.</summary>
    public int MaxDownloadAttempts { get; init; } = 5;

    /// <summary>The pause before the first new attempt; each further one waits twice as long.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>insecure-registries: <c>host</c>, <c>host:port</c> or CIDR. Loopback addresses always are.</summary>
    public IReadOnlyList<string> InsecureRegistries { get; init; } = [];

    /// <summary>registry-mirrors: URLs asked before Docker Hub.</summary>
    public IReadOnlyList<string> RegistryMirrors { get; init; } = [];

    /// <summary>Directories with <c>&lt;host:port&gt;/{ca.crt,client.cert,client.key,hosts.toml}</c>, the first that has the host wins.</summary>
    public IReadOnlyList<string> CertificateDirectories { get; init; } = ["/etc/docker/certs.d"];

    /// <summary>http-proxy: for registries spoken to by plain HTTP.</summary>
    public string? HttpProxy { get; init; }

    /// <summary>https-proxy.</summary>
    public string? HttpsProxy { get; init; }

    /// <summary>no-proxy: hosts, domains, addresses and networks that are reached directly.</summary>
    public string? NoProxy { get; init; }

    /// <summary>Sent to registries.</summary>
    public string UserAgent { get; init; } = "cais/0.1.0 (linux)";

    /// <summary>The containers that were made from this image, which decide whether it may be removed.</summary>
    public Func<Digest, IReadOnlyList<ContainerUse>> ContainersUsing { get; init; } = _ => [];

    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Credentials for one registry, as the client sends them in X-Registry-Auth.</summary>
public sealed record RegistryCredentials
{
    public string? Username { get; init; }

    public string? Password { get; init; }

    /// <summary>An OAuth2 refresh token, used instead of a password.</summary>
    public string? IdentityToken { get; init; }

    /// <summary>A bearer token that is sent as it is.</summary>
    public string? RegistryToken { get; init; }
}

public sealed record PullOptions
{
    /// <summary>The platform wanted; null for this machine's.</summary>
    public Platform? Platform { get; init; }

    /// <summary>Every platform of an index, not one.</summary>
    public bool AllPlatforms { get; init; }

    public RegistryCredentials? Credentials { get; init; }
}

public sealed record PushOptions
{
    /// <summary>Push this platform's manifest alone; null for all that the name points to and that is here.</summary>
    public Platform? Platform { get; init; }

    /// <summary>Push this instead of what the name points to, and give it no tag: there it is known by its digest alone.</summary>
    public Descriptor? ByDigest { get; init; }

    /// <summary>Send layers that were made here uncompressed, as they are stored.</summary>
    public bool AsStored { get; init; }

    public RegistryCredentials? Credentials { get; init; }
}

public sealed record ImportOptions
{
    /// <summary>The name to give, or null.</summary>
    public Reference? Name { get; init; }

    public string? Message { get; init; }

    public Platform? Platform { get; init; }

    public ContainerDefaults? Config { get; init; }
}

public sealed record CommitOptions
{
    /// <summary>The name to give, or null.</summary>
    public Reference? Name { get; init; }

    public string? Author { get; init; }

    public string? Message { get; init; }

    /// <summary>What the history says made the layer: the container's command.</summary>
    public string? CreatedBy { get; init; }

    /// <summary>The new image's defaults; null for the old image's.</summary>
    public ContainerDefaults? Config { get; init; }
}

/// <summary>A pull's outcome. <paramref name="Changed"/> is false if the name already pointed there and everything was here.</summary>
public sealed record PullResult(ImageRecord Image, Digest Digest, bool Changed);

/// <summary>A push's outcome: what the tag names now.</summary>
public sealed record PushResult(string? Tag, Digest Digest, long Size);

/// <summary>An image in a registry: what its name points to, and for which platforms it is.</summary>
public sealed record RemoteImage(Descriptor Descriptor, IReadOnlyList<Platform> Platforms);

/// <summary>A registry took the credentials. <paramref name="IdentityToken"/> is what to keep instead of the password, if it gave one.</summary>
public sealed record LoginResult(string Status, string? IdentityToken);

/// <summary>One result of a search.</summary>
public sealed record FoundRepository(string Name, string Description, long Stars, bool IsOfficial);

/// <summary>One image of a loaded archive: its name if it had one.</summary>
public sealed record LoadedImage(string? Name, Digest Id);

/// <summary>One consequence of a removal: a name that is gone, or an image whose content is.</summary>
public sealed record RemovedItem(string? Untagged, string? Deleted);

/// <summary>
/// Bytes of disk: all that the store takes, what of it no image with a container needs, and of each image what other images need too.
/// </summary>
public sealed record ImageUsage(long Total, long Reclaimable, IReadOnlyDictionary<Digest, long> Shared);

/// <summary>A prune's outcome.</summary>
public sealed record PruneResult(IReadOnlyList<RemovedItem> Removed, long SpaceReclaimed);
