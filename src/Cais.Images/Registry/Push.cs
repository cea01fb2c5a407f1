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
        var root = Select();
        var manifests = MediaTypes.IsIndex(root.MediaType) ? store.Documents.Index(root.Digest).Manifests : [root];
        await PushBlobsAsync(manifests, cancellation).ConfigureAwait(false);
        foreach (var manifest in manifests.Where(m => m.Digest != root.Digest))
        {
            await PutAsync(manifest, manifest.Digest.ToString(), cancellation).ConfigureAwait(false);
        }

        await PutAsync(root, name.Tag!, cancellation).ConfigureAwait(false);
        progress.Report(new ImageProgress(null, $"{name.Tag}: digest: {root.Digest} size: {root.Size}"));
        return new PushResult(name.Tag, root.Digest, root.Size);
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
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                if (await client.HasBlobAsync(blob.Digest, cancellation).ConfigureAwait(false))
                {
                    return "Layer already exists";
                }

                var from = attempt == 1 ? OtherRepositoryWith(blob.Digest) : null;
                var upload = await client.BeginUploadAsync(blob.Digest, from, cancellation).ConfigureAwait(false);
                if (upload is null)
                {
                    return $"Mounted from {from}";
                }

                await client.PutBlobAsync(upload, blob.Digest, () => Body(blob, shown), cancellation).ConfigureAwait(false);
                return "Pushed";
            }
            catch (Exception e) when (attempt < store.Options.MaxDownloadAttempts && !cancellation.IsCancellationRequested
                && e is RegistryException { IsTransient: true } or HttpRequestException or HttpIOException)
            {
                await Task.Delay(store.Options.RetryDelay * (1 << (attempt - 1)), store.Options.Time, cancellation).ConfigureAwait(false);
            }
        }
    }

    private FileContent Body(Descriptor blob, IProgress<ImageProgress>? shown)
    {
        var due = new Throttle();
        var content = new FileContent(() => store.Content.Open(blob.Digest), blob.Size, n =>
        {
            if (due.IsDue)
            {
                shown?.Report(new ImageProgress(blob.Digest.Short, "Pushing", n, blob.Size));
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

    private Task PutAsync(Descriptor manifest, string reference, CancellationToken cancellation) =>
        client.PutManifestAsync(reference, store.Content.Read(manifest.Digest, Manifest.LargestSize), manifest.MediaType, cancellation);
}
