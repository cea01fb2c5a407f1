using Cais.Images.Archives;
using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Building;

/// <summary>A layer of an image to store: one that an image has (<paramref name="DiffId"/> known, no directory), or a directory that a build made.</summary>
/// <param name="Directory">An overlay's upper directory, marks of deletion included.</param>
/// <param name="Latest">No file of the layer is newer than that many seconds since 1970; null for as they are.</param>
public sealed record LayerSource(Digest? DiffId, string? Directory, long? Latest = null);

/// <summary>How the layers that a build made are stored.</summary>
public enum LayerCompression
{
    /// <summary>As they are: for images that stay here.</summary>
    None,
    Gzip,
    Zstd,
}

/// <summary>Images as builds use and make them: base images that are held, layers made of directories, images of several platforms.</summary>
public sealed class BuildImages
{
    private readonly ImageStore _store;

    internal BuildImages(ImageStore store) => _store = store;

    /// <summary>Holds an image. Throws <see cref="ImageException"/> (NotFound) if it has just been removed.</summary>
    public HeldImage Hold(ImageRecord image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var lease = _store.Leases.Begin();
        lease.Add(image.Id);
        lease.Add(image.ManifestDescriptor.Digest);
        foreach (var diffId in image.Config.RootFs.DiffIds)
        {
            lease.Add(diffId);
        }

        if (_store.Content.Has(image.ManifestDescriptor.Digest))
        {
            return new HeldImage(_store, image, lease);
        }

        lease.Dispose();
        throw ImageStore.NoSuchImage(image.RepoTags is [var tag, ..] ? tag : image.Id.ToString());
    }

    /// <summary>A build's directory that has become an image's layer is about to be removed: if the image is still here, it keeps the directory.</summary>
    public void Release(Digest diffId, string directory) => _store.Layers.TakeOver(diffId, directory);

    /// <summary>An image being written; what was added to it stays only if it is stored.</summary>
    public ImageWriter Begin() => new(_store, _store.Leases.Begin());
}

/// <summary>
/// Writes one image: its layers, then a configuration and manifest for each platform, then whatever its names shall point to. Disposed of
/// before that, nothing of it was.
/// </summary>
public sealed class ImageWriter : IDisposable
{
    private readonly ImageStore _store;
    private readonly Lease _lease;

    internal ImageWriter(ImageStore store, Lease lease) => (_store, _lease) = (store, lease);

    /// <summary>
    /// Stores a directory as a layer, as an uncompressed archive: compressing is for those who send it. Gives the DiffID, which is its digest.
    /// A directory whose <paramref name="known"/> DiffID is still here is not read. Throws <see cref="ImageException"/> or an <see cref="IOException"/>.
    /// </summary>
    public async Task<Digest> AddLayerAsync(LayerSource source, Digest? known, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (known is { } id)
        {
            _lease.Add(id);
            if (_store.Content.Has(id) && _store.Layers.Has(id))
            {
                return id;
            }
        }

        var directory = source.Directory ?? throw new ImageException(ImageErrorKind.NotFound, $"layer {source.DiffId} is not here any more: build again");
        var made = await StoreErrors.Guard(() => OwnThread.Run("layer", () => Store(directory, source.Latest, cancellation))).ConfigureAwait(false);
        if (source.Latest is not null)
        {
            // The directory has other times than the archive: containers must see what the archive says.
            await _store.Layers.UnpackAsync(made, made, () => _store.Content.Open(made), _lease, null, cancellation).ConfigureAwait(false);
        }

        return made;
    }

    /// <summary>The blob of a layer that a held image or this writer brought.</summary>
    public Descriptor DescriptorOf(Digest diffId, IEnumerable<HeldImage> images) =>
        images.Select(i => i.LayerOf(diffId)).OfType<Descriptor>().FirstOrDefault() is { } found
            ? new Descriptor { MediaType = found.MediaType, Digest = found.Digest, Size = found.Size, Urls = found.Urls }
            : _store.Content.SizeOf(diffId) is { } size
                ? new Descriptor { MediaType = MediaTypes.OciLayer, Digest = diffId, Size = size }
                : throw new ImageException(ImageErrorKind.NotFound, $"layer {diffId} is not here any more: build again");

    /// <summary>
    /// The layer as a compressed blob, for those who send it: one that is here already, or one made now. A layer that is compressed stays as it is.
    /// </summary>
    public async Task<Descriptor> CompressAsync(Descriptor layer, LayerCompression compression, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(layer);
        if (compression == LayerCompression.None || layer.MediaType is not MediaTypes.OciLayer)
        {
            return layer;
        }

        var mediaType = compression == LayerCompression.Zstd ? MediaTypes.OciLayerZstd : MediaTypes.OciLayerGzip;
        var kind = compression == LayerCompression.Zstd ? CompressionKind.Zstd : CompressionKind.Gzip;
        var (digest, length) = await _store.Compressor.CompressAsync(layer.Digest, kind, _lease, null, cancellation).ConfigureAwait(false);
        return new Descriptor { MediaType = mediaType, Digest = digest, Size = length };
    }

    /// <summary>Stores a small blob: an attestation.</summary>
    public Descriptor AddBlob(ReadOnlySpan<byte> content, string mediaType, IReadOnlyDictionary<string, string>? annotations = null)
    {
        var digest = Digest.Of(content);
        _lease.Add(digest);
        _store.Content.Add(content, digest);
        return new Descriptor { MediaType = mediaType, Digest = digest, Size = content.Length, Annotations = annotations };
    }

    /// <summary>Stores a configuration and its manifest.</summary>
    public (Descriptor Manifest, Descriptor Config) AddManifest(ImageConfig config, IReadOnlyList<Descriptor> layers, IReadOnlyDictionary<string, string>? annotations = null)
    {
        ArgumentNullException.ThrowIfNull(config);
        var json = config.ToJson();
        var digest = Digest.Of(json);
        _lease.Add(digest);
        _store.Documents.AddConfig(json, digest);
        var described = new Descriptor { MediaType = MediaTypes.OciConfig, Digest = digest, Size = json.Length };
        return (AddManifest(new Manifest { MediaType = MediaTypes.OciManifest, Config = described, Layers = layers, Annotations = annotations }), described);
    }

    /// <summary>Stores a manifest of blobs that are here.</summary>
    public Descriptor AddManifest(Manifest manifest)
    {
        ArgumentNullException.ThrowIfNull(manifest);
        var json = manifest.ToJson();
        var digest = Digest.Of(json);
        _lease.Add(digest);
        _store.Documents.AddMade(json, MediaTypes.OciManifest, digest);
        return new Descriptor { MediaType = MediaTypes.OciManifest, Digest = digest, Size = json.Length };
    }

    /// <summary>Stores an index of manifests that are here.</summary>
    public Descriptor AddIndex(Index index)
    {
        ArgumentNullException.ThrowIfNull(index);
        var json = index.ToJson();
        var digest = Digest.Of(json);
        _lease.Add(digest);
        _store.Documents.AddManifest(json, MediaTypes.OciIndex, digest);
        return new Descriptor { MediaType = MediaTypes.OciIndex, Digest = digest, Size = json.Length };
    }

    /// <summary>
    /// Makes it an image, with names or without, and notes by which build it came about (by its identifier, empty if it has none; null: by none). On the disk when this
    /// returns.
    /// </summary>
    public ImageRecord Store(Descriptor target, IReadOnlyList<Reference> names, Platform? platform, string? build = null)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(names);
        var bare = new Descriptor { MediaType = target.MediaType, Digest = target.Digest, Size = target.Size };
        if (names.Count == 0)
        {
            _store.Catalog.Put(bare, null);
        }

        foreach (var name in names)
        {
            _store.Catalog.Put(bare, name.WithDefaultTag());
        }

        if (build is not null)
        {
            _store.Catalog.NoteBuilt(target.Digest, build);
        }

        return _store.Catalog.Record(bare, platform) ?? _store.Catalog.Record(bare, null)
            ?? throw new ImageException(ImageErrorKind.Corrupt, $"image {target.Digest} was stored incompletely");
    }

    /// <summary>Writes something that this writer holds as an archive, by the names that it shall have where it is loaded. Throws <see cref="ImageException"/>.</summary>
    public Task SaveAsync(Descriptor target, IReadOnlyList<Reference> names, Stream to, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(target);
        var bare = new Descriptor { MediaType = target.MediaType, Digest = target.Digest, Size = target.Size };
        return new ArchiveWriter(_store).SaveAsync([.. names.Select(n => (bare, (Reference?)n.WithDefaultTag())).DefaultIfEmpty((bare, null))], to, cancellation);
    }

    public void Dispose() => _lease.Dispose();

    private Digest Store(string directory, long? latest, CancellationToken cancellation)
    {
        using var ingest = _store.Content.Begin(default);
        try
        {
            var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(directory), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
            using var tree = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {directory}");
            using (var sink = new BufferedStream(new IngestStream(ingest), 128 * 1024))
            {
                var tar = new TarWriter(sink);
                new TreeArchiver(tar, asLayer: true, cancellation) { Latest = latest }.AddContents(fd, default);
                tar.Finish();
            }

            var digest = ingest.Verify(null);
            _lease.Add(digest);
            _store.Content.Commit(ingest, digest);
            if (latest is null)
            {
                _store.Layers.Adopt(digest, directory);
            }

            return digest;
        }
        catch
        {
            _store.Content.Discard(ingest);
            throw;
        }
    }
}
