using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images;

/// <summary>A container's root file system: what overlay needs. <paramref name="LowerDirs"/> are top first; all paths are absolute.</summary>
public sealed record RootfsMount(string ContainerId, IReadOnlyList<string> LowerDirs, string UpperDir, string WorkDir)
{
    /// <summary>The lower directories that are the image alone, without the layer that prepares it for containers.</summary>
    public IReadOnlyList<string> ImageDirs { get; init; } = LowerDirs;
}

/// <summary>Unpacked layers, and containers' writable layers over them (<c>snapshots/container-&lt;id&gt;/{fs,work}</c>).</summary>
public sealed class SnapshotStore
{
    private const string Prefix = "container-";
    private const string InitPrefix = "init-";
    private readonly ImageStore _images;

    internal SnapshotStore(ImageStore images) => _images = images;

    /// <summary>
    /// Makes the container's writable layer, after unpacking what is not unpacked yet. From here until <see cref="RemoveAsync"/> the image's layers
    /// cannot go away. Called again for the same container it returns the same, and unpacks again what a power failure took: call it before every start.
    /// </summary>
    public async Task<RootfsMount> PrepareAsync(string containerId, ImageRecord image, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(image);
        CheckId(containerId);
        using var lease = _images.Leases.Begin();
        lock (_images.Leases.Gate)
        {
            lease.Digests.Add(image.Id);
            lease.Digests.Add(image.ManifestDescriptor.Digest);
        }

        if (!_images.Content.Has(image.ManifestDescriptor.Digest))
        {
            // Removed between the caller's look and our lease.
            throw ImageStore.NoSuchImage(image.RepoTags is [var tag, ..] ? tag : image.Id.ToString());
        }

        await UnpackAsync(image.Manifest, image.Config, lease, prove: false, cancellation).ConfigureAwait(false);
        var directory = DirectoryOf(containerId);
        _images.Database.Write(c => c.Execute(
            "INSERT INTO images_container (container, image, manifest, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (container) DO NOTHING",
            containerId, image.Id.ToString(), image.ManifestDescriptor.Digest.ToString(), _images.Options.Time.GetUtcNow().ToUnixTimeMilliseconds()));

        // The row first: a directory without one is garbage, and one that is missing is made here again.
        MakeUpper(directory, TopLayer(image.Config));
        InitLayer.Make(InitPath(image.ManifestDescriptor.Digest), LayerPaths(image.Config));
        return Mount(containerId, image.ManifestDescriptor.Digest, image.Config);
    }

    /// <summary>The container's root file system, or null.</summary>
    public RootfsMount? Find(string containerId)
    {
        CheckId(containerId);
        return ManifestOf(containerId) is { } digest
            ? Mount(containerId, digest, _images.Documents.Config(_images.Documents.Manifest(digest).Config.Digest))
            : null;
    }

    /// <summary>The image that the container stands on, or null.</summary>
    internal (Manifest Manifest, ImageConfig Config)? ImageOf(string containerId)
    {
        CheckId(containerId);
        return ManifestOf(containerId) is { } digest && _images.Documents.Manifest(digest) is var manifest
            ? (manifest, _images.Documents.Config(manifest.Config.Digest))
            : null;
    }

    /// <summary>Removes the writable layer and releases the image's layers. Does nothing if there is none. The overlay must not be mounted.</summary>
    public Task RemoveAsync(string containerId, CancellationToken cancellation = default)
    {
        CheckId(containerId);
        cancellation.ThrowIfCancellationRequested();
        var image = _images.Database.Read(c => c.Scalar<string>("SELECT image FROM images_container WHERE container = $1", containerId));
        if (image is null)
        {
            return Task.CompletedTask;
        }

        _images.Database.Write(c => c.Execute("DELETE FROM images_container WHERE container = $1", containerId));
        var directory = DirectoryOf(containerId);
        if (Directory.Exists(directory))
        {
            Directory.Move(directory, _images.Layers.NewTrash());
        }

        if (_images.Catalog.Target(Digest.Parse(image)) is null)
        {
            // The image itself was removed meanwhile; this may have been the last user of its layers.
            _images.CollectGarbage();
        }
        else
        {
            _images.EmptyTrash();
        }

        return Task.CompletedTask;
    }

    /// <summary>Bytes of disk that the container's writable layer takes.</summary>
    public long Usage(string containerId)
    {
        CheckId(containerId);
        return Trees.DiskUsage(Path.Combine(DirectoryOf(containerId), "fs"));
    }

    /// <summary>What the container changed of its image, in the order of names. Throws <see cref="ImageException"/> (NotFound).</summary>
    public IReadOnlyList<FileChange> Changes(string containerId) => ContainerChanges.List(
        Find(containerId) ?? throw new ImageException(ImageErrorKind.NotFound, $"No such container: {containerId}"));

    /// <summary>The containers that have a writable layer.</summary>
    public IReadOnlyList<string> Containers() => _images.Database.Read(c => c.Query("SELECT container FROM images_container", r => r.GetString(0)));

    internal IReadOnlySet<string> DirectoryNames() => new HashSet<string>(
    [
        .. Containers().Select(c => Prefix + c),
        .. _images.Database.Read(c => c.Query("SELECT DISTINCT manifest FROM images_container", r => InitPrefix + Digest.Parse(r.GetString(0)).Hex)),
    ]);

    /// <summary>Moves the layers between images and containers out of the way whose image is gone and on which no container stands.</summary>
    internal void DiscardInitLayers()
    {
        lock (_images.Leases.Gate)
        {
            // Whoever is just making one has leased its manifest.
            var used = _images.Leases.Snapshot();
            used.UnionWith(_images.Database.Read(c => c.Query("SELECT DISTINCT manifest FROM images_container", r => Digest.Parse(r.GetString(0)))));
            foreach (var path in Directory.EnumerateDirectories(_images.Layers.SnapshotsPath, InitPrefix + "*"))
            {
                var hex = Path.GetFileName(path)[InitPrefix.Length..].Split('.')[0];
                if (Digest.TryParse("sha256:" + hex, out var manifest) && !used.Contains(manifest) && !_images.Content.Has(manifest))
                {
                    Directory.Move(path, _images.Layers.NewTrash());
                }
            }
        }
    }

    /// <summary>Makes sure that every layer of an image is unpacked; with <paramref name="prove"/> also that each blob is the layer that the configuration says.</summary>
    internal async Task UnpackAsync(Manifest manifest, ImageConfig config, Lease lease, bool prove, CancellationToken cancellation)
    {
        var diffIds = config.RootFs.DiffIds;
        if (diffIds.Count != manifest.Layers.Count)
        {
            throw new ImageException(
                ImageErrorKind.Corrupt, $"the image's manifest has {manifest.Layers.Count} layers and its configuration {diffIds.Count}");
        }

        // Asked for one by one: the usual case, that all are here, must not cost a task each.
        List<Task>? work = null;
        for (var i = 0; i < diffIds.Count; i++)
        {
            lease.Add(diffIds[i]);
            var blob = manifest.Layers[i].Digest;
            if (!_images.Layers.Has(diffIds[i]) || (prove && !_images.Layers.IsProven(blob, diffIds[i])))
            {
                (work ??= []).Add(_images.Layers.UnpackAsync(blob, diffIds[i], () => _images.Content.Open(blob), lease, null, cancellation));
            }
        }

        if (work is not null)
        {
            await Task.WhenAll(work).ConfigureAwait(false);
        }
    }

    private static void CheckId(string containerId)
    {
        ArgumentException.ThrowIfNullOrEmpty(containerId);
        if (containerId.AsSpan().IndexOfAny('/', '\0') >= 0)
        {
            throw new ArgumentException($"\"{containerId}\" is no container ID", nameof(containerId));
        }
    }

    private string DirectoryOf(string containerId) => Path.Combine(_images.Layers.SnapshotsPath, Prefix + containerId);

    private Digest? ManifestOf(string containerId) =>
        _images.Database.Read(c => c.Scalar<string>("SELECT manifest FROM images_container WHERE container = $1", containerId)) is { } text
            ? Digest.Parse(text)
            : null;

    private string TopLayer(ImageConfig config) =>
        config.RootFs.DiffIds is [.., var top] ? _images.Layers.PathOf(top) : _images.Layers.EmptyLayerPath();

    /// <summary>Overlay shows the upper directory's own owner and mode as the root's: they must be the image's.</summary>
    private static void MakeUpper(string directory, string topLayer)
    {
        var upper = Path.Combine(directory, "fs");
        Directory.CreateDirectory(Path.Combine(directory, "work"));
        if (Directory.Exists(upper))
        {
            return;
        }

        var temporary = Path.Combine(directory, "fs.tmp");
        Directory.CreateDirectory(temporary);
        var name = System.Text.Encoding.UTF8.GetBytes(temporary + '\0');
        if (FileAt.Status(FileAt.CurrentDirectory, System.Text.Encoding.UTF8.GetBytes(topLayer + "/.\0"), out var top) == 0)
        {
            FileAt.ChangeOwner(FileAt.CurrentDirectory, name, top.Uid, top.Gid);
            FileAt.ChangeMode(FileAt.CurrentDirectory, name, top.Permissions);
            FileAt.SetTimes(FileAt.CurrentDirectory, name, top.Accessed, top.Modified);
        }

        Directory.Move(temporary, upper);
    }

    private string InitPath(Digest manifest) => Path.Combine(_images.Layers.SnapshotsPath, InitPrefix + manifest.Hex);

    /// <summary>The image's layers, top first.</summary>
    private List<string> LayerPaths(ImageConfig config)
    {
        var lower = new List<string>();
        var seen = new HashSet<Digest>();
        foreach (var diffId in config.RootFs.DiffIds.Reverse())
        {
            // Overlay refuses a directory twice, and whatever a layer says, its topmost occurrence says last.
            if (seen.Add(diffId))
            {
                lower.Add(_images.Layers.PathOf(diffId));
            }
        }

        if (lower.Count == 0)
        {
            lower.Add(_images.Layers.EmptyLayerPath());
        }

        return lower;
    }

    private RootfsMount Mount(string containerId, Digest manifest, ImageConfig config)
    {
        var directory = DirectoryOf(containerId);
        var image = LayerPaths(config);
        var init = InitPath(manifest);
        return new RootfsMount(containerId, Directory.Exists(init) ? [init, .. image] : image, Path.Combine(directory, "fs"), Path.Combine(directory, "work"))
        {
            ImageDirs = image,
        };
    }
}
