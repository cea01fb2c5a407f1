using System.Security.Cryptography;
using Cais.Images.Layers;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;

namespace Cais.Images.Checking;

/// <summary>
/// Verifies every blob by its digest and every unpacked layer against a fresh unpacking of its blob, and repairs what it can. Others may use the store
/// meanwhile: what they add is not looked at, what they remove is not missed.
/// </summary>
internal sealed class StoreChecker(ImageStore store, CheckOptions options, IProgress<ImageProgress> progress)
{
    private readonly List<Damage> _damages = [];
    private readonly HashSet<Digest> _badBlobs = [];
    private readonly Throttle _due = new();

    public async Task<CheckReport> RunAsync(CancellationToken cancellation)
    {
        var blobs = store.Content.All();
        foreach (var (digest, size) in blobs)
        {
            await CheckBlobAsync(digest, size, cancellation).ConfigureAwait(false);
        }

        FindMissing();
        if (options.Repair && _damages.Count > 0)
        {
            await new StoreRepair(store, options, progress).RepairBlobsAsync(_damages, cancellation).ConfigureAwait(false);
            _badBlobs.ExceptWith(_damages.Where(d => d.IsRepaired).Select(d => d.Digest));
        }

        var (layers, unverifiable) = await CheckLayersAsync(cancellation).ConfigureAwait(false);
        return new CheckReport(blobs.Count, blobs.Sum(b => b.Size), layers, unverifiable, _damages);
    }

    private async Task CheckBlobAsync(Digest digest, long size, CancellationToken cancellation)
    {
        if (_due.IsDue)
        {
            progress.Report(new ImageProgress(digest.Short, "Verifying", 0, size));
        }

        var (kind, what) = await Task.Run(() => Look(digest, size, cancellation), cancellation).ConfigureAwait(false);
        if (kind is { } found && store.Content.Has(digest))
        {
            _badBlobs.Add(digest);
            Add(found, digest, what);
        }
    }

    private (DamageKind? Kind, string What) Look(Digest digest, long size, CancellationToken cancellation)
    {
        try
        {
            using var file = store.Content.Open(digest);
            if (file.Length != size)
            {
                return (DamageKind.BlobDamaged, $"has {file.Length} bytes instead of {size}");
            }

            using var hash = IncrementalHash.CreateHash(digest.Algorithm == "sha512" ? HashAlgorithmName.SHA512 : HashAlgorithmName.SHA256);
            var buffer = new byte[256 * 1024];
            for (int n; (n = file.Read(buffer)) > 0;)
            {
                cancellation.ThrowIfCancellationRequested();
                hash.AppendData(buffer.AsSpan(0, n));
            }

            var actual = hash.GetHashAndReset();
            return Convert.ToHexStringLower(actual) == digest.Hex
                ? (null, "")
                : (DamageKind.BlobDamaged, $"hashes to {digest.Algorithm}:{Convert.ToHexStringLower(actual)}");
        }
        catch (ImageException e) when (e.Kind == ImageErrorKind.NotFound)
        {
            return (DamageKind.BlobMissing, "is missing");
        }
        catch (IOException e)
        {
            return (DamageKind.BlobDamaged, $"cannot be read: {e.Message}");
        }
    }

    /// <summary>
    /// All of an image for this machine, or for a container, must be here. Of its other platforms there may be parts: a pull of one may have been given up.
    /// </summary>
    private void FindMissing()
    {
        foreach (var target in store.Catalog.Targets().Where(t => !_badBlobs.Contains(t.Digest)))
        {
            if (!store.Content.Has(target.Digest))
            {
                Add(DamageKind.ContentMissing, target.Digest, "is missing");
                continue;
            }

            foreach (var manifest in Needed(target))
            {
                var document = store.Documents.Manifest(manifest);
                foreach (var part in document.Layers.Where(l => !MediaTypes.IsForeign(l.MediaType)).Append(document.Config).Where(p => !store.Content.Has(p.Digest)))
                {
                    if (_badBlobs.Add(part.Digest))
                    {
                        Add(DamageKind.ContentMissing, part.Digest, "is missing");
                    }
                }
            }
        }
    }

    private IEnumerable<Digest> Needed(Descriptor target)
    {
        var manifests = store.Catalog.ManifestsOf(target).Where(m => MediaTypes.IsManifest(m.MediaType) && store.Content.Has(m.Digest) && !_badBlobs.Contains(m.Digest)).ToList();
        var used = store.Catalog.ManifestsInUse();
        return manifests.Select(m => m.Digest).Where(m => used.Contains(m) || m == target.Digest)
            .Union(manifests.Where(m => m.Platform is { } p && Platform.Current.Preference(p) is not null).Select(m => m.Digest).Take(1));
    }

    private async Task<(long Checked, long Unverifiable)> CheckLayersAsync(CancellationToken cancellation)
    {
        long count = 0;
        long unverifiable = 0;
        foreach (var diffId in store.Layers.All())
        {
            var blobs = store.Layers.BlobsOf(diffId).Where(b => store.Content.Has(b) && !_badBlobs.Contains(b)).ToList();
            if (blobs.Count == 0)
            {
                unverifiable++;
                if (!Directory.Exists(store.Layers.PathOf(diffId)))
                {
                    Add(DamageKind.LayerDamaged, diffId, "is gone, and there is no sound blob to unpack it from");
                }

                continue;
            }

            count++;
            progress.Report(new ImageProgress(diffId.Short, "Verifying layer"));
            await CheckLayerAsync(diffId, blobs[0], cancellation).ConfigureAwait(false);
        }

        return (count, unverifiable);
    }

    private async Task CheckLayerAsync(Digest diffId, Digest blob, CancellationToken cancellation)
    {
        using var lease = store.Leases.Begin();
        lease.Add(diffId);
        lease.Add(blob);
        if (!store.Layers.Has(diffId) || !store.Content.Has(blob))
        {
            return;
        }

        var fresh = await store.Layers.UnpackAsideAsync(() => store.Content.Open(blob), diffId, cancellation).ConfigureAwait(false);
        try
        {
            var difference = await OwnThread.Run("check", () => Compare(fresh, diffId, cancellation)).ConfigureAwait(false);
            if (difference is null)
            {
                return;
            }

            var (repaired, whyNot) = options.Repair ? Swap(diffId, ref fresh) : (false, "not asked to repair");
            _damages.Add(new Damage(DamageKind.LayerDamaged, diffId, difference, ImagesWithLayer(diffId), repaired, repaired ? null : whyNot));
        }
        finally
        {
            if (fresh is not null)
            {
                Trees.Remove(fresh);
            }
        }
    }

    private string? Compare(string fresh, Digest diffId, CancellationToken cancellation)
    {
        if (!Directory.Exists(store.Layers.PathOf(diffId)))
        {
            return "is gone";
        }

        try
        {
            return new TreeComparer(cancellation).Difference(Path.Combine(fresh, "fs"), store.Layers.PathOf(diffId));
        }
        catch (LinuxException e)
        {
            return $"cannot be read: {e.Message}";
        }
    }

    /// <summary>A mounted layer must not be exchanged below its container's feet: what it has read and what it will read would not fit.</summary>
    private (bool Repaired, string? WhyNot) Swap(Digest diffId, ref string? fresh)
    {
        var running = store.Catalog.Targets().Where(t => Layers(t).Contains(diffId))
            .SelectMany(t => store.Options.ContainersUsing(t.Digest)).FirstOrDefault(u => u.IsRunning);
        if (running is not null)
        {
            return (false, $"container {running.ContainerId[..Math.Min(12, running.ContainerId.Length)]} is running on it: stop it and check again");
        }

        store.Layers.Replace(diffId, fresh!);
        fresh = null;
        return (true, null);
    }

    private void Add(DamageKind kind, Digest digest, string what) =>
        _damages.Add(new Damage(kind, digest, what, ImagesWithBlob(digest), false, options.Repair ? null : "not asked to repair"));

    private IReadOnlyList<string> ImagesWithBlob(Digest digest) => Names(store.Catalog.Targets().Where(t => store.Catalog.Reaches(t.Digest, digest)));

    private IReadOnlyList<string> ImagesWithLayer(Digest diffId) => Names(store.Catalog.Targets().Where(t => Layers(t).Contains(diffId)));

    private IReadOnlyList<string> Names(IEnumerable<Descriptor> targets) =>
        [.. targets.SelectMany(t => store.Catalog.NamesOf(t.Digest) is { Count: > 0 } names ? names.Select(n => n.Familiar) : [t.Digest.Short])];

    private IReadOnlySet<Digest> Layers(Descriptor target) => store.Catalog.LayersOf(target.Digest);
}
