using Cais.Images.Content;
using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Images.Layers;

/// <summary>
/// Unpacked layers, by DiffID: <c>snapshots/&lt;hex&gt;/fs</c>. A layer is unpacked in a temporary directory, which gets its name when the DiffID was
/// verified, and then its row; a directory without row is garbage of a crash.
/// </summary>
/// <remarks>
/// Unpacked files are not forced to the disk one by one: that would cost more than unpacking. Instead a row carries the boot it was made in until a
/// later sync of the file system has covered it; after a power failure rows of an earlier boot that were not covered are dropped, and their layers unpack again
/// from their blobs, which are on the disk.
/// </remarks>
internal sealed class LayerStore : IDisposable
{
    private static readonly TimeSpan SyncDelay = TimeSpan.FromSeconds(20);

    private readonly string _directory;
    private readonly Database _database;
    private readonly Leases _leases;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _unpacking = new(Math.Max(4, 2 * Environment.ProcessorCount));
    private readonly SharedWork<Digest, Digest> _work = new();
    private readonly string _boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();
    private ITimer? _sync;

    public LayerStore(string root, Database database, Leases leases, TimeProvider time)
    {
        _directory = Path.Combine(root, "snapshots");
        _database = database;
        _leases = leases;
        _time = time;
        Directory.CreateDirectory(_directory);
        SpreadLayers();
    }

    /// <summary>Where snapshots live.</summary>
    public string SnapshotsPath => _directory;

    public string PathOf(Digest diffId) => Path.Combine(_directory, diffId.Hex, "fs");

    public bool Has(Digest diffId) => _database.Read(c => c.Scalar<long?>("SELECT 1 FROM images_layer WHERE diff_id = $1", diffId.ToString())) is not null;

    /// <summary>Bytes that the layer takes, if it is unpacked.</summary>
    public long? SizeOf(Digest diffId) => _database.Read(c => c.Scalar<long?>("SELECT size FROM images_layer WHERE diff_id = $1", diffId.ToString()));

    /// <summary>Whether it is known that this blob's uncompressed content has this DiffID.</summary>
    public bool IsProven(Digest blob, Digest diffId) => blob == diffId || _database.Read(c =>
        c.Scalar<string>("SELECT diff_id FROM images_unpacked WHERE blob = $1", blob.ToString())) == diffId.ToString();

    /// <summary>The compressed blobs that are known to hold a layer; they may be gone.</summary>
    public IReadOnlyList<Digest> CompressedBlobsOf(Digest diffId) =>
        _database.Read(c => c.Query("SELECT blob FROM images_unpacked WHERE diff_id = $1", r => Digest.Parse(r.GetString(0)), diffId.ToString()));

    /// <summary>Notes that a blob's uncompressed content has this DiffID.</summary>
    public void Prove(Digest blob, Digest diffId)
    {
        if (blob != diffId)
        {
            _database.Write(c => c.Execute("INSERT OR REPLACE INTO images_unpacked (blob, diff_id) VALUES ($1, $2)", blob.ToString(), diffId.ToString()));
        }
    }

    /// <summary>
    /// Unpacks a layer unless it is here. <paramref name="open"/> gives the blob as it is stored or as it arrives. With <paramref name="diffId"/> given, content that hashes to
    /// something else is DigestMismatch, also if that layer is here already. <paramref name="blob"/> names the work, so that callers at the same time do it once; empty if it
    /// is not known yet. <paramref name="progress"/> gets the position in the blob.
    /// </summary>
    public Task<Digest> UnpackAsync(
        Digest blob, Digest? diffId, Func<Stream> open, Lease lease, Action<long>? progress, CancellationToken cancellation)
    {
        if (diffId is { } known)
        {
            lease.Add(known);
            if (Has(known) && IsProven(blob, known))
            {
                return Task.FromResult(known);
            }
        }

        var key = blob.IsEmpty ? Digest.Of(Guid.NewGuid().ToByteArray()) : blob;
        return _work.RunAsync(key, async ct =>
        {
            await _unpacking.WaitAsync(ct).ConfigureAwait(false);
            try
            {
                return await OwnThread.Run("unpack", () => Unpack(blob, diffId, open, lease, progress, ct)).ConfigureAwait(false);
            }
            finally
            {
                _unpacking.Release();
            }
        }, cancellation);
    }

    /// <summary>
    /// Takes a directory that a build made, and goes on keeping, as an unpacked layer: a link to it stands in the layer's place until
    /// <see cref="TakeOver"/>. The caller leases the DiffID.
    /// </summary>
    public void Adopt(Digest diffId, string directory)
    {
        if (Has(diffId))
        {
            return;
        }

        var temporary = Path.Combine(_directory, "tmp-" + Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(temporary);
        File.CreateSymbolicLink(Path.Combine(temporary, "fs"), Path.GetRelativePath(temporary, directory));
        Commit(temporary, diffId, Trees.DiskUsage(directory));
    }

    /// <summary>The builder is about to remove an adopted directory: the layer gets it for good, if it is still one. Mounted overlays notice nothing.</summary>
    public void TakeOver(Digest diffId, string directory)
    {
        lock (_leases.Gate)
        {
            var link = PathOf(diffId);
            if (!Has(diffId) || new FileInfo(link).LinkTarget is not { } target
                || Path.GetFullPath(target, Path.GetDirectoryName(link)!) != Path.GetFullPath(directory))
            {
                return;
            }

            var result = FileAt.Exchange(
                FileAt.CurrentDirectory, System.Text.Encoding.UTF8.GetBytes(directory + '\0'), FileAt.CurrentDirectory, System.Text.Encoding.UTF8.GetBytes(link + '\0'));
            if (result < 0)
            {
                throw new LinuxException((Errno)(-result), $"move {directory}");
            }
        }
    }

    /// <summary>All unpacked layers.</summary>
    public IReadOnlyList<Digest> All() => _database.Read(c => c.Query("SELECT diff_id FROM images_layer ORDER BY diff_id", r => Digest.Parse(r.GetString(0))));

    /// <summary>The blobs that are known to unpack to a layer.</summary>
    public IReadOnlyList<Digest> BlobsOf(Digest diffId) =>
        [diffId, .. CompressedBlobsOf(diffId)];

    /// <summary>Unpacks a layer into a directory of the caller's, whatever is here. Throws <see cref="ImageException"/> if it is not that layer.</summary>
    public async Task<string> UnpackAsideAsync(Func<Stream> open, Digest diffId, CancellationToken cancellation)
    {
        await _unpacking.WaitAsync(cancellation).ConfigureAwait(false);
        var temporary = Path.Combine(_directory, "tmp-" + Guid.NewGuid().ToString("N"));
        try
        {
            return await OwnThread.Run("unpack", () =>
            {
                var root = Path.Combine(temporary, "fs");
                Directory.CreateDirectory(root);
                Check(default, UnpackInto(root, open, null, cancellation).DiffId, diffId);
                return temporary;
            }).ConfigureAwait(false);
        }
        catch
        {
            Trees.Remove(temporary);
            throw;
        }
        finally
        {
            _unpacking.Release();
        }
    }

    /// <summary>Puts a directory that <see cref="UnpackAsideAsync"/> made in the place of a damaged layer.</summary>
    public void Replace(Digest diffId, string directory)
    {
        lock (_leases.Gate)
        {
            Discard(diffId);
            Directory.Move(directory, Path.Combine(_directory, diffId.Hex));
            _database.Write(c => c.Execute("UPDATE images_layer SET boot = $2, synced = 0 WHERE diff_id = $1", diffId.ToString(), _boot));
        }

        SyncLater();
        _ = Task.Run(EmptyTrash);
    }

    /// <summary>Moves an unpacked layer out of the way; its row is gone. Under the leases' gate.</summary>
    public void Discard(Digest diffId)
    {
        var path = Path.Combine(_directory, diffId.Hex);
        if (Directory.Exists(path))
        {
            Directory.Move(path, NewTrash());
        }
    }

    /// <summary>Removes a layer that was unpacked on suspicion. One that a container stands on stays.</summary>
    public void DropIfUnused(Digest diffId)
    {
        lock (_leases.Gate)
        {
            var dropped = _database.Write(c => c.Execute(
                """
                DELETE FROM images_layer WHERE diff_id = $1 AND diff_id NOT IN (
                  SELECT layer.child FROM images_container JOIN images_edge config ON config.parent = images_container.manifest AND config.kind = 0
                  JOIN images_edge layer ON layer.parent = config.child AND layer.kind = 1)
                """, diffId.ToString()) > 0);
            if (dropped)
            {
                Discard(diffId);
            }
        }
    }

    public string NewTrash() => Path.Combine(_directory, "trash-" + Guid.NewGuid().ToString("N"));

    /// <summary>Deletes what was moved out of the way. Any thread, any time; a crash in between is made up for at the next start.</summary>
    public void EmptyTrash()
    {
        foreach (var path in Directory.EnumerateDirectories(_directory, "trash-*"))
        {
            Trees.Remove(path);
        }
    }

    /// <summary>At start: drops what a crash or power failure left behind. Nothing else may use the store yet.</summary>
    public void CollectGarbage(IReadOnlySet<string> containers)
    {
        _database.Write(c => c.Execute("DELETE FROM images_layer WHERE synced = 0 AND boot <> $1", _boot));
        var known = _database.Read(c => c.Query("SELECT diff_id FROM images_layer", r => r.GetString(0)[7..])).ToHashSet();
        foreach (var path in Directory.EnumerateDirectories(_directory))
        {
            var name = Path.GetFileName(path);

            // A build's directory that a power failure took: the layer unpacks again from its blob.
            if (known.Contains(name) && !Directory.Exists(Path.Combine(path, "fs")))
            {
                known.Remove(name);
                _database.Write(c => c.Execute("DELETE FROM images_layer WHERE diff_id = $1", "sha256:" + name));
            }

            if (!known.Contains(name) && !containers.Contains(name) && !name.StartsWith("trash-", StringComparison.Ordinal) && name != EmptyLayer)
            {
                Directory.Move(path, NewTrash());
            }
        }

        if (_database.Read(c => c.Scalar<long?>("SELECT 1 FROM images_layer WHERE synced = 0")) is not null)
        {
            SyncLater();
        }
    }

    /// <summary>An empty directory for images without layers: overlay wants at least one.</summary>
    public string EmptyLayerPath()
    {
        var path = Path.Combine(_directory, EmptyLayer, "fs");
        Directory.CreateDirectory(path);
        return path;
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _sync, null)?.Dispose();
        _unpacking.Dispose();
    }

    private const string EmptyLayer = "empty";

    /// <summary>
    /// Gives every layer a part of the disk of its own, where the file system can (ext4). Otherwise all layers' files crowd into the same few inode tables, and as ext4 does not
    /// give out again inodes that were freed in the last half minute, each new file after a removal searches through all of those: measured, 1 ms a file instead of 0.03 ms.
    /// </summary>
    private void SpreadLayers()
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(_directory), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd >= 0)
        {
            using var directory = new FileDescriptor(fd);
            FileAt.SpreadSubdirectories(fd);
        }
    }

    private Digest Unpack(Digest blob, Digest? expected, Func<Stream> open, Lease lease, Action<long>? progress, CancellationToken cancellation)
    {
        if (expected is { } e && Has(e))
        {
            Check(blob, Hash(open, progress, cancellation), e);
            return e;
        }

        var temporary = Path.Combine(_directory, "tmp-" + Guid.NewGuid().ToString("N"));
        try
        {
            var root = Path.Combine(temporary, "fs");
            Directory.CreateDirectory(root);
            var (diffId, size) = UnpackInto(root, open, progress, cancellation);
            Check(blob, diffId, expected);
            lease.Add(diffId);
            Commit(temporary, diffId, size);
            return diffId;
        }
        catch
        {
            Trees.Remove(temporary);
            throw;
        }
    }

    private static (Digest DiffId, long Size) UnpackInto(string root, Func<Stream> open, Action<long>? progress, CancellationToken cancellation)
    {
        var fd = FileAt.Open(
            FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(root), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        using var directory = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {root}");
        FileAt.ChangeMode(fd, 0x1ED);
        var blob = new CountingStream(open(), progress, cancellation);
        var plain = Compression.OpenReader(blob, out var kind);

        // An uncompressed layer that is just arriving is being hashed already.
        var isHashed = kind == CompressionKind.None && plain is ReadStream { WillKnowDigest: true };
        using Stream source = isHashed ? plain : new HashingStream(kind == CompressionKind.None ? plain : new ReadAheadStream(plain));
        using var tar = new TarReader(source);
        using var unpacker = new LayerUnpacker(fd);
        try
        {
            unpacker.Apply(tar, cancellation);

            // The DiffID covers everything, also what follows the archive's end.
            tar.Drain();
        }
        catch (InvalidDataException e)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"the layer's compressed data is damaged: {e.Message}", e);
        }
        catch (ZstdSharp.ZstdException e)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"the layer's compressed data is damaged: {e.Message}", e);
        }

        return (source is HashingStream hashed ? hashed.Finish() : ((ReadStream)source).KnownDigest!.Value, unpacker.Size);
    }

    private void Check(Digest blob, Digest actual, Digest? expected)
    {
        if (expected is { } wanted && actual != wanted)
        {
            throw new ImageException(
                ImageErrorKind.DigestMismatch, $"wrong diff id calculated on extraction of layer {blob}: it is \"{actual}\" and should be \"{wanted}\"");
        }

        if (!blob.IsEmpty)
        {
            Prove(blob, actual);
        }
    }

    /// <summary>The DiffID of a blob whose layer is here by another blob: nothing is unpacked.</summary>
    private static Digest Hash(Func<Stream> open, Action<long>? progress, CancellationToken cancellation)
    {
        using var hashed = new HashingStream(Compression.OpenReader(new CountingStream(open(), progress, cancellation), out _));
        var buffer = new byte[128 * 1024];
        while (hashed.Read(buffer) > 0)
        {
        }

        return hashed.Finish();
    }

    private void Commit(string temporary, Digest diffId, long size)
    {
        lock (_leases.Gate)
        {
            if (Has(diffId))
            {
                Directory.Move(temporary, NewTrash());
            }
            else
            {
                // Without row it is left over, however it came there.
                Discard(diffId);
                Directory.Move(temporary, Path.Combine(_directory, diffId.Hex));
                _database.Write(c => c.Execute(
                    "INSERT INTO images_layer (diff_id, size, created_at, boot, synced) VALUES ($1, $2, $3, $4, 0)",
                    diffId.ToString(), size, _time.GetUtcNow().ToUnixTimeMilliseconds(), _boot));
            }
        }

        SyncLater();
    }

    private void SyncLater()
    {
        if (Volatile.Read(ref _sync) is not null)
        {
            return;
        }

        var timer = _time.CreateTimer(_ => SyncNow(), null, SyncDelay, Timeout.InfiniteTimeSpan);
        if (Interlocked.CompareExchange(ref _sync, timer, null) is not null)
        {
            timer.Dispose();
        }
    }

    /// <summary>Puts all that has been unpacked so far on the disk and notes it.</summary>
    internal void SyncNow()
    {
        Interlocked.Exchange(ref _sync, null)?.Dispose();
        try
        {
            var rows = _database.Read(c => c.Query("SELECT diff_id FROM images_layer WHERE synced = 0", r => r.GetString(0)));
            var fd = FileAt.Open(
                FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(_directory), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
            if (fd < 0)
            {
                return;
            }

            using var directory = new FileDescriptor(fd);
            if (FileAt.SyncFileSystem(fd) < 0)
            {
                // What could not be written stays unproven, and is unpacked again after a power failure.
                return;
            }

            _database.Write(c =>
            {
                foreach (var row in rows)
                {
                    c.Execute("UPDATE images_layer SET synced = 1 WHERE diff_id = $1", row);
                }
            });
        }
        catch (Exception e) when (e is ObjectDisposedException or LinuxException)
        {
            // The store was closed meanwhile: the next start does it.
        }
    }
}
