using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Content;

/// <summary>
/// Blobs by digest: files under <c>content/blobs/&lt;algorithm&gt;/&lt;hex&gt;</c> that never change, and rows that say which of them count. A file gets its
/// name after its digest was verified and it is on the disk, and its row after that; a file without row is garbage of a crash.
/// </summary>
internal sealed class ContentStore
{
    /// <summary>So long a broken download waits for somebody to go on with it.</summary>
    private static readonly TimeSpan PartialAge = TimeSpan.FromDays(3);

    private readonly string _blobs;
    private readonly string _ingest;
    private readonly string _partial;
    private readonly HashSet<string> _resuming = [];
    private readonly Database _database;
    private readonly TimeProvider _time;

    public ContentStore(string root, Database database, TimeProvider time)
    {
        _blobs = Path.Combine(root, "content", "blobs");
        _ingest = Path.Combine(root, "content", "ingest");
        _partial = Path.Combine(root, "content", "partial");
        _database = database;
        _time = time;
        Directory.CreateDirectory(Path.Combine(_blobs, "sha256"));
        Directory.CreateDirectory(Path.Combine(_blobs, "sha512"));
        Directory.CreateDirectory(_ingest);
        Directory.CreateDirectory(_partial);
    }

    public string PathOf(Digest digest) => Path.Combine(_blobs, digest.Algorithm, digest.Hex);

    /// <summary>The blob's length if it is here.</summary>
    public long? SizeOf(Digest digest) =>
        _database.Read(c => c.Scalar<long?>("SELECT size FROM images_blob WHERE digest = $1", digest.ToString()));

    public bool Has(Digest digest) => SizeOf(digest) is not null;

    /// <summary>All blobs with their lengths.</summary>
    public IReadOnlyList<(Digest Digest, long Size)> All() =>
        _database.Read(c => c.Query("SELECT digest, size FROM images_blob ORDER BY digest", r => (Digest.Parse(r.GetString(0)), r.GetInt64(1))));

    /// <summary>Makes a blob count as absent, so that it can be fetched again. Its file stays until then.</summary>
    public void SetAside(Digest digest) => _database.Write(c => c.Execute("DELETE FROM images_blob WHERE digest = $1", digest.ToString()));

    /// <summary>Takes <see cref="SetAside"/> back.</summary>
    public void PutBack(Digest digest, long size) => Record(digest, size);

    /// <summary>Opens a blob for reading. Throws <see cref="ImageException"/> (NotFound) if it is not here.</summary>
    public FileStream Open(Digest digest)
    {
        try
        {
            return new FileStream(PathOf(digest), new FileStreamOptions
            {
                Mode = FileMode.Open,
                Access = FileAccess.Read,
                Share = FileShare.ReadWrite | FileShare.Delete,
                BufferSize = 0,
            });
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new ImageException(ImageErrorKind.NotFound, $"content digest {digest}: not found", e);
        }
    }

    /// <summary>A small blob's content, verified again. Throws <see cref="ImageException"/> (NotFound, Corrupt).</summary>
    public byte[] Read(Digest digest, int largest)
    {
        using var file = Open(digest);
        if (file.Length > largest)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"content {digest} is {file.Length} bytes long, too long for its kind");
        }

        var content = new byte[file.Length];
        file.ReadExactly(content);
        return digest.Matches(content)
            ? content
            : throw new ImageException(ImageErrorKind.Corrupt, $"content {digest} has changed on disk: remove the image and pull it again");
    }

    /// <summary>
    /// Begins a download, with what an earlier one of the same blob has left, even in another process. What that was is only known to be right in the end,
    /// like all the rest. Blocks while it is hashed.
    /// </summary>
    public Ingest Resume(Digest digest, long size)
    {
        var path = Path.Combine(_partial, $"{digest.Algorithm}-{digest.Hex}");
        lock (_resuming)
        {
            if (!_resuming.Add(path))
            {
                return Begin(digest);
            }
        }

        try
        {
            var ingest = new Ingest(path, digest, keepContent: true);
            if (ingest.Length <= size)
            {
                return ingest;
            }

            ingest.Dispose();
            File.Delete(path);
            return new Ingest(path, digest);
        }
        catch
        {
            Forget(path);
            throw;
        }
    }

    /// <summary>Ends a broken download whose content the next one may use.</summary>
    public void Keep(Ingest ingest)
    {
        var (path, isEmpty) = (ingest.Path, ingest.Length == 0);
        ingest.Dispose();
        if (isEmpty || Path.GetDirectoryName(path) != _partial)
        {
            File.Delete(path);
        }

        Forget(path);
    }

    /// <summary>Removes what broken downloads have left, as far as none goes on with it. Returns the bytes freed.</summary>
    public long DropPartial(TimeSpan? olderThan = null)
    {
        long freed = 0;
        lock (_resuming)
        {
            foreach (var file in new DirectoryInfo(_partial).EnumerateFiles())
            {
                if (!_resuming.Contains(file.FullName) && (olderThan is not { } age || _time.GetUtcNow() - file.LastWriteTimeUtc > age))
                {
                    freed += file.Length;
                    file.Delete();
                }
            }
        }

        return freed;
    }

    /// <summary>Bytes that broken downloads have left.</summary>
    public long PartialSize => new DirectoryInfo(_partial).EnumerateFiles().Sum(f => f.Length);

    private void Forget(string path)
    {
        lock (_resuming)
        {
            _resuming.Remove(path);
        }
    }

    public Ingest Begin(Digest expected) => new(Path.Combine(_ingest, Guid.NewGuid().ToString("N")), expected);

    /// <summary>
    /// Takes in what <paramref name="ingest"/> has verified as <paramref name="digest"/>. Whoever calls holds a lease on it. If it is here already the new copy is dropped.
    /// </summary>
    public void Commit(Ingest ingest, Digest digest)
    {
        ingest.Sync();
        var path = PathOf(digest);
        Forget(ingest.MoveTo(path));
        SyncDirectory(Path.GetDirectoryName(path)!);
        Record(digest, ingest.Length);
    }

    /// <summary>Takes in a small blob. Whoever calls holds a lease on it.</summary>
    public Digest Add(ReadOnlySpan<byte> content, Digest? expected = null)
    {
        var digest = expected ?? Digest.Of(content);
        if (expected is { } e && !e.Matches(content))
        {
            throw new ImageException(ImageErrorKind.DigestMismatch, $"content is not what its digest {e} says");
        }

        if (Has(digest))
        {
            return digest;
        }

        using var ingest = Begin(digest);
        try
        {
            ingest.Write(content);
            ingest.Verify(content.Length);
            Commit(ingest, digest);
            return digest;
        }
        catch
        {
            Discard(ingest);
            throw;
        }
    }

    public void Discard(Ingest ingest)
    {
        ingest.Dispose();
        File.Delete(ingest.Path);
        Forget(ingest.Path);
    }

    /// <summary>Removes the file of a blob whose row is gone.</summary>
    public void DeleteFile(Digest digest) => File.Delete(PathOf(digest));

    /// <summary>At start: removes what no row refers to. Nothing else may use the store yet.</summary>
    public void CollectGarbage()
    {
        foreach (var path in Directory.EnumerateFiles(_ingest))
        {
            File.Delete(path);
        }

        DropPartial(PartialAge);
        var known = _database.Read(c => c.Query("SELECT digest FROM images_blob", r => r.GetString(0))).ToHashSet();
        foreach (var directory in Directory.EnumerateDirectories(_blobs))
        {
            var algorithm = Path.GetFileName(directory);
            foreach (var path in Directory.EnumerateFiles(directory))
            {
                if (!known.Contains($"{algorithm}:{Path.GetFileName(path)}"))
                {
                    File.Delete(path);
                }
            }
        }
    }

    private void Record(Digest digest, long size) => _database.Write(c => c.Execute(
        "INSERT INTO images_blob (digest, size, created_at) VALUES ($1, $2, $3) ON CONFLICT (digest) DO NOTHING",
        digest.ToString(), size, _time.GetUtcNow().ToUnixTimeMilliseconds()));

    internal static void SyncDirectory(string path)
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            throw new LinuxException((Errno)(-fd), $"open {path}");
        }

        using var directory = new FileDescriptor(fd);
        var result = FileAt.Sync(fd);
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"sync {path}");
        }
    }
}
