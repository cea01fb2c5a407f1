using Cais.Images.Archives;
using Cais.Images.Building;
using Cais.Images.Catalog;
using Cais.Images.Checking;
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
    private readonly List<Lazy<RegistryTransfers>> _formerRegistries = [];
    private volatile Lazy<RegistryTransfers> _registry;

    private ImageStore(string root, Database database, ImageStoreOptions options)
    {
        (Root, Database, Options) = (root, database, options);
        ImageTables.Migrate(database);
        Content = new ContentStore(root, database, options.Time);
        Leases = new Leases();
        Layers = new LayerStore(root, database, Leases, options.Time);
        Compressor = new LayerCompressor(Content, Layers);
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

    public ImageStoreOptions Options { get; private set; }

    /// <summary>Containers' root file systems over the unpacked layers.</summary>
    public SnapshotStore Snapshots { get; }

    /// <summary>Images as builds use and make them.</summary>
    public BuildImages Building { get; }

    internal Database Database { get; }

    internal ContentStore Content { get; }

    internal Leases Leases { get; }

    internal LayerStore Layers { get; }

    internal LayerCompressor Compressor { get; }

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

    /// <summary>Where an image comes from; nothing that a name can change.</summary>
    public ImageOrigins Origins(Digest image) => new(Catalog.SourcesOf(image), Catalog.BuildsOf(image));

    /// <summary>Gives an image a name (<c>latest</c> if it has no tag). An image that had the name before loses it.</summary>
    public void Tag(Digest image, Reference name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Digest is not null)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "refusing to create a tag with a digest reference");
        }

        if (name.FamiliarName is "sha256" or "sha384" or "sha512")
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "refusing to create an ambiguous tag using digest algorithm as name");
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
    /// Takes over how registries are used: which are insecure or mirrored, and how much is done at once. Transfers that are under way end as they began.
    /// Not for use from several threads at once.
    /// </summary>
    public void Reconfigure(ImageStoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        Options = options with { ContainersUsing = Options.ContainersUsing, Time = Options.Time };
        _formerRegistries.Add(_registry);
        _registry = new Lazy<RegistryTransfers>(() => new RegistryTransfers(this));
    }

    /// <summary>
    /// Fetches an image from its registry. Throws <see cref="ImageException"/>; what had arrived completely of a failed pull is used by the next one while
    /// the process lives.
    /// </summary>
    public Task<PullResult> PullAsync(Reference name, PullOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.PullAsync(name, options, progress, cancellation);

    /// <summary>Sends an image to the registry that its name says. Throws <see cref="ImageException"/>.</summary>
    public Task<PushResult> PushAsync(Reference name, PushOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.PushAsync(name, options, progress, cancellation);

    /// <summary>The tags of a repository in its registry, sorted. Throws <see cref="ImageException"/>.</summary>
    public Task<IReadOnlyList<string>> RemoteTagsAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation) =>
        _registry.Value.TagsAsync(name, credentials, cancellation);

    /// <summary>What a name points to in its registry. Throws <see cref="ImageException"/>.</summary>
    public Task<RemoteImage> InspectRemoteAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation) =>
        _registry.Value.InspectAsync(name, credentials, cancellation);

    /// <summary>A manifest or index as its registry has it. Throws <see cref="ImageException"/>.</summary>
    public Task<(Descriptor Descriptor, byte[] Json)> RemoteManifestAsync(Reference name, RegistryCredentials? credentials, CancellationToken cancellation) =>
        _registry.Value.GetManifestAsync(name, credentials, cancellation);

    /// <summary>
    /// Puts an index under a tag of its registry, after bringing <paramref name="sources"/> (each with its digest) into the repository. Throws <see cref="ImageException"/>.
    /// </summary>
    public Task<Digest> PutRemoteIndexAsync(
        Reference name, byte[] json, string mediaType, IReadOnlyList<Reference> sources, Func<string, RegistryCredentials?> credentials, CancellationToken cancellation) =>
        _registry.Value.PutIndexAsync(name, json, mediaType, sources, credentials, cancellation);

    /// <summary>What the registry knows to refer to a manifest of this repository: signatures, attestations. Throws <see cref="ImageException"/>.</summary>
    public Task<IReadOnlyList<Descriptor>> ReferrersAsync(Reference name, Digest subject, RegistryCredentials? credentials, CancellationToken cancellation) =>
        _registry.Value.ReferrersAsync(name, subject, credentials, cancellation);

    /// <summary>Asks a registry (<c>host:port</c>, or an address as docker's client gives it) whether it takes these credentials. Throws <see cref="ImageException"/>.</summary>
    public Task<LoginResult> LoginAsync(string server, RegistryCredentials credentials, CancellationToken cancellation) =>
        _registry.Value.LoginAsync(server, credentials, cancellation);

    /// <summary>Repositories whose name or description has the term; <c>host/term</c> asks that registry. Throws <see cref="ImageException"/>.</summary>
    public Task<IReadOnlyList<FoundRepository>> SearchAsync(string term, int limit, RegistryCredentials? credentials, CancellationToken cancellation) =>
        _registry.Value.SearchAsync(term, limit, credentials, cancellation);

    /// <summary>The names with tags that a repository has here, sorted.</summary>
    public IReadOnlyList<Reference> TagsOf(Reference repository) =>
        [.. Catalog.Names().Where(n => n.Name.Tag is not null && n.Name.Name == repository.Name).Select(n => n.Name)];

    /// <summary>
    /// Reads an archive of images: docker save's of any age, or an OCI layout, compressed or not. Nothing of a bad archive is kept.
    /// Throws <see cref="ImageException"/>.
    /// </summary>
    public Task<IReadOnlyList<LoadedImage>> LoadAsync(Stream archive, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        LoadAsync(archive, [], progress, cancellation);

    /// <summary>As above; of images for several platforms only <paramref name="platforms"/>, if there are any.</summary>
    public Task<IReadOnlyList<LoadedImage>> LoadAsync(
        Stream archive, IReadOnlyList<Platform> platforms, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        new ArchiveLoader(this, platforms).LoadAsync(archive, progress, cancellation);

    /// <summary>
    /// Writes images as an archive that is an OCI layout and a docker archive at once, as Docker 25 and later do. A repository name without tag
    /// means all its tags. Of images for several platforms only <paramref name="platforms"/>, if there are any. Throws <see cref="ImageException"/>.
    /// </summary>
    public Task SaveAsync(IReadOnlyList<string> names, Stream to, IReadOnlyList<Platform>? platforms, CancellationToken cancellation) =>
        new ArchiveWriter(this).SaveAsync(names, to, platforms ?? [], cancellation);

    /// <summary>Makes an image of one layer from a root file system's tar archive, compressed or not. Throws <see cref="ImageException"/>.</summary>
    public Task<ImageRecord> ImportAsync(Stream tar, ImportOptions options, CancellationToken cancellation) =>
        new TarImporter(this).ImportAsync(tar, options, cancellation);

    /// <summary>As above, from a web server. Throws <see cref="ImageException"/>.</summary>
    public Task<ImageRecord> ImportFromAsync(Uri address, ImportOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.DownloadAsync(address, (stream, length) =>
        {
            var due = new Throttle();
            return ImportAsync(
                new ProgressStream(stream, n =>
                {
                    if (due.IsDue)
                    {
                        progress.Report(new ImageProgress(null, "Importing", n, length));
                    }
                }), options, cancellation);
        }, cancellation);

    /// <summary>The in-toto statements about an image's manifest that came with its index and are here (SBOMs, provenance).</summary>
    public IReadOnlyList<ImageAttestation> Attestations(ImageRecord image)
    {
        ArgumentNullException.ThrowIfNull(image);
        return [.. Catalog.ManifestsOf(image.Target)
            .Where(m => m.Annotation(Annotations.DockerReferenceDigest) == image.ManifestDescriptor.Digest.ToString() && Content.Has(m.Digest))
            .SelectMany(m => Documents.Manifest(m.Digest).Layers)
            .Where(l => l.MediaType == ImageAttestation.MediaType && Content.Has(l.Digest))
            .Select(l => new ImageAttestation(l, l.Annotation(ImageAttestation.PredicateTypeAnnotation) ?? "", () => Content.Read(l.Digest, ImageAttestation.LargestStatement)))];
    }

    /// <summary>
    /// Makes an image of a container's image and what the container changed. The caller pauses the container if the layer must be of one moment.
    /// Throws <see cref="ImageException"/>.
    /// </summary>
    public Task<ImageRecord> CommitAsync(string containerId, CommitOptions options, CancellationToken cancellation) =>
        new ContainerCommitter(this).CommitAsync(containerId, options, cancellation);

    /// <summary>
    /// Verifies every blob and every unpacked layer, and repairs what it can if asked to: blobs by pulling them again, layers by unpacking them again. Takes as
    /// long as reading everything does.
    /// </summary>
    public Task<CheckReport> CheckAsync(CheckOptions options, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        new StoreChecker(this, options, progress).RunAsync(cancellation);

    /// <summary>Bytes that an unpacked layer takes; null if it is not unpacked.</summary>
    public long? LayerSize(Digest diffId) => Layers.SizeOf(diffId);

    /// <summary>Where the bytes are. <paramref name="isUsed"/> tells whether a container stands on an image.</summary>
    public ImageUsage Usage(Func<Digest, bool> isUsed)
    {
        ArgumentNullException.ThrowIfNull(isUsed);
        var contents = Catalog.Contents();
        var users = new Dictionary<string, int>();
        var kept = new Dictionary<string, long>();
        foreach (var (image, items) in contents)
        {
            foreach (var (item, size) in items)
            {
                users[item] = users.GetValueOrDefault(item) + 1;
                if (isUsed(image))
                {
                    kept[item] = size;
                }
            }
        }

        var total = Catalog.TotalSize() + Content.PartialSize;
        return new ImageUsage(
            total, total - kept.Values.Sum(), contents.ToDictionary(c => c.Key, c => c.Value.Where(i => users[i.Key] > 1).Sum(i => i.Value)));
    }

    /// <summary>
    /// Removes some platforms of an image and keeps its names and its index. Throws <see cref="ImageException"/>: NotFound if one is not here, Conflict if a container uses it.
    /// </summary>
    public IReadOnlyList<RemovedItem> RemovePlatforms(string referenceOrId, IReadOnlyList<Platform> platforms, bool force = false) =>
        _removal.RemovePlatforms(referenceOrId, platforms, force);

    public async ValueTask DisposeAsync()
    {
        foreach (var former in _formerRegistries.Where(r => r.IsValueCreated))
        {
            await former.Value.DisposeAsync().ConfigureAwait(false);
        }

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
        Snapshots.DiscardInitLayers();
        EmptyTrash();
        return freed;
    }

    internal Task FetchAgainAsync(
        Reference name, IReadOnlyList<Descriptor> manifests, RegistryCredentials? credentials, IProgress<ImageProgress> progress, CancellationToken cancellation) =>
        _registry.Value.FetchAgainAsync(name, manifests, credentials, progress, cancellation);

    internal static ImageException NoSuchImage(string text) => new(
        ImageErrorKind.NotFound,
        $"No such image: {(Reference.TryParse(text, out var name) ? name.WithDefaultTag().Familiar : text)}");

    internal void EmptyTrash() => _ = Task.Run(Layers.EmptyTrash);
}
