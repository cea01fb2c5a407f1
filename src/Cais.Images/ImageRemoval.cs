using Cais.Oci.Images;

namespace Cais.Images;

/// <summary>Removal of names and images by Docker's rules: nothing that a container uses, nothing by accident.</summary>
internal sealed class ImageRemoval(ImageStore store)
{
    public IReadOnlyList<RemovedItem> Remove(string text, bool force)
    {
        var target = store.Catalog.Find(text, out var name) ?? throw ImageStore.NoSuchImage(text);
        var names = store.Catalog.NamesOf(target.Digest);
        var uses = store.Options.ContainersUsing(target.Digest);
        return name is null
            ? RemoveById(text, target.Digest, names, uses, force)
            : RemoveByName(name, target.Digest, names, uses, force);
    }

    public IReadOnlyList<RemovedItem> RemovePlatforms(string text, IReadOnlyList<Platform> platforms, bool force)
    {
        var target = store.Catalog.Find(text, out _) ?? throw ImageStore.NoSuchImage(text);
        var manifests = platforms.Select(p => store.Catalog.Record(target, p)?.ManifestDescriptor ?? throw new ImageException(
            ImageErrorKind.NotFound, $"image {text} is not here for platform {p}")).DistinctBy(m => m.Digest).ToList();
        if (manifests.Any(m => m.Digest == target.Digest))
        {
            // Made for one platform: without it nothing is left.
            return Remove(text, force);
        }

        var removed = new List<RemovedItem>();
        lock (store.Leases.Gate)
        {
            var used = store.Catalog.ManifestsInUse();
            foreach (var manifest in manifests)
            {
                if (used.Contains(manifest.Digest))
                {
                    throw Conflict(text, hard: true, $"platform {manifest.Platform} is used by a container");
                }

                var other = store.Catalog.Targets().FirstOrDefault(t => t.Digest != target.Digest && store.Catalog.Reaches(t.Digest, manifest.Digest));
                if (other is not null && !force)
                {
                    throw Conflict(text, hard: false, $"platform {manifest.Platform} also belongs to image {other.Digest.Short}");
                }
            }

            var attestations = store.Catalog.ManifestsOf(target)
                .Where(a => manifests.Any(m => a.Annotation(Annotations.DockerReferenceDigest) == m.Digest.ToString()) && store.Content.Has(a.Digest));
            foreach (var manifest in manifests.Concat(attestations))
            {
                store.Catalog.DropManifest(manifest.Digest);
                removed.Add(new RemovedItem(null, manifest.Digest.ToString()));
            }
        }

        store.CollectGarbage();
        return removed;
    }

    public PruneResult Prune(bool all, Func<ImageRecord, bool>? filter)
    {
        var removed = new List<RemovedItem>();
        foreach (var target in store.Catalog.Targets())
        {
            var names = store.Catalog.NamesOf(target.Digest);
            if ((!all && names.Count > 0) || store.Options.ContainersUsing(target.Digest).Count > 0)
            {
                continue;
            }

            if (filter is not null && (store.Catalog.Record(target, null) is not { } record || !filter(record)))
            {
                continue;
            }

            store.Catalog.RemoveImage(target.Digest);
            removed.AddRange(names.Select(n => new RemovedItem(n.Familiar, null)));
            removed.Add(new RemovedItem(null, target.Digest.ToString()));
        }

        return new PruneResult(removed, store.CollectGarbage() + store.Content.DropPartial());
    }

    private List<RemovedItem> RemoveByName(
        Reference name, Digest id, IReadOnlyList<Reference> names, IReadOnlyList<ContainerUse> uses, bool force)
    {
        // name@digest names the image through whatever name of the repository points to it.
        var given = names.Where(n => name.Digest is null ? n == name : n.Name == name.Name).ToList();
        var isLast = given.Count == names.Count;
        if (isLast && uses.Count > 0 && !force)
        {
            throw Conflict(name.Familiar, hard: false, $"container {Short(uses[0].ContainerId)} is using its referenced image {id.Short}");
        }

        var removed = new List<RemovedItem>();
        if (isLast && uses.Count == 0)
        {
            store.Catalog.RemoveImage(id);
            removed.AddRange(given.Select(n => new RemovedItem(n.Familiar, null)));
            removed.Add(new RemovedItem(null, id.ToString()));
            store.CollectGarbage();
            return removed;
        }

        foreach (var one in given)
        {
            store.Catalog.RemoveName(one);
            removed.Add(new RemovedItem(one.Familiar, null));
        }

        return removed;
    }

    private List<RemovedItem> RemoveById(string text, Digest id, IReadOnlyList<Reference> names, IReadOnlyList<ContainerUse> uses, bool force)
    {
        if (uses.FirstOrDefault(u => u.IsRunning) is { } running)
        {
            throw Conflict(text, hard: true, $"image is being used by running container {Short(running.ContainerId)}");
        }

        if (!force && names.Count > 1)
        {
            throw Conflict(text, hard: false, "image is referenced in multiple repositories");
        }

        if (!force && uses.Count > 0)
        {
            throw Conflict(text, hard: false, $"image is being used by stopped container {Short(uses[0].ContainerId)}");
        }

        store.Catalog.RemoveImage(id);
        var removed = names.Select(n => new RemovedItem(n.Familiar, null)).ToList();
        removed.Add(new RemovedItem(null, id.ToString()));
        store.CollectGarbage();
        return removed;
    }

    private static string Short(string id) => id.Length > 12 ? id[..12] : id;

    private static ImageException Conflict(string what, bool hard, string why) => new(
        ImageErrorKind.Conflict, $"conflict: unable to delete {what} ({(hard ? "cannot be forced" : "must be forced")}) - {why}");
}
