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
            foreach (var manifest in await SelectAsync(target, cancellation).ConfigureAwait(false))
            {
                await FetchImageAsync(manifest, cancellation).ConfigureAwait(false);
            }

            var changed = store.Catalog.Put(target, name.Digest is null ? name : name.WithDigest(name.Digest.Value)) || _fetchedAnything;
            progress.Report(new ImageProgress(null, $"Digest: {target.Digest}"));
            progress.Report(new ImageProgress(
                null, changed ? $"Status: Downloaded newer image for {name.Familiar}" : $"Status: Image is up to date for {name.Familiar}"));
            var record = store.Catalog.Record(target, options.AllPlatforms ? null : options.Platform)
                ?? throw new ImageException(ImageErrorKind.NotFound, $"{name.Familiar} is no image that can run here");
            return new PullResult(record, target.Digest, changed);
        }
    }

    private string RemoteName => name.Path;

    private Platform Wanted => options.Platform ?? Platform.Current;

    /// <summary>What the name points to: asked for cheaply first, fetched only if it is not here.</summary>
    private async Task<Descriptor> FetchRootAsync(CancellationToken cancellation)
    {
        var reference = name.Digest?.ToString() ?? name.Tag!;
        if (name.Digest is null && await client.HeadManifestAsync(reference, cancellation).ConfigureAwait(false) is { } head)
        {
            if (store.Content.SizeOf(head.Digest) is { } size && (MediaTypes.IsIndex(head.MediaType) || MediaTypes.IsManifest(head.MediaType)))
            {
                _lease.Add(head.Digest);
                return new Descriptor { Digest = head.Digest, MediaType = head.MediaType, Size = size };
            }
        }

        return await FetchManifestAsync(reference, null, cancellation).ConfigureAwait(false);
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
        var mediaType = TypeOf(json, announcedType ?? header);
        var digest = known.IsEmpty ? Digest.Of(json) : known;
        _lease.Add(digest);
        store.Documents.AddManifest(json, mediaType, digest);
        _fetchedAnything = true;
        return new Descriptor { Digest = digest, MediaType = mediaType, Size = json.Length };
    }

    /// <summary>The document's own word counts first: headers get lost in proxies.</summary>
    private static string TypeOf(byte[] json, string header)
    {
        string? own = null;
        var schema = 0;
        try
        {
            using var document = System.Text.Json.JsonDocument.Parse(json);
            if (document.RootElement.ValueKind == System.Text.Json.JsonValueKind.Object)
            {
                own = document.RootElement.TryGetProperty("mediaType", out var type) && type.ValueKind == System.Text.Json.JsonValueKind.String ? type.GetString() : null;
                schema = document.RootElement.TryGetProperty("schemaVersion", out var version) && version.TryGetInt32(out var number) ? number : 0;
                own ??= document.RootElement.TryGetProperty("manifests", out _) && schema == 2 && !MediaTypes.IsIndex(header) ? MediaTypes.OciIndex : null;
            }
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException or FormatException)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"the registry sent a manifest that is no JSON: {e.Message}", e);
        }

        var mediaType = own ?? (MediaTypes.IsIndex(header) || MediaTypes.IsManifest(header) ? header : schema == 2 ? MediaTypes.OciManifest : header);
        return schema == 1 || mediaType is MediaTypes.DockerSchema1 or MediaTypes.DockerSchema1Signed
            ? throw new ImageException(
                ImageErrorKind.InvalidArgument, "Docker Image Format v1 and Docker Image manifest version 2, schema 1 are not supported: push the image again with a newer tool")
            : MediaTypes.IsIndex(mediaType) || MediaTypes.IsManifest(mediaType)
                ? mediaType
                : throw new ImageException(ImageErrorKind.InvalidArgument, $"unsupported media type {mediaType}");
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

        var ingest = store.Content.Begin(blob.Digest);
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
            else
            {
                ContentStore.Discard(ingest);
            }

            throw;
        }
    }

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
