using Cais.Storage;

namespace Cais.Images.Catalog;

/// <summary>The store's tables. Names are in canonical form, digests as <c>algorithm:hex</c>, times in milliseconds since the epoch, sizes in bytes.</summary>
internal static class ImageTables
{
    /// <summary>images_edge.kind: the child is a blob that the parent's document names.</summary>
    public const int BlobEdge = 0;

    /// <summary>images_edge.kind: the child is the DiffID of a layer that the parent, a configuration, is made of.</summary>
    public const int LayerEdge = 1;

    /// <summary>images_edge.kind: the child is the manifest or index as which the parent, made here, was sent to registries.</summary>
    public const int SentEdge = 2;

    public static void Migrate(Database database) => database.Migrate("images", """
        CREATE TABLE images_blob (digest TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE images_edge (parent TEXT NOT NULL, child TEXT NOT NULL, kind INTEGER NOT NULL, PRIMARY KEY (parent, child, kind)) WITHOUT ROWID;
        CREATE TABLE images_layer (diff_id TEXT PRIMARY KEY, size INTEGER NOT NULL, created_at INTEGER NOT NULL, boot TEXT NOT NULL, synced INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE images_unpacked (blob TEXT PRIMARY KEY, diff_id TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE images_image (digest TEXT PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE images_name (name TEXT PRIMARY KEY, digest TEXT NOT NULL REFERENCES images_image (digest), tagged_at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX images_name_digest ON images_name (digest);
        CREATE TABLE images_container (container TEXT PRIMARY KEY, image TEXT NOT NULL, manifest TEXT NOT NULL, created_at INTEGER NOT NULL) WITHOUT ROWID;
        CREATE TABLE images_source (digest TEXT NOT NULL, repository TEXT NOT NULL, PRIMARY KEY (digest, repository)) WITHOUT ROWID;
        """, """
        CREATE TABLE images_made (manifest TEXT PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE images_sent (image TEXT NOT NULL, repository TEXT NOT NULL, sent TEXT NOT NULL, PRIMARY KEY (image, repository)) WITHOUT ROWID;
        CREATE INDEX images_sent_as ON images_sent (sent);
        CREATE TABLE images_built (image TEXT NOT NULL, reference TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (image, reference)) WITHOUT ROWID;
        """);
}
