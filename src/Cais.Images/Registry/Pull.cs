using Cais.Images.Content;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Registry;

/// <summary>
/// One pull from one endpoint. All layers download, are verified, decompressed and unpacked at the same time; the name is given once all of it is
/// here and proven.
/// </summary>
internal sealed class Pull(
    ImageStore store, RegistryTransfers transfers, RegistryClient client, Reference name, PullOptions options, IProgress<ImageProgress> progress)
{
    private readonly Lease _lease = store.Leases.Begin();
    private bool _fetchedAnything;

    public async Task<PullResult> RunAsync(CancellationToken cancellation)
    {
        using (_lease)
        {
            var line = name.Tag ?? name.Digest!.Value.ToString();
            progress.Report(new ImageProgress(line, $"Pulling from {RemoteName}"));
            var target = await FetchRootAsync(cancellation).ConfigureAwait(false);
            var own = OwnImageSentAs(target);
            if (own is null)
            {
                foreach (var manifest in await SelectAsync(target, cancellation).ConfigureAwait(false))
                {
                    await FetchImageAsync(manifest, cancellation).ConfigureAwait(false);
                    await FetchStatementsAsync(target, manifest, cancellation).ConfigureAwait(false);
                }
            }

            var changed = own is null && (store.Catalog.Put(target, name.Digest is null ? name : name.WithDigest(name.Digest.Value)) || _fetchedAnything);
            store.Catalog.NotePulled((own ?? target).Digest, name.Name);
            if (client.Connection.RateLimit is { } limit)
            {
                progress.Report(new ImageProgress(null, $"Rate limit: {limit}"));
            }

            progress.Report(new ImageProgress(null, $"Digest: {target.Digest}"));
            progress.Report(new ImageProgress(
                null, changed ? $"Status: Downloaded newer image for {name.Familiar}" : $"Status: Image is up to date for {name.Familiar}"));
            var record = store.Catalog.Record(own ?? target, options.AllPlatforms ? null : options.Platform)
                ?? throw new ImageException(ImageErrorKind.NotFound, $"{name.Familiar} is no image that can run here");
            return new PullResult(record, target.Digest, changed);
        }
    }

    /// <summary>Fetches again what is missing of an image that is named already: these of its manifests, or this machine's if none is given.</summary>
    public async Task<bool> FetchAgainAsync(IReadOnlyList<Descriptor> manifests, CancellationToken cancellation)
    {
        using (_lease)
        {
            var target = await FetchRootAsync(cancellation).ConfigureAwait(false);
            if (manifests.Count == 0)
            {
                manifests = await SelectAsync(target, cancellation).ConfigureAwait(false);
            }

            foreach (var manifest in manifests)
            {
                await FetchImageAsync(await FetchManifestAsync(manifest.Digest.ToString(), manifest.MediaType, cancellation).ConfigureAwait(false), cancellation).ConfigureAwait(false);
            }

            return true;
        }
    }

    private string RemoteName => name.Path;

    /// <summary>What the name stands for in the registry may be an image of ours that it stands for here too, with its layers compressed on the way there.</summary>
    private Descriptor? OwnImageSentAs(Descriptor remote) =>
        store.Catalog.FindByName(name) is { } here && here.Digest != remote.Digest && store.Catalog.SentAs(remote.Digest, name.Name)?.Digest == here.Digest ? here : null;

    private Platform Wanted => options.Platform ?? Platform.Current;

    /// <summary>What the name points to: asked for cheaply first, fetched only if it is not here, and then by its digest, which proves it.</summary>
    private async Task<Descriptor> FetchRootAsync(CancellationToken cancellation)
    {
        if (name.Digest is { } digest)
        {
            return await FetchManifestAsync(digest.ToString(), null, cancellation).ConfigureAwait(false);
        }

        var head = await client.HeadManifestAsync(name.Tag!, cancellation).ConfigureAwait(false);
        var isKnownKind = head is not null && (MediaTypes.IsIndex(head.MediaType) || MediaTypes.IsManifest(head.MediaType));
        return await FetchManifestAsync(isKnownKind ? head!.Digest.ToString() : name.Tag!, isKnownKind ? head!.MediaType : null, cancellation).ConfigureAwait(false);
    }

    private async Task<Descriptor> FetchManifestAsync(string reference, string? announcedType, CancellationToken cancellation)
    {
        if (Digest.TryParse(reference, out var known))
        {
            _lease.Add(known);
            if (announcedType is not null && store.Content.SizeOf(known) is { } size)
            {
                return new Descriptor { Digest = known, MediaType = announcedType, Size = size };
            }
        }

        var (json, header) = await client.GetManifestAsync(reference, cancellation).ConfigureAwait(false);
        var mediaType = ManifestKind.Of(json, announcedType ?? header);
        var digest = known.IsEmpty ? Digest.Of(json) : known;
        _lease.Add(digest);
        store.Documents.AddManifest(json, mediaType, digest);
        _fetchedAnything = true;
        return new Descriptor { Digest = digest, MediaType = mediaType, Size = json.Length };
    }

    private async Task<IReadOnlyList<Descriptor>> SelectAsync(Descriptor target, CancellationToken cancellation)
    {
        if (!MediaTypes.IsIndex(target.MediaType))
        {
            return [target];
        }

        var index = store.Documents.Index(target.Digest);
        if (options.AllPlatforms)
        {
            var all = new List<Descriptor>();
            foreach (var entry in index.Manifests)
            {
                all.Add(await FetchManifestAsync(entry.Digest.ToString(), entry.MediaType, cancellation).ConfigureAwait(false));
            }

            return all;
        }

        var chosen = index.ForPlatform(Wanted).FirstOrDefault() ?? throw new ImageException(
            ImageErrorKind.NotFound, $"no matching manifest for {Wanted} in the manifest list entries: no match for platform in manifest: not found");
        return [await FetchManifestAsync(chosen.Digest.ToString(), chosen.MediaType, cancellation).ConfigureAwait(false)];
    }

    private async Task FetchImageAsync(Descriptor descriptor, CancellationToken cancellation)
    {
        if (MediaTypes.IsIndex(descriptor.MediaType))
        {
            // An index within an index: kept, not followed.
            return;
        }

        var manifest = store.Documents.Manifest(descriptor.Digest);
        ImageConfig? config = null;
        if (MediaTypes.IsConfig(manifest.Config.MediaType))
        {
            config = await FetchConfigAsync(manifest.Config, cancellation).ConfigureAwait(false);
        }

        var unpack = config is not null && manifest.IsImage && Wanted.Preference(config.Platform) is not null;
        var diffIds = unpack ? config!.RootFs.DiffIds : null;
        if (diffIds is not null && diffIds.Count != manifest.Layers.Count)
        {
            throw new ImageException(
                ImageErrorKind.Corrupt, $"the image's manifest has {manifest.Layers.Count} layers and its configuration {diffIds.Count}");
        }

        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var layers = manifest.Layers.Select((layer, i) => LayerAsync(layer, diffIds?[i], failed)).ToList();
        if (config is null)
        {
            layers.Add(LayerAsync(manifest.Config, null, failed));
        }

        try
        {
            await Task.WhenAll(layers).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw layers.Select(l => l.Exception?.InnerException).First(e => e is not (null or OperationCanceledException))!;
        }
    }

    /// <summary>
    /// What the index says about one of its images (provenance, a list of packages) comes with it, as far as the registry has it: a mirror may not. It is no
    /// part of what runs, so its absence is no failure.
    /// </summary>
    private async Task FetchStatementsAsync(Descriptor target, Descriptor image, CancellationToken cancellation)
    {
        if (options.AllPlatforms || !MediaTypes.IsIndex(target.MediaType))
        {
            return;
        }

        var statements = store.Documents.Index(target.Digest).Manifests
            .Where(m => m.Annotation(Annotations.DockerReferenceDigest) == image.Digest.ToString() && MediaTypes.IsManifest(m.MediaType) && m.Size <= Manifest.LargestSize);
        foreach (var entry in statements)
        {
            try
            {
                var descriptor = await FetchManifestAsync(entry.Digest.ToString(), entry.MediaType, cancellation).ConfigureAwait(false);
                var manifest = store.Documents.Manifest(descriptor.Digest);
                foreach (var blob in manifest.Layers.Append(manifest.Config).Where(b => b.Size <= ImageAttestation.LargestStatement))
                {
                    _lease.Add(blob.Digest);
                    if (!store.Content.Has(blob.Digest))
                    {
                        await FetchBlobAsync(blob, null, false, cancellation).ConfigureAwait(false);
                    }
                }
            }
            catch (RegistryException e) when (e.Status == System.Net.HttpStatusCode.NotFound)
            {
                // The image without it.
            }
        }
    }

    private async Task<ImageConfig> FetchConfigAsync(Descriptor descriptor, CancellationToken cancellation)
    {
        _lease.Add(descriptor.Digest);
        if (!store.Content.Has(descriptor.Digest))
        {
            if (descriptor.Size > ImageConfig.LargestSize)
            {
                throw new ImageException(ImageErrorKind.Corrupt, $"image configuration {descriptor.Digest} claims {descriptor.Size} bytes, too many for its kind");
            }

            await FetchBlobAsync(descriptor, null, false, cancellation).ConfigureAwait(false);
        }

        store.Documents.AddConfig(store.Content.Read(descriptor.Digest, ImageConfig.LargestSize), descriptor.Digest);
        return store.Documents.Config(descriptor.Digest);
    }

    private async Task LayerAsync(Descriptor layer, Digest? diffId, CancellationTokenSource failed)
    {
        try
        {
            _lease.Add(layer.Digest);
            if (diffId is { } wanted)
            {
                _lease.Add(wanted);
            }

            if (store.Content.Has(layer.Digest) && (diffId is not { } id || (store.Layers.Has(id) && store.Layers.IsProven(layer.Digest, id))))
            {
                progress.Report(new ImageProgress(layer.Digest.Short, "Already exists"));
                return;
            }

            progress.Report(new ImageProgress(layer.Digest.Short, "Pulling fs layer"));
            using var subscription = transfers.Progress.Subscribe(layer.Digest, progress);
            var unpacked = await FetchBlobAsync(layer, diffId, diffId is not null, failed.Token).ConfigureAwait(false);
            if (diffId is { } expected && unpacked != expected)
            {
                throw new ImageException(
                    ImageErrorKind.DigestMismatch, $"wrong diff id calculated on extraction of layer {layer.Digest}: it is \"{unpacked}\" and should be \"{expected}\"");
            }

            _fetchedAnything = true;
            progress.Report(new ImageProgress(layer.Digest.Short, "Pull complete"));
        }
        catch
        {
            // One layer missing makes the others useless: nobody should wait for them.
            await failed.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    private Task<Digest> FetchBlobAsync(Descriptor blob, Digest? diffId, bool unpack, CancellationToken cancellation) =>
        transfers.Fetches.RunAsync((blob.Digest, unpack), ct => FetchOnceAsync(blob, diffId, unpack, ct), cancellation);

    private async Task<Digest> FetchOnceAsync(Descriptor blob, Digest? diffId, bool unpack, CancellationToken cancellation)
    {
        // The work may outlive the pull that began it, when another has joined.
        using var lease = store.Leases.Begin();
        lease.Add(blob.Digest);
        if (store.Content.Has(blob.Digest))
        {
            return unpack ? await UnpackAsync(blob, diffId, () => store.Content.Open(blob.Digest), lease, () => true, cancellation).ConfigureAwait(false) : default;
        }

        var ingest = await Task.Run(() => store.Content.Resume(blob.Digest, blob.Size), cancellation).ConfigureAwait(false);
        if (ingest.Length == 0)
        {
            return await TransferAsync(blob, diffId, unpack, ingest, lease, cancellation).ConfigureAwait(false);
        }

        try
        {
            return await TransferAsync(blob, diffId, unpack, ingest, lease, cancellation).ConfigureAwait(false);
        }
        catch (ImageException e) when (e.Kind is ImageErrorKind.DigestMismatch or ImageErrorKind.Corrupt or ImageErrorKind.InvalidArgument)
        {
            // What an earlier pull had left may be what was wrong: once more, all of it.
            return await TransferAsync(blob, diffId, unpack, store.Content.Resume(blob.Digest, blob.Size), lease, cancellation).ConfigureAwait(false);
        }
    }

    private async Task<Digest> TransferAsync(Descriptor blob, Digest? diffId, bool unpack, Ingest ingest, Lease lease, CancellationToken cancellation)
    {
        Task<Digest>? unpacking = null;
        try
        {
            var arrived = false;
            unpacking = unpack ? UnpackAsync(blob, diffId, ingest.OpenReader, lease, () => Volatile.Read(ref arrived), cancellation) : null;
            await DownloadAsync(blob, ingest, cancellation).ConfigureAwait(false);
            Volatile.Write(ref arrived, true);
            await Task.Run(() => store.Content.Commit(ingest, blob.Digest), CancellationToken.None).ConfigureAwait(false);
            store.Database.Write(c => c.Execute("INSERT OR IGNORE INTO images_source (digest, repository) VALUES ($1, $2)", blob.Digest.ToString(), name.Name));
            var unpacked = unpacking is null ? default : await unpacking.ConfigureAwait(false);
            ingest.Dispose();
            return unpacked;
        }
        catch (Exception e)
        {
            ingest.Fail(e);
            if (unpacking is not null)
            {
                await ((Task)unpacking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }

            if (store.Content.Has(blob.Digest))
            {
                ingest.Dispose();
            }
            else if (IsInterruption(e))
            {
                store.Content.Keep(ingest);
            }
            else
            {
                store.Content.Discard(ingest);
            }

            throw;
        }
    }

    /// <summary>The transfer broke off or was given up: nothing is wrong with what has come so far.</summary>
    private static bool IsInterruption(Exception e) =>
        e is OperationCanceledException or HttpRequestException or RegistryException || (e is IOException and not Linux.LinuxException && StoreErrors.Translate(e) is null);

    private async Task DownloadAsync(Descriptor blob, Ingest ingest, CancellationToken cancellation)
    {
        void Report(string status, long current = 0) => transfers.Progress.Report(blob.Digest, new ImageProgress(blob.Digest.Short, status, current, current > 0 ? blob.Size : 0));
        if (transfers.Downloads.CurrentCount == 0)
        {
            Report("Waiting");
        }

        await transfers.Downloads.WaitAsync(cancellation).ConfigureAwait(false);
        try
        {
            var due = new Throttle();
            await new BlobDownload(client, blob, store.Options).RunAsync(
                ingest,
                n =>
                {
                    if (due.IsDue)
                    {
                        Report("Downloading", n);
                    }
                },
                status => Report(status),
                cancellation).ConfigureAwait(false);
        }
        finally
        {
            transfers.Downloads.Release();
        }

        Report("Verifying Checksum");
        Report("Download complete");
    }

    private async Task<Digest> UnpackAsync(
        Descriptor blob, Digest? diffId, Func<Stream> open, Lease lease, Func<bool> hasArrived, CancellationToken cancellation)
    {
        var due = new Throttle();
        return await store.Layers.UnpackAsync(blob.Digest, diffId, open, lease, n =>
        {
            // While it still downloads, that is what is shown.
            if (hasArrived() && due.IsDue)
            {
                transfers.Progress.Report(blob.Digest, new ImageProgress(blob.Digest.Short, "Extracting", n, blob.Size));
            }
        }, cancellation).ConfigureAwait(false);
    }
}
