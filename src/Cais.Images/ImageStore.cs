using Cais.Images.Archives;
using Cais.Images.Building;
using Cais.Images.Catalog;
using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Images.Registry;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images;

/// <summary>
/// Images by name and digest, their content, and where they come from and go to. Safe to use from any thread. Everything that a method
/// reports as done survives the process; what was under way when the process died is gone at the next <see cref="Open"/>.
/// </summary>
public sealed class ImageStore : IAsyncDisposable
{
    private readonly ImageRemoval _removal;
    private readonly Lazy<RegistryTransfers> _registry;

    private ImageStore(string root, Database database, ImageStoreOptions options)
    {
        (Root, Database, Options) = (root, database, options);
        ImageTables.Migrate(database);
        Content = new ContentStore(root, database, options.Time);
        Leases = new Leases();
        Layers = new LayerStore(root, database, Leases, options.Time);
        Documents = new Documents(Content, database);
        Catalog = new ImageCatalog(database, Documents, Content, Layers, Leases, options.Time);
        Snapshots = new SnapshotStore(this);
        Building = new BuildImages(this);
        _removal = new ImageRemoval(this);

        // The HTTP stack costs memory and start-up time, which a daemon that never pulls should not pay.
        _registry = new Lazy<RegistryTransfers>(() => new RegistryTransfers(this));
    }

    /// <summary>The directory that the store owns <c>content</c> and <c>snapshots</c> in.</summary>
    public string Root { get; }

    public ImageStoreOptions Options { get; }

    /// <summary>Containers' root file systems over the unpacked layers.</summary>
    public SnapshotStore Snapshots { get; }

    /// <summary>Images as builds use and make them.</summary>
    public BuildImages Building { get; }

    internal Database Database { get; }

    internal ContentStore Content { get; }

    internal Leases Leases { get; }

    internal LayerStore Layers { get; }

    internal Documents Documents { get; }

    internal ImageCatalog Catalog { get; }

    /// <summary>
    /// Opens the store under <paramref name="root"/>, making what is missing and collecting what a crash left behind. One process at a time.
    /// Throws <see cref="IOException"/> or a database error.
    /// </summary>
    public static ImageStore Open(string root, Database database, ImageStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(root);
        ArgumentNullException.ThrowIfNull(database);
        var store = new ImageStore(Path.GetFullPath(root), database, options ?? new ImageStoreOptions());
        store.Content.CollectGarbage();
        store.Layers.CollectGarbage(store.Snapshots.DirectoryNames());
        store.EmptyTrash();
        return store;
    }

    /// <summary>
    /// The image that a user means: a name (<c>latest</c> if it has no tag), <c>name@digest</c>, an ID or the start of one. Null if there is none,
    /// or none for a platform asked for. Throws <see cref="ImageException"/> if an ID is ambiguous or the text can be no name.
    /// </summary>
    public ImageRecord? Resolve(string referenceOrId, Platform? platform = null) =>
        Catalog.Find(referenceOrId, out _) is { } target ? Catalog.Record(target, platform) : null;

    /// <summary>As <see cref="Resolve"/>; throws Docker's "No such image" (NotFound) if there is none.</summary>
    public ImageRecord Get(string referenceOrId, Platform? platform = null)
    {
        var target = Catalog.Find(referenceOrId, out var name) ?? throw NoSuchImage(referenceOrId);
        return Catalog.Record(target, platform) ?? throw new ImageException(
            ImageErrorKind.NotFound,
            $"image with reference {name?.Familiar ?? referenceOrId} was found but does not provide the specified platform ({platform ?? Platform.Current})");
    }

    /// <summary>All images, in no order. One without a manifest that is here is left out.</summary>
    public IReadOnlyList<ImageRecord> List() => [.. Catalog.Targets().Select(t => Catalog.Record(t, null)).OfType<ImageRecord>()];

    /// <summary>All manifests of an image, with those that are not here and those that are attestations.</summary>
    public IReadOnlyList<ImageManifestRecord> Manifests(Digest id)
    {
        var target = Catalog.Target(id) ?? throw NoSuchImage(id.ToString());
        return [.. Catalog.ManifestsOf(target).Select(m =>
        {
            var (content, unpacked) = Catalog.Sizes(m.Digest);
            var isHere = Content.Has(m.Digest) && Catalog.IsComplete(m.Digest);
            var platform = m.Platform ?? (isHere && Documents.Manifest(m.Digest).IsImage ? Documents.Config(Documents.Manifest(m.Digest).Config.Digest).Platform : null);
            return new ImageManifestRecord(m, isHere, m.Annotation(Annotations.DockerReferenceType) is not null, platform, content, unpacked);
        })];
    }

    /// <summary>Gives an image a name (<c>latest</c> if it has no tag). An image that had the name before loses it.</summary>
    public void Tag(Digest image, Reference name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Digest is not null)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "refusing to create a tag with a digest reference");
        }

        lock (Leases.Gate)
        {
            Catalog.Put(Catalog.Target(image) ?? throw NoSuchImage(image.ToString()), name.WithDefaultTag());
        }
    }

    /// <summary>
    /// Removes a name, or an image with all its names, by Docker's rules. Throws <see cref="ImageException"/>: NotFound, or Conflict if a container uses it
    /// or several names point to it.
    /// </summary>
    public IReadOnlyList<RemovedItem> Remove(string referenceOrId, bool force = false) => _removal.Remove(referenceOrId, force);

    /// <summary>Removes images without a name (<paramref name="all"/>: any) that no container uses and that pass <paramref name="filter"/>.</summary>
    public PruneResult Prune(bool all, Func<ImageRecord, bool>? filter = null) => _removal.Prune(all, filter);

    /// <summary>
    /// Fetches an image from its registry. Throws <see cref="ImageException"/>; what had arrived completely of a failed pull is used by the next one while
    /// the process lives.
    /// </summary>
    public Task<PullResult> PullAsync(Reference name, PullOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.PullAsync(name, options, progress, cancellation);

    /// <summary>Sends an image to the registry that its name says. Throws <see cref="ImageException"/>.</summary>
    public Task<PushResult> PushAsync(Reference name, PushOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.PushAsync(name, options, progress, cancellation);

    /// <summary>
    /// Reads an archive of images: docker save's of any age, or an OCI layout, compressed or not. Nothing of a bad archive is kept.
    /// Throws <see cref="ImageException"/>.
    /// </summary>
    public Task<IReadOnlyList<LoadedImage>> LoadAsync(Stream archive, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        new ArchiveLoader(this).LoadAsync(archive, progress, cancellation);

    /// <summary>
    /// Writes images as an archive that is an OCI layout and a docker archive at once, as Docker 25 and later do. A repository name without tag
    /// means all its tags.
    /// </summary>
    public Task SaveAsync(IReadOnlyList<string> names, Stream to, Platform? platform, CancellationToken cancellation) =>
        new ArchiveWriter(this).SaveAsync(names, to, platform, cancellation);

    /// <summary>Makes an image of one layer from a root file system's tar archive, compressed or not. Throws <see cref="ImageException"/>.</summary>
    public Task<ImageRecord> ImportAsync(Stream tar, ImportOptions options, CancellationToken cancellation) =>
        new TarImporter(this).ImportAsync(tar, options, cancellation);

    /// <summary>
    /// Makes an image of a container's image and what the container changed. The caller pauses the container if the layer must be of one moment.
    /// Throws <see cref="ImageException"/>.
    /// </summary>
    public Task<ImageRecord> CommitAsync(string containerId, CommitOptions options, CancellationToken cancellation) =>
        new ContainerCommitter(this).CommitAsync(containerId, options, cancellation);

    public async ValueTask DisposeAsync()
    {
        if (_registry.IsValueCreated)
        {
            await _registry.Value.DisposeAsync().ConfigureAwait(false);
        }

        Layers.Dispose();
    }

    /// <summary>Frees what nothing needs any more; big deletions go on in the background.</summary>
    internal long CollectGarbage()
    {
        var freed = Catalog.CollectGarbage();
        EmptyTrash();
        return freed;
    }

    internal static ImageException NoSuchImage(string text) => new(
        ImageErrorKind.NotFound,
        $"No such image: {(Reference.TryParse(text, out var name) ? name.WithDefaultTag().Familiar : text)}");

    internal void EmptyTrash() => _ = Task.Run(Layers.EmptyTrash);
}
