using System.Text;
using System.Text.Json;
using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Archives;

/// <summary>
/// docker load. The archive is read once, front to back, and its table of contents usually comes last: so every blob goes into the store as it comes, and
/// whatever looks like a layer is unpacked at the same time. What no image of the archive turns out to need is collected afterwards.
/// </summary>
internal sealed class ArchiveLoader(ImageStore store, IReadOnlyList<Platform> platforms)
{
    private const int LargestDocument = 4 * 1024 * 1024;
    private const int MostMembers = 100_000;

    private readonly Dictionary<string, Descriptor> _blobs = [];
    private readonly Dictionary<string, string> _links = [];
    private readonly Dictionary<string, byte[]> _documents = [];
    private readonly HashSet<Digest> _unwanted = [];
    private readonly List<Task> _commits = [];
    private readonly List<Task<Digest>> _unpacking = [];

    public async Task<IReadOnlyList<LoadedImage>> LoadAsync(Stream archive, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var lease = store.Leases.Begin();
        try
        {
            return await StoreErrors.Guard(async () =>
            {
                using (var input = new ReadAheadStream(archive, asynchronous: true))
                {
                    await OwnThread.Run("load", () => ReadArchive(input, lease, progress, stop.Token)).ConfigureAwait(false);
                }

                await Task.WhenAll(_commits).ConfigureAwait(false);
                await ((Task)Task.WhenAll(_unpacking)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return await AddImagesAsync(lease, stop.Token).ConfigureAwait(false);
            }).ConfigureAwait(false);
        }
        catch
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await Task.WhenAll([.. _commits, .. _unpacking]).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        finally
        {
            lease.Dispose();
            store.CollectGarbage();
        }
    }

    private bool ReadArchive(Stream input, Lease lease, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        using var plain = Compression.OpenReader(input, out var kind);
        using var ahead = kind == CompressionKind.None ? plain : new ReadAheadStream(plain);
        using var tar = new TarReader(ahead);
        var path = new MemberPath();
        for (var members = 0; tar.Read(); members++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (members >= MostMembers)
            {
                throw new ImageException(ImageErrorKind.InvalidArgument, "the archive has far too many members to be one of images");
            }

            if (!path.TrySet(tar.Entry.Name))
            {
                throw new ImageException(ImageErrorKind.InvalidArgument, $"archive member \"{tar.Entry.DisplayName}\" leads outside of the archive");
            }

            var name = Encoding.UTF8.GetString(path.ToArray());
            switch (tar.Entry.Kind)
            {
                case TarEntryKind.File:
                    ReadFile(name, tar, lease, progress, cancellation);
                    break;
                case TarEntryKind.SymbolicLink:
                    _links[name] = Resolve(Path.GetDirectoryName(name) ?? "", Encoding.UTF8.GetString(tar.Entry.LinkName));
                    break;
                case TarEntryKind.HardLink:
                    _links[name] = Resolve("", Encoding.UTF8.GetString(tar.Entry.LinkName));
                    break;
            }
        }

        return true;
    }

    private static string Resolve(string directory, string target)
    {
        var path = new MemberPath();
        return path.TrySet(Encoding.UTF8.GetBytes(target.StartsWith('/') ? target : $"{directory}/{target}")) ? Encoding.UTF8.GetString(path.ToArray()) : "";
    }

    private void ReadFile(string name, TarReader tar, Lease lease, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        if (name is "index.json" or "manifest.json" or "oci-layout")
        {
            _documents[name] = tar.ReadAll(LargestDocument);
            return;
        }

        var expected = default(Digest);
        if (name.StartsWith("blobs/", StringComparison.Ordinal)
            && (name.Split('/') is not [_, var algorithm, var hex] || !Digest.TryParse($"{algorithm}:{hex}", out expected)))
        {
            return;
        }

        if (name is "repositories" || name.EndsWith("/VERSION", StringComparison.Ordinal))
        {
            return;
        }

        if (!expected.IsEmpty)
        {
            lease.Add(expected);
            if (store.Content.SizeOf(expected) is { } size)
            {
                _blobs[name] = new Descriptor { Digest = expected, Size = size };
                return;
            }
        }

        Ingest(name, expected, tar, lease, progress, cancellation);
    }

    private void Ingest(string name, Digest expected, TarReader tar, Lease lease, IProgress<ImageProgress> progress, CancellationToken cancellation)
    {
        var ingest = store.Content.Begin(expected);
        Task<Digest>? unpacking = null;
        try
        {
            var size = tar.Entry.Size;
            var compression = CompressionKind.None;
            var report = new Throttle();
            while (true)
            {
                var data = tar.ReadData(out _);
                if (data.IsEmpty)
                {
                    break;
                }

                if (ingest.Length == 0)
                {
                    compression = Compression.Detect(data);
                    if (LooksLikeLayer(data))
                    {
                        unpacking = store.Layers.UnpackAsync(expected, null, ingest.OpenReader, lease, null, cancellation);
                    }
                }

                ingest.Write(data);
                cancellation.ThrowIfCancellationRequested();
                if (unpacking is not null && report.IsDue)
                {
                    progress.Report(new ImageProgress(Short(expected, name), "Loading layer", ingest.Length, size));
                }
            }

            var digest = ingest.Verify(size);
            if (unpacking is not null)
            {
                progress.Report(new ImageProgress(Short(expected, name), "Loading layer", size, size));
                _unpacking.Add(unpacking);
            }

            lease.Add(digest);
            _blobs[name] = new Descriptor { Digest = digest, Size = size, MediaType = LayerType(compression) };

            // The disk takes its time to confirm: the next member is read meanwhile.
            _commits.Add(Task.Run(() =>
            {
                using (ingest)
                {
                    store.Content.Commit(ingest, digest);
                }
            }, CancellationToken.None));
        }
        catch (Exception e)
        {
            ingest.Fail(e);
            if (unpacking is not null)
            {
                _unpacking.Add(unpacking);
            }

            store.Content.Discard(ingest);
            throw;
        }
    }

    private static string Short(Digest digest, string name) => digest.IsEmpty ? name[..Math.Min(12, name.Length)] : digest.Short;

    /// <summary>Compressed, or a tar header. Taking something else for a layer costs an attempt; missing one costs time later.</summary>
    private static bool LooksLikeLayer(ReadOnlySpan<byte> start) =>
        Compression.Detect(start) is CompressionKind.Gzip or CompressionKind.Zstd
        || (start.Length >= TarHeader.Size && start[0] != '{' && new TarHeader(start[..TarHeader.Size]) is var header && (header.IsAllZero || header.ChecksumHolds()));

    /// <summary>Docker's types, because only archives of docker's own kind have layers that no manifest describes.</summary>
    private static string LayerType(CompressionKind compression) => compression switch
    {
        CompressionKind.Gzip => MediaTypes.DockerLayerGzip,
        CompressionKind.Zstd => MediaTypes.DockerLayerZstd,
        _ => MediaTypes.DockerLayer,
    };

    private async Task<IReadOnlyList<LoadedImage>> AddImagesAsync(Lease lease, CancellationToken cancellation)
    {
        var images = new List<(Descriptor Target, IReadOnlyList<Reference> Names)>();
        if (_documents.TryGetValue("index.json", out var index))
        {
            foreach (var entry in Index.Parse(index).Manifests)
            {
                AddTree(entry, lease, isTop: true);
                images.Add((entry with { Annotations = null, Platform = null }, NameOf(entry)));
            }
        }
        else if (_documents.TryGetValue("manifest.json", out var manifest))
        {
            images.AddRange(ParseDockerManifest(manifest).Select(i => AddDockerImage(i, lease)));
        }
        else
        {
            throw new ImageException(
                ImageErrorKind.InvalidArgument, "unrecognized image format: the archive has neither index.json nor manifest.json");
        }

        // Checked and unpacked before anything gets a name: a bad archive changes nothing.
        var needed = new HashSet<Digest>();
        foreach (var (target, _) in images)
        {
            await UnpackAsync(target, needed, lease, cancellation).ConfigureAwait(false);
        }

        DropUnneeded(needed);
        DropUnwanted();
        return Name(images);
    }

    private List<LoadedImage> Name(List<(Descriptor Target, IReadOnlyList<Reference> Names)> images)
    {
        var loaded = new List<LoadedImage>();
        foreach (var (target, names) in images)
        {
            foreach (var name in names)
            {
                store.Catalog.Put(target, name);
                loaded.Add(new LoadedImage(name.Familiar, target.Digest));
            }

            if (names.Count == 0)
            {
                store.Catalog.Put(target, null);
                loaded.Add(new LoadedImage(null, target.Digest));
            }
        }

        return loaded;
    }

    private async Task UnpackAsync(Descriptor target, HashSet<Digest> needed, Lease lease, CancellationToken cancellation)
    {
        var record = store.Catalog.Record(target, null);
        foreach (var platform in MediaTypes.IsIndex(target.MediaType) ? [] : platforms)
        {
            if (record is not null && platform.Preference(record.Platform) is null)
            {
                throw new ImageException(ImageErrorKind.NotFound, $"requested platform(s) {platform} not found: image might be for another platform");
            }
        }

        if (record is null)
        {
            var complete = store.Catalog.ManifestsOf(target).Any(m => store.Content.Has(m.Digest) && store.Catalog.IsComplete(m.Digest));
            if (!complete)
            {
                throw new ImageException(ImageErrorKind.InvalidArgument, $"the archive does not contain all of image {target.Digest}");
            }

            // An artifact: stored, never run.
            return;
        }

        if (!store.Catalog.IsComplete(record.ManifestDescriptor.Digest))
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"the archive does not contain all layers of image {target.Digest}");
        }

        await store.Snapshots.UnpackAsync(record.Manifest, record.Config, lease, prove: true, cancellation).ConfigureAwait(false);
        needed.UnionWith(record.Config.RootFs.DiffIds);
    }

    /// <summary>Layers that were unpacked on suspicion, of other platforms for example.</summary>
    private void DropUnneeded(HashSet<Digest> needed)
    {
        foreach (var task in _unpacking.Where(t => t.IsCompletedSuccessfully && !needed.Contains(t.Result)))
        {
            store.Layers.DropIfUnused(task.Result);
        }
    }

    /// <summary>Manifests of platforms that were not asked for, unless another image has them.</summary>
    private void DropUnwanted()
    {
        lock (store.Leases.Gate)
        {
            foreach (var digest in _unwanted.Where(d => !store.Catalog.Targets().Any(t => store.Catalog.Reaches(t.Digest, d))))
            {
                store.Catalog.DropManifest(digest);
            }
        }
    }

    /// <summary>Notes what manifests and configurations refer to, down from one entry; what the archive does not have is left out.</summary>
    private void AddTree(Descriptor entry, Lease lease, bool isTop)
    {
        lease.Add(entry.Digest);
        if (!store.Content.Has(entry.Digest))
        {
            if (isTop)
            {
                throw new ImageException(ImageErrorKind.InvalidArgument, $"the archive's index names {entry.Digest}, which the archive does not contain");
            }

            return;
        }

        if (MediaTypes.IsIndex(entry.MediaType))
        {
            var json = store.Content.Read(entry.Digest, Manifest.LargestSize);
            store.Documents.AddManifest(json, entry.MediaType, entry.Digest);
            var parsed = Index.Parse(json);
            var wanted = Wanted(parsed);
            foreach (var child in parsed.Manifests)
            {
                if (wanted is null || wanted.Contains(child.Digest))
                {
                    // One level of nesting, as registries have it: deeper is nobody's image.
                    AddTree(child, lease, isTop: false);
                }
                else if (_blobs.Values.Any(b => b.Digest == child.Digest))
                {
                    _unwanted.Add(child.Digest);
                }
            }
        }
        else if (MediaTypes.IsManifest(entry.MediaType))
        {
            var json = store.Content.Read(entry.Digest, Manifest.LargestSize);
            store.Documents.AddManifest(json, entry.MediaType, entry.Digest);
            var config = Manifest.Parse(json).Config;
            if (MediaTypes.IsConfig(config.MediaType) && store.Content.Has(config.Digest))
            {
                store.Documents.AddConfig(store.Content.Read(config.Digest, ImageConfig.LargestSize), config.Digest);
            }
        }
        else if (isTop)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"unsupported media type {entry.MediaType} of {entry.Digest}");
        }
    }

    /// <summary>The manifests for the platforms asked for; null if all are wanted.</summary>
    private HashSet<Digest>? Wanted(Index index)
    {
        if (platforms.Count == 0)
        {
            return null;
        }

        var chosen = platforms.Select(p => index.ForPlatform(p).FirstOrDefault(m => store.Content.Has(m.Digest)) ?? throw new ImageException(
            ImageErrorKind.NotFound, $"requested platform(s) {p} not found: image might be for another platform")).Select(m => m.Digest).ToHashSet();
        chosen.UnionWith(index.Manifests
            .Where(m => m.Annotation(Annotations.DockerReferenceDigest) is { } about && Digest.TryParse(about, out var d) && chosen.Contains(d)).Select(m => m.Digest).ToList());
        return chosen;
    }

    private static IReadOnlyList<Reference> NameOf(Descriptor entry)
    {
        var name = entry.Annotation(Annotations.ContainerdImageName);
        if (name is null && entry.Annotation(Annotations.RefName) is { } full && full.AsSpan().IndexOfAny('/', ':') >= 0)
        {
            name = full;
        }

        return name is not null && Reference.TryParse(name, out var reference) ? [reference.WithDefaultTag()] : [];
    }

    private static IReadOnlyList<DockerArchiveImage> ParseDockerManifest(byte[] json)
    {
        try
        {
            var images = JsonSerializer.Deserialize(json, ArchiveJson.Default.IReadOnlyListDockerArchiveImage);
            return images is { Count: > 0 } && images.All(i => i?.Config is not null && i.Layers is not null && i.Layers.All(l => l is not null))
                ? images
                : throw new ImageException(ImageErrorKind.InvalidArgument, "the archive's manifest.json names no images");
        }
        catch (JsonException e)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"the archive's manifest.json is not valid: {e.Message}", e);
        }
    }

    private (Descriptor Target, IReadOnlyList<Reference> Names) AddDockerImage(DockerArchiveImage image, Lease lease)
    {
        var config = Blob(image.Config!);
        var layers = image.Layers!.Select(Blob).ToList();
        var json = store.Content.Read(config.Digest, ImageConfig.LargestSize);
        store.Documents.AddConfig(json, config.Digest);
        var diffIds = ImageConfig.Parse(json).RootFs.DiffIds;
        if (diffIds.Count != layers.Count)
        {
            throw new ImageException(
                ImageErrorKind.InvalidArgument, $"invalid manifest, layers length mismatch: expected {diffIds.Count}, got {layers.Count}");
        }

        var manifest = new Manifest
        {
            MediaType = MediaTypes.DockerManifest,
            Config = config with { MediaType = MediaTypes.DockerConfig },
            Layers = [.. layers.Select(l => l.MediaType.Length > 0 ? l : l with { MediaType = LayerType(TypeOf(l.Digest)) })],
        }.ToJson();
        var digest = Digest.Of(manifest);
        lease.Add(digest);
        store.Documents.AddMade(manifest, MediaTypes.DockerManifest, digest);
        var names = (image.RepoTags ?? []).Select(t => Reference.TryParse(t, out var name)
            ? name.WithDefaultTag()
            : throw new ImageException(ImageErrorKind.InvalidArgument, $"the archive's manifest.json has the invalid name \"{TarText.Display(Encoding.UTF8.GetBytes(t ?? ""))}\"")).ToList();
        return (new Descriptor { MediaType = MediaTypes.DockerManifest, Digest = digest, Size = manifest.Length }, names);
    }

    private CompressionKind TypeOf(Digest blob)
    {
        using var file = store.Content.Open(blob);
        var start = new byte[Compression.MagicLength];
        return Compression.Detect(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
    }

    private Descriptor Blob(string path)
    {
        var name = Resolve("", path);
        for (var hops = 0; hops < 8 && _links.TryGetValue(name, out var target); hops++)
        {
            name = target;
        }

        return _blobs.TryGetValue(name, out var blob)
            ? blob
            : throw new ImageException(ImageErrorKind.InvalidArgument, $"invalid archive: its manifest.json names {TarText.Display(Encoding.UTF8.GetBytes(path))}, which it does not contain");
    }
}
