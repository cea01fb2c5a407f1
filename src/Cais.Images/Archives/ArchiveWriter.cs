using Cais.Images.Tar;
using Cais.Oci;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Archives;

/// <summary>docker save: an OCI layout that is a docker archive too. The blobs go out as they are stored, so digests survive the journey.</summary>
internal sealed class ArchiveWriter(ImageStore store)
{
    private HashSet<Digest>? _wanted;

    public async Task SaveAsync(IReadOnlyList<string> names, Stream to, IReadOnlyList<Platform> platforms, CancellationToken cancellation)
    {
        using var lease = store.Leases.Begin();
        await SaveAsync(Select(names, platforms), lease, to, cancellation).ConfigureAwait(false);
    }

    /// <summary>Writes what the caller holds.</summary>
    public async Task SaveAsync(List<(Descriptor Target, Reference? Name)> entries, Stream to, CancellationToken cancellation)
    {
        using var lease = store.Leases.Begin();
        await SaveAsync(entries, lease, to, cancellation).ConfigureAwait(false);
    }

    private async Task SaveAsync(List<(Descriptor Target, Reference? Name)> entries, Content.Lease lease, Stream to, CancellationToken cancellation)
    {
        foreach (var (target, _) in entries)
        {
            lease.Add(target.Digest);
        }

        var blobs = new SortedSet<Digest>();
        foreach (var (target, _) in entries)
        {
            Collect(target, blobs);
        }

        await ThreadedCopy.RunAsync("save", stream => Write(stream, entries, blobs, cancellation), to, cancellation).ConfigureAwait(false);
    }

    private List<(Descriptor Target, Reference? Name)> Select(IReadOnlyList<string> names, IReadOnlyList<Platform> platforms)
    {
        var entries = new List<(Descriptor Target, Reference? Name)>();
        foreach (var text in names)
        {
            var all = AllTags(text);
            if (all.Count > 0)
            {
                entries.AddRange(all);
                continue;
            }

            var target = store.Catalog.Find(text, out var name) ?? throw ImageStore.NoSuchImage(text);
            entries.Add((target, name is { Tag: not null } ? name : null));
        }

        if (platforms.Count > 0)
        {
            // One platform stands for itself; several stay below their index, which then has entries that the archive does not follow.
            var chosen = entries.Select(e => (e.Target, e.Name, Manifests: platforms.Select(p => ManifestOf(e.Target, e.Name, p)).Distinct().ToList())).ToList();
            _wanted = [.. chosen.SelectMany(c => c.Manifests.Select(m => m.Digest))];
            entries = [.. chosen.Select(c => (c.Manifests is [var only] ? only : c.Target, c.Name))];
        }

        return [.. entries.Distinct()];
    }

    private Descriptor ManifestOf(Descriptor target, Reference? name, Platform platform) =>
        store.Catalog.Record(target, platform)?.ManifestDescriptor is { } manifest && store.Catalog.IsComplete(manifest.Digest)
            ? manifest
            : throw new ImageException(ImageErrorKind.NotFound, $"no suitable export target found for platform {platform} in {name?.Familiar ?? target.Digest.ToString()}");

    /// <summary>A repository's name without tag stands for all its tags.</summary>
    private List<(Descriptor Target, Reference? Name)> AllTags(string text)
    {
        if (!Reference.TryParse(text, out var repository) || repository.Tag is not null || repository.Digest is not null)
        {
            return [];
        }

        return [.. store.Catalog.Names()
            .Where(n => n.Name.Tag is not null && n.Name.Name == repository.Name)
            .Select(n => (store.Catalog.Target(n.Target), (Reference?)n.Name))
            .Where(n => n.Item1 is not null).Select(n => (n.Item1!, n.Item2))];
    }

    /// <summary>Everything reachable that is here.</summary>
    private void Collect(Descriptor entry, SortedSet<Digest> blobs)
    {
        if (!store.Content.Has(entry.Digest) || !blobs.Add(entry.Digest))
        {
            return;
        }

        if (MediaTypes.IsIndex(entry.MediaType))
        {
            foreach (var child in store.Documents.Index(entry.Digest).Manifests.Where(m => _wanted is null || _wanted.Contains(m.Digest)))
            {
                Collect(child, blobs);
            }
        }
        else if (MediaTypes.IsManifest(entry.MediaType))
        {
            var manifest = store.Documents.Manifest(entry.Digest);
            blobs.UnionWith(manifest.Layers.Append(manifest.Config).Select(d => d.Digest).Where(store.Content.Has));
        }
    }

    private void Write(Stream to, List<(Descriptor Target, Reference? Name)> entries, SortedSet<Digest> blobs, CancellationToken cancellation)
    {
        var tar = new TarWriter(to);
        var buffer = new byte[256 * 1024];
        WriteDirectory(tar, "blobs/");
        foreach (var algorithm in blobs.Select(b => b.Algorithm).Distinct().Order(StringComparer.Ordinal))
        {
            WriteDirectory(tar, $"blobs/{algorithm}/");
        }

        foreach (var blob in blobs)
        {
            using var file = store.Content.Open(blob);
            var entry = new TarEntry { Kind = TarEntryKind.File, Mode = 0x124, Size = file.Length };
            entry.SetName(System.Text.Encoding.UTF8.GetBytes($"blobs/{blob.Algorithm}/{blob.Hex}"));
            tar.WriteEntry(entry);
            for (int n; (n = file.Read(buffer)) > 0;)
            {
                cancellation.ThrowIfCancellationRequested();
                tar.WriteData(buffer.AsSpan(0, n));
            }
        }

        tar.WriteFile("index.json", IndexOf(entries).ToJson());
        tar.WriteFile("manifest.json", PlainJson.Bytes(DockerImages(entries), ArchiveJson.Default.IReadOnlyListDockerArchiveImage));
        tar.WriteFile("oci-layout", PlainJson.Bytes(new OciLayout(), ArchiveJson.Default.OciLayout));
        tar.Finish();
    }

    private static void WriteDirectory(TarWriter tar, string name)
    {
        var entry = new TarEntry { Kind = TarEntryKind.Directory, Mode = 0x1ED };
        entry.SetName(System.Text.Encoding.UTF8.GetBytes(name));
        tar.WriteEntry(entry);
    }

    private static Index IndexOf(List<(Descriptor Target, Reference? Name)> entries) => new()
    {
        MediaType = MediaTypes.OciIndex,
        Manifests = [.. entries.Select(e => e.Target with
        {
            Annotations = e.Name is null ? null : new SortedDictionary<string, string>(StringComparer.Ordinal)
            {
                [Annotations.ContainerdImageName] = e.Name.ToString(),
                [Annotations.RefName] = e.Name.Tag!,
            },
        })],
    };

    /// <summary>manifest.json has one entry an image, with all its names, and one platform of it.</summary>
    private List<DockerArchiveImage> DockerImages(List<(Descriptor Target, Reference? Name)> entries)
    {
        var images = new List<DockerArchiveImage>();
        foreach (var group in entries.GroupBy(e => e.Target.Digest))
        {
            if (store.Catalog.Record(group.First().Target, null) is { } record && store.Catalog.IsComplete(record.ManifestDescriptor.Digest))
            {
                images.Add(new DockerArchiveImage
                {
                    Config = PathOf(record.Manifest.Config.Digest),
                    RepoTags = [.. group.Select(e => e.Name?.Familiar).OfType<string>()],
                    Layers = [.. record.Manifest.Layers.Select(l => PathOf(l.Digest))],
                });
            }
        }

        return images;
    }

    private static string PathOf(Digest digest) => $"blobs/{digest.Algorithm}/{digest.Hex}";
}
