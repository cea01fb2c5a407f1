using System.Net;
using System.Net.Http.Headers;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Registry;

/// <summary>One push to one registry: blobs that it lacks first, then manifests from the leaves up, so that nothing there ever names what is not there.</summary>
internal sealed class Push(
    ImageStore store, RegistryTransfers transfers, RegistryClient client, Reference name, Descriptor target, PushOptions options, IProgress<ImageProgress> progress)
{
    public async Task<PushResult> RunAsync(CancellationToken cancellation)
    {
        using var lease = store.Leases.Begin();
        lease.Add(target.Digest);
        var selected = Select();
        var root = options.AsStored ? selected : await new Packer(store, lease, progress).PackAsync(selected, cancellation).ConfigureAwait(false);
        var manifests = MediaTypes.IsIndex(root.MediaType) ? store.Documents.Index(root.Digest).Manifests : [root];
        await PushBlobsAsync(manifests, cancellation).ConfigureAwait(false);
        foreach (var manifest in manifests.Where(m => m.Digest != root.Digest))
        {
            await PutAsync(manifest, manifest.Digest.ToString(), cancellation).ConfigureAwait(false);
        }

        var reference = options.ByDigest is null ? name.Tag! : root.Digest.ToString();
        await PutAsync(root, reference, cancellation).ConfigureAwait(false);
        store.Catalog.NoteSent(target.Digest, name.Name, selected.Digest == target.Digest ? root.Digest : target.Digest);
        progress.Report(new ImageProgress(null, $"{reference}: digest: {root.Digest} size: {root.Size}"));
        return new PushResult(reference, root.Digest, root.Size);
    }

    /// <summary>All of it, or one platform: the one asked for, or the only one that is here.</summary>
    private Descriptor Select()
    {
        if (options.Platform is { } platform)
        {
            var record = store.Catalog.Record(target, platform);
            return record is not null && store.Catalog.IsComplete(record.ManifestDescriptor.Digest)
                ? record.ManifestDescriptor with { Platform = null, Annotations = null }
                : throw new ImageException(ImageErrorKind.NotFound, $"image with reference {name.Familiar} was found but does not provide the specified platform ({platform})");
        }

        if (!MediaTypes.IsIndex(target.MediaType))
        {
            return target;
        }

        var all = store.Documents.Index(target.Digest).Manifests;
        var here = all.Where(m => MediaTypes.IsManifest(m.MediaType) && store.Content.Has(m.Digest) && store.Catalog.IsComplete(m.Digest)).ToList();
        if (here.Count == all.Count)
        {
            return target;
        }

        here.RemoveAll(m => m.Annotation(Annotations.DockerReferenceType) is not null);
        if (here is [var only])
        {
            progress.Report(new ImageProgress(null, "Not all multiplatform-content is present, pushing only the available single-platform image"));
            return only with { Platform = null, Annotations = null };
        }

        throw new ImageException(
            ImageErrorKind.NotFound,
            $"{name.Familiar} names {all.Count} platforms and {here.Count} are here: pull all of them, or push one with --platform");
    }

    private async Task PushBlobsAsync(IReadOnlyList<Descriptor> manifests, CancellationToken cancellation)
    {
        var blobs = new Dictionary<Digest, (Descriptor Blob, bool Shown)>();
        foreach (var manifest in manifests.Select(m => store.Documents.Manifest(m.Digest)))
        {
            foreach (var layer in manifest.Layers.Where(l => !MediaTypes.IsForeign(l.MediaType)))
            {
                blobs.TryAdd(layer.Digest, (layer, true));
            }

            blobs.TryAdd(manifest.Config.Digest, (manifest.Config, false));
        }

        foreach (var (blob, _) in blobs.Values.Where(b => b.Shown))
        {
            progress.Report(new ImageProgress(blob.Digest.Short, "Preparing"));
        }

        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var work = blobs.Values.Select(b => PushBlobAsync(b.Blob, b.Shown ? progress : null, failed)).ToList();
        try
        {
            await Task.WhenAll(work).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw work.Select(w => w.Exception?.InnerException).First(e => e is not (null or OperationCanceledException))!;
        }
    }

    private async Task PushBlobAsync(Descriptor blob, IProgress<ImageProgress>? shown, CancellationTokenSource failed)
    {
        var cancellation = failed.Token;
        try
        {
            await transfers.Uploads.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                var how = await SendAsync(blob, shown, cancellation).ConfigureAwait(false);
                shown?.Report(new ImageProgress(blob.Digest.Short, how));
            }
            finally
            {
                transfers.Uploads.Release();
            }

            store.Database.Write(c => c.Execute("INSERT OR IGNORE INTO images_source (digest, repository) VALUES ($1, $2)", blob.Digest.ToString(), name.Name));
        }
        catch
        {
            await failed.CancelAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Brings a blob into the repository by the cheapest way; the result is how it came there, in Docker's words.</summary>
    private async Task<string> SendAsync(Descriptor blob, IProgress<ImageProgress>? shown, CancellationToken cancellation)
    {
        var upload = new Upload();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (await client.HasBlobAsync(blob.Digest, cancellation).ConfigureAwait(false))
                {
                    return "Layer already exists";
                }

                if (upload.At is not null && await ResumeAsync(upload, blob, shown, cancellation).ConfigureAwait(false))
                {
                    return "Pushed";
                }

                var from = attempt == 1 ? OtherRepositoryWith(blob.Digest) : null;
                upload.At = await client.BeginUploadAsync(blob.Digest, from, cancellation).ConfigureAwait(false);
                if (upload.At is null)
                {
                    return $"Mounted from {from}";
                }

                await (upload.InChunks ? SendChunksAsync(upload, 0, blob, shown, cancellation) : SendWholeAsync(upload, blob, shown, cancellation)).ConfigureAwait(false);
                return "Pushed";
            }
            catch (Exception e) when (attempt < store.Options.MaxDownloadAttempts && !cancellation.IsCancellationRequested
                && e is RegistryException { IsTransient: true } or HttpRequestException or HttpIOException)
            {
                var delay = Backoff.Delay(e, attempt, store.Options);
                shown?.Report(new ImageProgress(blob.Digest.Short, Backoff.Sentence(delay)));
                await Task.Delay(delay, store.Options.Time, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>In one request, unless that is more than the registry, or a proxy in front of it, takes at a time.</summary>
    private async Task SendWholeAsync(Upload upload, Descriptor blob, IProgress<ImageProgress>? shown, CancellationToken cancellation)
    {
        try
        {
            await client.PutBlobAsync(upload.At!, blob.Digest, () => Body(blob, 0, blob.Size, shown), cancellation).ConfigureAwait(false);
        }
        catch (RegistryException e) when (e.Status == HttpStatusCode.RequestEntityTooLarge && blob.Size > store.Options.UploadChunkSize)
        {
            upload.InChunks = true;
            upload.At = await client.BeginUploadAsync(blob.Digest, null, cancellation).ConfigureAwait(false);
            await SendChunksAsync(upload, 0, blob, shown, cancellation).ConfigureAwait(false);
        }
    }

    private async Task SendChunksAsync(Upload upload, long offset, Descriptor blob, IProgress<ImageProgress>? shown, CancellationToken cancellation)
    {
        while (offset < blob.Size)
        {
            var (start, length) = (offset, upload.InChunks ? Math.Min(store.Options.UploadChunkSize, blob.Size - offset) : blob.Size - offset);
            upload.At = await client.PatchBlobAsync(upload.At!, start, length, () => Body(blob, start, length, shown), cancellation).ConfigureAwait(false);
            offset += length;
        }

        await client.PutBlobAsync(upload.At!, blob.Digest, static () => new ByteArrayContent([]), cancellation).ConfigureAwait(false);
    }

    /// <summary>Goes on with an upload that broke off, if the registry has kept a part of it. False if it must begin anew.</summary>
    private async Task<bool> ResumeAsync(Upload upload, Descriptor blob, IProgress<ImageProgress>? shown, CancellationToken cancellation)
    {
        if (await client.UploadStatusAsync(upload.At!, cancellation).ConfigureAwait(false) is not (var next, > 0 and var offset) || offset > blob.Size)
        {
            return false;
        }

        try
        {
            upload.At = next;
            await SendChunksAsync(upload, offset, blob, shown, cancellation).ConfigureAwait(false);
            return true;
        }
        catch (RegistryException e) when (!e.IsTransient)
        {
            // It cannot go on in the middle after all, or had kept something else than we sent.
            return false;
        }
    }

    /// <summary>One blob on its way.</summary>
    private sealed class Upload
    {
        /// <summary>Where the next piece goes; null before the upload has begun.</summary>
        public Uri? At { get; set; }

        public bool InChunks { get; set; }
    }

    private FileContent Body(Descriptor blob, long offset, long length, IProgress<ImageProgress>? shown)
    {
        var due = new Throttle();
        var content = new FileContent(() => store.Content.Open(blob.Digest), offset, length, n =>
        {
            if (due.IsDue)
            {
                shown?.Report(new ImageProgress(blob.Digest.Short, "Pushing", offset + n, blob.Size));
            }
        });
        content.Headers.ContentType = new MediaTypeHeaderValue("application/octet-stream");
        return content;
    }

    /// <summary>A repository of the same registry that is known to have the blob.</summary>
    private string? OtherRepositoryWith(Digest digest)
    {
        var prefix = name.Domain + "/";
        return store.Database.Read(c => c.Query("SELECT repository FROM images_source WHERE digest = $1", r => r.GetString(0), digest.ToString()))
            .Where(r => r.StartsWith(prefix, StringComparison.Ordinal) && r != name.Name)
            .Select(r => r[prefix.Length..]).FirstOrDefault();
    }

    private async Task PutAsync(Descriptor manifest, string reference, CancellationToken cancellation)
    {
        var json = store.Content.Read(manifest.Digest, Manifest.LargestSize);
        var noted = await client.PutManifestAsync(reference, json, manifest.MediaType, cancellation).ConfigureAwait(false);
        if (!noted)
        {
            await NoteReferrerAsync(manifest, json, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>A registry without referrers API has the list of what refers to a manifest under a tag, and who pushes keeps it (distribution-spec, "Pushing Manifests with Subject").</summary>
    private async Task NoteReferrerAsync(Descriptor manifest, byte[] json, CancellationToken cancellation)
    {
        if (!MediaTypes.IsManifest(manifest.MediaType) || Manifest.Parse(json) is not { Subject: { } subject } document)
        {
            return;
        }

        var known = await client.ReferrersByTagAsync(subject.Digest, cancellation).ConfigureAwait(false);
        if (known.Any(k => k.Digest == manifest.Digest))
        {
            return;
        }

        var entry = new Descriptor
        {
            MediaType = manifest.MediaType,
            Digest = manifest.Digest,
            Size = json.Length,
            ArtifactType = document.ArtifactType ?? document.Config.MediaType,
            Annotations = document.Annotations,
        };
        var index = new Oci.Images.Index { MediaType = MediaTypes.OciIndex, Manifests = [.. known, entry] }.ToJson();
        await client.PutManifestAsync(RegistryClient.ReferrersTag(subject.Digest), index, MediaTypes.OciIndex, cancellation).ConfigureAwait(false);
    }
}
