using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Catalog;

/// <summary>Which images there are, by which names, and what each consists of.</summary>
internal sealed class ImageCatalog(Database database, Documents documents, ContentStore content, LayerStore layers, Leases leases, TimeProvider time)
{
    private const int ShortestId = 4;

    /// <summary>What a user means; see <see cref="ImageStore.Resolve"/>. <paramref name="byName"/> is the name that matched, null if an ID did.</summary>
    public Descriptor? Find(string text, out Reference? byName)
    {
        byName = null;
        if (string.IsNullOrEmpty(text))
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "invalid reference format");
        }

        if (Digest.TryParse(text, out var whole) || Digest.TryParse("sha256:" + text, out whole))
        {
            return Target(whole) ?? SentAs(whole, null);
        }

        Reference? name;
        try
        {
            name = Reference.Parse(text).WithDefaultTag();
        }
        catch (ImageFormatException e)
        {
            return FindByPrefix(text) ?? throw new ImageException(ImageErrorKind.InvalidArgument, e.Message, e);
        }

        if (FindByName(name) is { } named)
        {
            byName = name;
            return named;
        }

        return name.Digest is null ? FindByPrefix(text) : null;
    }

    public Descriptor? FindByName(Reference name)
    {
        if (name.Digest is not { } digest)
        {
            return database.Read(c => c.Query(
                "SELECT i.digest, i.media_type, i.size FROM images_name n JOIN images_image i ON i.digest = n.digest WHERE n.name = $1", Row, name.ToString())).FirstOrDefault();
        }

        // name@digest means the image with that digest, if any name of that repository points to it.
        return (Target(digest) ?? SentAs(digest, name.Name)) is { } target && NamesOf(target.Digest).Any(n => n.Name == name.Name) ? target : null;
    }

    /// <summary>Whether this manifest was put together here.</summary>
    public bool IsMadeHere(Digest manifest) => database.Read(c => c.Scalar<long?>("SELECT 1 FROM images_made WHERE manifest = $1", manifest.ToString())) is not null;

    /// <summary>Notes that an image is in a repository (by its canonical name), and by which digest there.</summary>
    public void NoteSent(Digest image, string repository, Digest sent) => database.Write(c =>
    {
        c.Execute("INSERT OR IGNORE INTO images_source (digest, repository) VALUES ($1, $2)", image.ToString(), repository);
        c.Execute("INSERT OR REPLACE INTO images_sent (image, repository, sent) VALUES ($1, $2, $3)", image.ToString(), repository, sent.ToString());
    });

    /// <summary>Notes that an image came from a repository.</summary>
    public void NotePulled(Digest image, string repository) => database.Write(c => c.Execute(
        "INSERT OR IGNORE INTO images_source (digest, repository) VALUES ($1, $2)", image.ToString(), repository));

    /// <summary>The image that was sent as this manifest or index, to one repository or any.</summary>
    public Descriptor? SentAs(Digest sent, string? repository) => database.Read(c => c.Query(
        "SELECT i.digest, i.media_type, i.size FROM images_sent s JOIN images_image i ON i.digest = s.image WHERE s.sent = $1 AND ($2 = '' OR s.repository = $2)",
        Row, sent.ToString(), repository ?? "")).FirstOrDefault();

    /// <summary>Notes that a build made this image; a build without an identifier has an empty one.</summary>
    public void NoteBuilt(Digest image, string reference) => database.Write(c => c.Execute(
        "INSERT OR REPLACE INTO images_built (image, reference, created_at) VALUES ($1, $2, $3)", image.ToString(), reference, time.GetUtcNow().ToUnixTimeMilliseconds()));

    /// <summary>The builds that made an image, last one first.</summary>
    public IReadOnlyList<(string Reference, DateTimeOffset At)> BuildsOf(Digest image) => database.Read(c => c.Query(
        "SELECT reference, created_at FROM images_built WHERE image = $1 ORDER BY created_at DESC", r => (r.GetString(0), DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(1))), image.ToString()));

    /// <summary>The repositories that an image was pulled from or pushed to, by their canonical names.</summary>
    public IReadOnlyList<string> SourcesOf(Digest image) => database.Read(c => c.Query(
        "SELECT repository FROM images_source WHERE digest = $1 ORDER BY repository", r => r.GetString(0), image.ToString()));

    public Descriptor? Target(Digest digest) => database.Read(c => c.Query(
        "SELECT digest, media_type, size FROM images_image WHERE digest = $1", Row, digest.ToString())).FirstOrDefault();

    public IReadOnlyList<Descriptor> Targets() => database.Read(c => c.Query("SELECT digest, media_type, size FROM images_image", Row));

    public IReadOnlyList<Reference> NamesOf(Digest digest) => database.Read(c => c.Query(
        "SELECT name FROM images_name WHERE digest = $1 ORDER BY name", r => Reference.Parse(r.GetString(0)), digest.ToString()));

    /// <summary>All names, as far as they are in this repository if one is given.</summary>
    public IReadOnlyList<(Reference Name, Digest Target)> Names() => database.Read(c => c.Query(
        "SELECT name, digest FROM images_name ORDER BY name", r => (Reference.Parse(r.GetString(0)), Digest.Parse(r.GetString(1)))));

    /// <summary>
    /// Makes an image of a manifest or index that is here, and gives it a name or not. A name that pointed to another image leaves that one without. True
    /// if anything changed. On the disk when this returns.
    /// </summary>
    public bool Put(Descriptor target, Reference? name)
    {
        var now = time.GetUtcNow().ToUnixTimeMilliseconds();
        return database.Write(c =>
        {
            var changed = c.Execute(
                "INSERT INTO images_image (digest, media_type, size, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT (digest) DO NOTHING",
                target.Digest.ToString(), target.MediaType, target.Size, now) > 0;
            if (name is not null)
            {
                changed |= c.Execute(
                    "INSERT INTO images_name (name, digest, tagged_at) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET digest = $2, tagged_at = $3 WHERE digest <> $2",
                    name.ToString(), target.Digest.ToString(), now) > 0;
            }

            return changed;
        }, durable: true);
    }

    public bool RemoveName(Reference name) => database.Write(c => c.Execute("DELETE FROM images_name WHERE name = $1", name.ToString()) > 0, durable: true);

    public void RemoveImage(Digest digest) => database.Write(c =>
    {
        c.Execute("DELETE FROM images_name WHERE digest = $1", digest.ToString());
        c.Execute("DELETE FROM images_image WHERE digest = $1", digest.ToString());
    }, durable: true);

    /// <summary>The manifests that a target leads to, itself if it is none of several.</summary>
    public IReadOnlyList<Descriptor> ManifestsOf(Descriptor target)
    {
        if (!MediaTypes.IsIndex(target.MediaType))
        {
            return [target];
        }

        return documents.Index(target.Digest).Manifests;
    }

    /// <summary>
    /// The image as seen for a platform: null for this machine's, or failing that any that is here. A platform asked for that is not here gives null.
    /// </summary>
    public ImageRecord? Record(Descriptor target, Platform? platform)
    {
        var candidates = Candidates(target, platform ?? Platform.Current);
        var manifest = candidates.FirstOrDefault(IsReadable);
        if (manifest is null && platform is null)
        {
            manifest = ManifestsOf(target).FirstOrDefault(m => m.Annotation(Annotations.DockerReferenceType) is null && IsReadable(m));
        }

        return manifest is null ? null : Build(target, manifest, platform);
    }

    public ImageRecord RecordOf(Descriptor target, Descriptor manifest) => Build(target, manifest, null)!;

    /// <summary>Every layer and configuration of a manifest is here.</summary>
    public bool IsComplete(Digest manifest) =>
        content.Has(manifest) && documents.Manifest(manifest) is var m && content.Has(m.Config.Digest) && m.Layers.All(l => MediaTypes.IsForeign(l.MediaType) || content.Has(l.Digest));

    /// <summary>Bytes of blobs and of unpacked layers that are reachable from here and present, each once.</summary>
    public (long Content, long Unpacked) Sizes(Digest root) => database.Read(c =>
    {
        var blobs = c.Scalar<long?>($"{Reachable} SELECT SUM(b.size) FROM live JOIN images_blob b ON b.digest = live.digest", root.ToString()) ?? 0;
        var unpacked = c.Scalar<long?>(
            $"{Reachable} SELECT SUM(size) FROM images_layer WHERE diff_id IN (SELECT e.child FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind = 1)",
            root.ToString()) ?? 0;
        return (blobs, unpacked);
    });

    /// <summary>Whether a document or blob is reachable from another.</summary>
    public bool Reaches(Digest root, Digest blob) => database.Read(c => c.Scalar<long?>(
        $"{Reachable} SELECT 1 FROM live WHERE digest = $2", root.ToString(), blob.ToString())) is not null;

    /// <summary>The layers that are reachable from here and unpacked.</summary>
    public IReadOnlySet<Digest> LayersOf(Digest root) => database.Read(c => c.Query(
        $"{Reachable} SELECT diff_id FROM images_layer WHERE diff_id IN (SELECT e.child FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind = 1)",
        r => Digest.Parse(r.GetString(0)), root.ToString())).ToHashSet();

    /// <summary>The manifests that containers stand on.</summary>
    public IReadOnlySet<Digest> ManifestsInUse() =>
        database.Read(c => c.Query("SELECT DISTINCT manifest FROM images_container", r => Digest.Parse(r.GetString(0)))).ToHashSet();

    /// <summary>What each image consists of that is here: blobs and unpacked layers, with their bytes.</summary>
    public IReadOnlyDictionary<Digest, IReadOnlyDictionary<string, long>> Contents() => database.Read(c => c.Query(
        """
        WITH RECURSIVE live (root, digest) AS (
          SELECT digest, digest FROM images_image
          UNION SELECT live.root, e.child FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind IN (0, 2))
        SELECT live.root, b.digest, b.size FROM live JOIN images_blob b ON b.digest = live.digest
        UNION SELECT live.root, 'layer ' || l.diff_id, l.size FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind = 1 JOIN images_layer l ON l.diff_id = e.child
        """,
        r => (Root: Digest.Parse(r.GetString(0)), Item: r.GetString(1), Size: r.GetInt64(2))))
        .GroupBy(r => r.Root).ToDictionary(g => g.Key, IReadOnlyDictionary<string, long> (g) => g.ToDictionary(r => r.Item, r => r.Size));

    /// <summary>Bytes of everything in the store, of images or not.</summary>
    public long TotalSize() => database.Read(c => (c.Scalar<long?>("SELECT SUM(size) FROM images_blob") ?? 0) + (c.Scalar<long?>("SELECT SUM(size) FROM images_layer") ?? 0));

    /// <summary>
    /// Takes a manifest away from under its index: its document and its references, so that the next collection frees what only it used. Under the leases' gate.
    /// </summary>
    public void DropManifest(Digest manifest)
    {
        database.Write(c =>
        {
            c.Execute("DELETE FROM images_blob WHERE digest = $1", manifest.ToString());
            c.Execute("DELETE FROM images_edge WHERE parent = $1", manifest.ToString());

            // Nor is it wanted any longer in the form in which the whole was sent.
            c.Execute(
                "DELETE FROM images_edge WHERE kind = 2 AND parent IN (SELECT parent FROM images_edge WHERE child = $1 AND kind = 0)", manifest.ToString());
        });
        content.DeleteFile(manifest);
        documents.Forget(manifest);
    }

    /// <summary>Removes what no image, container or work in progress needs. Returns the bytes freed.</summary>
    public long CollectGarbage()
    {
        long freed = 0;
        lock (leases.Gate)
        {
            var leased = leases.Snapshot();
            var (blobs, dead) = database.Write(c =>
            {
                c.Execute("CREATE TEMP TABLE IF NOT EXISTS gc_root (digest TEXT PRIMARY KEY) WITHOUT ROWID; CREATE TEMP TABLE IF NOT EXISTS gc_live (digest TEXT PRIMARY KEY) WITHOUT ROWID; DELETE FROM gc_root; DELETE FROM gc_live");
                c.Execute("INSERT OR IGNORE INTO gc_root SELECT digest FROM images_image");
                c.Execute("INSERT OR IGNORE INTO gc_root SELECT image FROM images_container");
                c.Execute("INSERT OR IGNORE INTO gc_root SELECT manifest FROM images_container");
                foreach (var digest in leased)
                {
                    c.Execute("INSERT OR IGNORE INTO gc_root VALUES ($1)", digest.ToString());
                }

                c.Execute("""
                    INSERT OR IGNORE INTO gc_live
                    WITH RECURSIVE live (digest) AS (SELECT digest FROM gc_root UNION SELECT e.child FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind IN (0, 2))
                    SELECT digest FROM live
                    """);
                var deadBlobs = c.Query(
                    "SELECT digest, size FROM images_blob WHERE digest NOT IN (SELECT digest FROM gc_live)", r => (Digest.Parse(r.GetString(0)), r.GetInt64(1)));
                var deadLayers = c.Query(
                    """
                    SELECT diff_id, size FROM images_layer
                    WHERE diff_id NOT IN (SELECT e.child FROM images_edge e JOIN gc_live l ON l.digest = e.parent WHERE e.kind = 1) AND diff_id NOT IN (SELECT digest FROM gc_root)
                    """, r => (Digest.Parse(r.GetString(0)), r.GetInt64(1)));
                c.Execute("DELETE FROM images_blob WHERE digest NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_edge WHERE parent NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_source WHERE digest NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_unpacked WHERE blob NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_made WHERE manifest NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_sent WHERE image NOT IN (SELECT digest FROM gc_live)");
                c.Execute("DELETE FROM images_built WHERE image NOT IN (SELECT digest FROM gc_live)");
                foreach (var (digest, _) in deadLayers)
                {
                    c.Execute("DELETE FROM images_layer WHERE diff_id = $1", digest.ToString());
                }

                return (deadBlobs, deadLayers);
            });

            foreach (var (digest, size) in blobs)
            {
                content.DeleteFile(digest);
                documents.Forget(digest);
                freed += size;
            }

            foreach (var (digest, size) in dead)
            {
                layers.Discard(digest);
                freed += size;
            }
        }

        return freed;
    }

    private const string Reachable =
        "WITH RECURSIVE live (digest) AS (VALUES ($1) UNION SELECT e.child FROM live JOIN images_edge e ON e.parent = live.digest AND e.kind IN (0, 2))";

    private static Descriptor Row(Microsoft.Data.Sqlite.SqliteDataReader row) =>
        new() { Digest = Digest.Parse(row.GetString(0)), MediaType = row.GetString(1), Size = row.GetInt64(2) };

    private Descriptor? FindByPrefix(string text)
    {
        var hex = text.StartsWith("sha256:", StringComparison.Ordinal) ? text[7..] : text;
        if (hex.Length is < ShortestId or > 64 || hex.AsSpan().IndexOfAnyExcept("0123456789abcdef") >= 0)
        {
            return null;
        }

        var found = database.Read(c => c.Query(
            "SELECT digest, media_type, size FROM images_image WHERE digest >= $1 AND digest < $2 LIMIT 2", Row, "sha256:" + hex, "sha256:" + hex + "g"));
        return found.Count <= 1
            ? found.FirstOrDefault()
            : throw new ImageException(ImageErrorKind.InvalidArgument, "ambiguous reference");
    }

    private IEnumerable<Descriptor> Candidates(Descriptor target, Platform platform)
    {
        if (MediaTypes.IsIndex(target.MediaType))
        {
            return documents.Index(target.Digest).ForPlatform(platform).Where(m => m.Platform is not null || Fits(m, platform));
        }

        return Fits(target, platform) ? [target] : [];
    }

    private bool Fits(Descriptor manifest, Platform platform) =>
        IsReadable(manifest) && platform.Preference(documents.Config(documents.Manifest(manifest.Digest).Config.Digest).Platform) is not null;

    private bool IsReadable(Descriptor manifest) =>
        MediaTypes.IsManifest(manifest.MediaType) && content.Has(manifest.Digest)
        && documents.Manifest(manifest.Digest) is { } m && MediaTypes.IsConfig(m.Config.MediaType) && content.Has(m.Config.Digest);

    private ImageRecord Build(Descriptor target, Descriptor chosen, Platform? platform)
    {
        var manifest = documents.Manifest(chosen.Digest);
        var names = database.Read(c => c.Query(
            "SELECT name, tagged_at FROM images_name WHERE digest = $1 ORDER BY name",
            r => (Name: Reference.Parse(r.GetString(0)), At: r.GetInt64(1)), target.Digest.ToString()));
        var sent = database.Read(c => c.Query(
            "SELECT repository, sent FROM images_sent WHERE image = $1", r => (Repository: r.GetString(0), Sent: Digest.Parse(r.GetString(1))), target.Digest.ToString()))
            .ToDictionary(s => s.Repository, s => s.Sent);
        var (blobs, unpacked) = Sizes(platform is null ? target.Digest : chosen.Digest);
        return new ImageRecord
        {
            Target = target,
            ManifestDescriptor = chosen,
            Manifest = manifest,
            Config = documents.Config(manifest.Config.Digest),
            RepoTags = [.. names.Where(n => n.Name.Tag is not null).Select(n => n.Name.Familiar)],
            RepoDigests = [.. names.Select(n => n.Name.WithDigest(DigestIn(n.Name.Name)).Familiar).Distinct()],
            ContentSize = blobs,
            UnpackedSize = unpacked,
            TaggedAt = names.Count == 0 ? null : DateTimeOffset.FromUnixTimeMilliseconds(names.Max(n => n.At)),
        };

        Digest DigestIn(string repository) => sent.TryGetValue(repository, out var digest) ? digest : target.Digest;
    }
}
