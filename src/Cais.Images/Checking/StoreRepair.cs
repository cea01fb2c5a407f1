using Cais.Oci.Images;

namespace Cais.Images.Checking;

/// <summary>
/// Makes good what is wrong with blobs by pulling their images again, by digest, from wherever they have a name. A damaged blob's file stays until the true one
/// takes its place, and its row comes back if none can be had: an image is never worse off than before.
/// </summary>
internal sealed class StoreRepair(ImageStore store, CheckOptions options, IProgress<ImageProgress> progress)
{
    public async Task RepairBlobsAsync(List<Damage> damages, CancellationToken cancellation)
    {
        var bad = damages.Select(d => d.Digest).ToHashSet();

        // Which platforms were here must be known before the damaged documents are set aside.
        var affected = store.Catalog.Targets().Where(t => bad.Any(b => store.Catalog.Reaches(t.Digest, b)))
            .Select(t => (Target: t, Manifests: Present(t, bad))).ToList();
        var rows = bad.Select(b => (Digest: b, Size: store.Content.SizeOf(b))).Where(b => b.Size is not null).ToList();
        using var lease = store.Leases.Begin();
        foreach (var digest in bad.Concat(affected.SelectMany(a => a.Manifests.Append(a.Target)).Select(m => m.Digest)))
        {
            lease.Add(digest);
        }

        foreach (var (digest, _) in rows)
        {
            store.Content.SetAside(digest);
            store.Documents.Forget(digest);
        }

        var failures = new Dictionary<Digest, string>();
        foreach (var (target, manifests) in affected)
        {
            failures[target.Digest] = await FetchAsync(target, manifests, cancellation).ConfigureAwait(false) ?? "";
        }

        var here = bad.Where(store.Content.Has).ToHashSet();
        foreach (var (digest, size) in rows.Where(r => !here.Contains(r.Digest)))
        {
            store.Content.PutBack(digest, size!.Value);
        }

        for (var i = 0; i < damages.Count; i++)
        {
            var digest = damages[i].Digest;
            var isHere = here.Contains(digest);
            damages[i] = damages[i] with
            {
                IsRepaired = isHere,
                WhyNot = isHere ? null : affected.Where(a => store.Catalog.Reaches(a.Target.Digest, digest)).Select(a => failures[a.Target.Digest]).FirstOrDefault(f => f.Length > 0)
                    ?? "no image with a registry's name has it",
            };
        }
    }

    /// <summary>The manifests of an image that are here, or were until they were damaged.</summary>
    private IReadOnlyList<Descriptor> Present(Descriptor target, HashSet<Digest> bad) => bad.Contains(target.Digest)
        ? []
        : [.. store.Catalog.ManifestsOf(target).Where(m => store.Content.Has(m.Digest) || bad.Contains(m.Digest))];

    /// <summary>Null if all is here again, otherwise what stood in the way.</summary>
    private async Task<string?> FetchAsync(Descriptor target, IReadOnlyList<Descriptor> manifests, CancellationToken cancellation)
    {
        string? failure = null;
        foreach (var repository in store.Catalog.NamesOf(target.Digest).Select(n => n.WithoutTag()).Distinct())
        {
            try
            {
                progress.Report(new ImageProgress(target.Digest.Short, $"Fetching from {repository.Name}"));
                await store.FetchAgainAsync(repository.WithDigest(target.Digest), manifests, options.Credentials(repository.Domain), progress, cancellation).ConfigureAwait(false);
                return null;
            }
            catch (ImageException e)
            {
                failure = $"{repository.Name}: {e.Message}";
            }
        }

        return failure ?? "the image has no name, so nobody knows where it came from";
    }
}
