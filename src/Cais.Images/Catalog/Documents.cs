using System.Collections.Concurrent;
using Cais.Images.Content;
using Cais.Oci.Images;
using Cais.Storage;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Catalog;

/// <summary>
/// Manifests, indexes and configurations: blobs whose content the store understands. Adding one notes what it refers to, which is what garbage
/// collection follows. Parsed documents never change, so a few are kept.
/// </summary>
internal sealed class Documents(ContentStore content, Database database)
{
    private const int MostCached = 256;

    private readonly ConcurrentDictionary<Digest, object> _parsed = new();

    public Manifest Manifest(Digest digest) => Cached(digest, d => Oci.Images.Manifest.Parse(content.Read(d, Oci.Images.Manifest.LargestSize)));

    public Index Index(Digest digest) => Cached(digest, d => Oci.Images.Index.Parse(content.Read(d, Oci.Images.Manifest.LargestSize)));

    public ImageConfig Config(Digest digest) => Cached(digest, d => ImageConfig.Parse(content.Read(d, ImageConfig.LargestSize)));

    /// <summary>Stores a manifest that was put together here, of layers that nobody has sent or received yet. The caller leases it.</summary>
    public Digest AddMade(ReadOnlySpan<byte> json, string mediaType, Digest? expected = null)
    {
        var digest = AddManifest(json, mediaType, expected);
        database.Write(c => c.Execute("INSERT OR IGNORE INTO images_made (manifest) VALUES ($1)", digest.ToString()));
        return digest;
    }

    /// <summary>Notes as what a manifest or index is sent: that stays as long as the original does.</summary>
    public void AddSentForm(Digest original, Digest sent) => AddEdges(original, [sent], ImageTables.SentEdge);

    /// <summary>Stores a manifest or index, whatever it is by its media type, and its references. The caller leases it.</summary>
    public Digest AddManifest(ReadOnlySpan<byte> json, string mediaType, Digest? expected = null)
    {
        List<Digest> children = [];
        if (MediaTypes.IsIndex(mediaType))
        {
            children.AddRange(Oci.Images.Index.Parse(json).Manifests.Select(m => m.Digest));
        }
        else
        {
            var manifest = Oci.Images.Manifest.Parse(json);
            children.Add(manifest.Config.Digest);
            children.AddRange(manifest.Layers.Select(l => l.Digest));
        }

        var digest = content.Add(json, expected);
        AddEdges(digest, children, ImageTables.BlobEdge);
        return digest;
    }

    /// <summary>Stores an image's configuration and its references to unpacked layers. The caller leases it.</summary>
    public Digest AddConfig(ReadOnlySpan<byte> json, Digest? expected = null)
    {
        var config = ImageConfig.Parse(json);
        var digest = content.Add(json, expected);
        AddEdges(digest, config.RootFs.DiffIds, ImageTables.LayerEdge);
        return digest;
    }

    public void Forget(Digest digest) => _parsed.TryRemove(digest, out _);

    private void AddEdges(Digest parent, IEnumerable<Digest> children, int kind) => database.Write(c =>
    {
        foreach (var child in children)
        {
            c.Execute("INSERT OR IGNORE INTO images_edge (parent, child, kind) VALUES ($1, $2, $3)", parent.ToString(), child.ToString(), kind);
        }
    });

    private T Cached<T>(Digest digest, Func<Digest, T> read)
        where T : class
    {
        if (_parsed.TryGetValue(digest, out var found) && found is T known)
        {
            return known;
        }

        if (_parsed.Count >= MostCached)
        {
            _parsed.Clear();
        }

        T parsed;
        try
        {
            parsed = read(digest);
        }
        catch (ImageFormatException e)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"{digest}: {e.Message}", e);
        }

        _parsed[digest] = parsed;
        return parsed;
    }
}
