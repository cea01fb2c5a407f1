using Cais.Build.Solving;
using Cais.Build.Sources;
using Cais.Linux.FileSystem;
using Cais.Oci.Images;
using Cais.Storage;

namespace Cais.Build.Cache;

/// <summary>One layer of a result: made by a build (<paramref name="Id"/> in the cache) or an image's (<paramref name="DiffId"/>).</summary>
public sealed record LayerReference(string? Id, Digest? DiffId, string Path);

/// <summary>A step's outcome: a file system as layers, bottom first, and what identifies it.</summary>
/// <param name="Id">Equal IDs are the same file system.</param>
public sealed record StepResult(Digest Id, IReadOnlyList<LayerReference> Layers)
{
    /// <summary>The layers' directories, bottom first.</summary>
    public IReadOnlyList<string> Paths => [.. Layers.Select(l => l.Path)];
}

/// <summary>What <c>builder du</c> shows of a layer or of a cache mount's directory.</summary>
public sealed record CacheUsage(string Id, string Description, long Size, DateTimeOffset Created, DateTimeOffset LastUsed, long UseCount)
{
    public const string Regular = "regular";
    public const string CacheMount = "exec.cachemount";

    /// <summary>By BuildKit's names.</summary>
    public string Type { get; init; } = Regular;

    /// <summary>A build is using it.</summary>
    public bool IsInUse { get; init; }

    /// <summary>An image may stand on it.</summary>
    public bool IsShared { get; init; }
}

/// <summary>
/// Results of steps, by key, and the layers they are made of: directories <c>layers/&lt;id&gt;/fs</c> under the cache's root. A layer gets its name when it
/// is complete, and its row after that; a directory without row is garbage of a crash, and a row whose directory is gone does not count.
/// </summary>
/// <remarks>
/// Layers are not forced to the disk one by one. A row carries the boot it was made in until <see cref="SyncAsync"/> has covered it; after a power
/// failure rows of an earlier boot that were not covered are dropped.
/// </remarks>
public sealed class BuildCache
{
    private readonly string _layers;
    private readonly Database _database;
    private readonly Action<Digest, string> _release;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _inUse = [];
    private readonly string _boot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    private BuildCache(string root, Database database, Action<Digest, string> release, TimeProvider time)
    {
        (Root, _database, _release, _time) = (root, database, release, time);
        _layers = Path.Combine(root, "layers");
        Mounts = new CacheMounts(Path.Combine(root, "mounts"), NoteMount);
        Fetched = new FetchedFiles(database);
        Git = new GitRepositories(Path.Combine(root, "git"));
        Directory.CreateDirectory(_layers);
    }

    public string Root { get; }

    internal ChecksumMemory Checksums { get; } = new();

    /// <summary>Files that builds have fetched by HTTP.</summary>
    internal FetchedFiles Fetched { get; }

    /// <summary>Work that some build is at.</summary>
    internal WorkInProgress Work { get; } = new();

    /// <summary>Repositories that builds have fetched from.</summary>
    public GitRepositories Git { get; }

    /// <summary>The directories of cache mounts, which all builds share.</summary>
    internal CacheMounts Mounts { get; }

    /// <summary>
    /// Opens the cache, and collects what a crash left behind. One process at a time. <paramref name="release"/> is told of a directory that is about to be
    /// removed and whose DiffID was noted: an image may stand on it, and may take it away.
    /// </summary>
    public static BuildCache Open(string root, Database database, TimeProvider? time = null, Action<Digest, string>? release = null)
    {
        ArgumentNullException.ThrowIfNull(database);
        database.Migrate(
            "build",
            """
            CREATE TABLE build_layer (
              id TEXT PRIMARY KEY, description TEXT NOT NULL, size INTEGER NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL,
              uses INTEGER NOT NULL, boot TEXT NOT NULL, synced INTEGER NOT NULL, diff_id TEXT) WITHOUT ROWID;
            CREATE TABLE build_result (key TEXT PRIMARY KEY, result TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE build_result_layer (key TEXT NOT NULL, position INTEGER NOT NULL, layer TEXT, diff_id TEXT, path TEXT, PRIMARY KEY (key, position)) WITHOUT ROWID;
            CREATE TABLE build_mount (id TEXT PRIMARY KEY, description TEXT NOT NULL, created_at INTEGER NOT NULL, used_at INTEGER NOT NULL, uses INTEGER NOT NULL) WITHOUT ROWID;
            CREATE INDEX build_result_by_layer ON build_result_layer (layer);
            """,
            "CREATE TABLE build_fetch (step TEXT PRIMARY KEY, tag TEXT, modified TEXT, key TEXT NOT NULL) WITHOUT ROWID;");
        var cache = new BuildCache(Path.GetFullPath(root), database, release ?? ((_, _) => { }), time ?? TimeProvider.System);
        cache.CollectGarbage();
        return cache;
    }

    /// <summary>The result that a key was stored with, if all its layers are still here.</summary>
    public StepResult? Find(Digest key)
    {
        var found = _database.Read(c => (
            Result: c.Scalar<string>("SELECT result FROM build_result WHERE key = $1", key.ToString()),
            Layers: c.Query(
                "SELECT layer, diff_id, path FROM build_result_layer WHERE key = $1 ORDER BY position",
                r => (Id: r.TextOrNull(0), DiffId: r.TextOrNull(1), Path: r.TextOrNull(2)), key.ToString())));
        if (found.Result is null)
        {
            return null;
        }

        var layers = found.Layers.ConvertAll(l => new LayerReference(l.Id, l.DiffId is null ? null : Digest.Parse(l.DiffId), l.Id is null ? l.Path! : PathOf(l.Id)));
        return layers.TrueForAll(l => Directory.Exists(l.Path)) ? new StepResult(Digest.Parse(found.Result), layers) : null;
    }

    /// <summary>Finds and holds what a key leads to, before anybody can take it away.</summary>
    public (StepResult Result, IDisposable Hold)? Take(Digest key)
    {
        if (Find(key) is not { } found)
        {
            return null;
        }

        // What is being removed at this moment has no row any more when it is looked for again.
        var hold = Hold(found);
        if (Find(key) is { } still && still.Id == found.Id)
        {
            return (found, hold);
        }

        hold.Dispose();
        return null;
    }

    /// <summary>Remembers what keys lead to.</summary>
    public void Store(StepResult result, params Digest[] keys)
    {
        ArgumentNullException.ThrowIfNull(result);
        _database.Write(c =>
        {
            foreach (var key in keys.Select(k => k.ToString()))
            {
                c.Execute("INSERT INTO build_result (key, result) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET result = $2", key, result.Id.ToString());
                c.Execute("DELETE FROM build_result_layer WHERE key = $1", key);
                for (var i = 0; i < result.Layers.Count; i++)
                {
                    var layer = result.Layers[i];
                    c.Execute(
                        "INSERT INTO build_result_layer (key, position, layer, diff_id, path) VALUES ($1, $2, $3, $4, $5)",
                        key, i, layer.Id, layer.DiffId?.ToString(), layer.Id is null ? layer.Path : null);
                }
            }
        });
    }

    /// <summary>A new layer to write: its directory is removed again unless it is committed.</summary>
    public NewLayer Begin()
    {
        var layer = new NewLayer(this, Guid.NewGuid().ToString("N"));
        lock (_gate)
        {
            _inUse[layer.Id] = 1;
        }

        return layer;
    }

    /// <summary>Keeps a result's layers until the returned object is disposed of.</summary>
    public IDisposable Hold(StepResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        var ids = result.Layers.Select(l => l.Id).OfType<string>().ToList();
        lock (_gate)
        {
            foreach (var id in ids)
            {
                _inUse[id] = _inUse.GetValueOrDefault(id) + 1;
            }
        }

        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        _database.Write(c => ids.ForEach(id => c.Execute("UPDATE build_layer SET used_at = $2, uses = uses + 1 WHERE id = $1", id, now)));
        return new Held(this, ids);
    }

    /// <summary>What was noted of a layer: the digest of its archive if it has been archived, and when it was made. Null if there is no such layer.</summary>
    public (Digest? DiffId, DateTimeOffset Created)? Describe(string id) => _database.Read(c => c.Query(
        "SELECT diff_id, created_at FROM build_layer WHERE id = $1",
        r => ((Digest?, DateTimeOffset)?)(r.TextOrNull(0) is { } text ? Digest.Parse(text) : null, DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(1))), id)).FirstOrDefault();

    /// <summary>Notes the digest of a layer's archive.</summary>
    public void Describe(string id, Digest diffId) => _database.Write(c => c.Execute("UPDATE build_layer SET diff_id = $2 WHERE id = $1", id, diffId.ToString()));

    /// <summary>All layers and cache mounts, the longest unused first.</summary>
    public IReadOnlyList<CacheUsage> Usage()
    {
        var rows = _database.Read(c => c.Query(
            "SELECT id, description, size, created_at, used_at, uses, diff_id, 0 FROM build_layer UNION ALL SELECT id, description, 0, created_at, used_at, uses, NULL, 1 FROM build_mount ORDER BY 5, 1",
            r => new CacheUsage(
                r.GetString(0), r.GetString(1), r.GetInt64(2), DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(3)), DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(4)), r.GetInt64(5))
            {
                IsShared = r.TextOrNull(6) is not null,
                Type = r.GetInt64(7) == 0 ? CacheUsage.Regular : CacheUsage.CacheMount,
            }));
        return [.. rows.Select(r => r.Type == CacheUsage.CacheMount
            ? r with { Size = Trees.DiskUsage(Mounts.PathOf(r.Id)), IsInUse = Mounts.IsInUse(r.Id) }
            : r with { IsInUse = IsInUse(r.Id) })];
    }

    /// <summary>
    /// Removes layers, the longest unused first, until the rest takes no more than <paramref name="keep"/> bytes, sparing those used within
    /// <paramref name="spare"/> and those in use. Results that need a removed layer go with it.
    /// </summary>
    public IReadOnlyList<CacheUsage> Prune(long keep = 0, TimeSpan? spare = null) => Prune(new PruneOptions { Keep = keep, Spare = spare, All = true });

    /// <summary>Removes what the options say, the longest unused first. What is in use stays.</summary>
    public IReadOnlyList<CacheUsage> Prune(PruneOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var usage = Usage();
        var total = usage.Sum(u => u.Size);
        var before = _time.GetUtcNow() - (options.Spare ?? TimeSpan.Zero);
        var keep = options.Target(total, options.MinFree > 0 ? new DriveInfo(Root).AvailableFreeSpace : 0);
        var removed = new List<CacheUsage>();
        foreach (var record in usage)
        {
            if (keep > 0 && total <= keep)
            {
                break;
            }

            var isMeant = (options.Filter is null || options.Filter.Matches(record))
                && (options.All || !record.IsShared)
                && (options.Spare is null || record.LastUsed <= before);
            if (isMeant && (record.Type == CacheUsage.CacheMount ? RemoveMount(record.Id) : RemoveLayer(record.Id)))
            {
                total -= record.Size;
                removed.Add(record);
            }
        }

        return removed;
    }

    /// <summary>Brings the cache within its bounds, if it is over them.</summary>
    public IReadOnlyList<CacheUsage> Collect(CacheLimits? limits)
    {
        if (limits is null)
        {
            return [];
        }

        var disk = new DriveInfo(Root);
        long Bytes(long value) => limits.DiskPercent ? disk.TotalSize / 100 * value : value;
        var used = Usage().Sum(u => u.Size);
        var target = long.MaxValue;
        if (limits.MaxUsed > 0)
        {
            target = Bytes(limits.MaxUsed);
        }

        if (limits.MinFree > 0 && Bytes(limits.MinFree) - disk.AvailableFreeSpace is > 0 and var missing)
        {
            target = Math.Min(target, used - missing);
        }

        target = Math.Max(target, Math.Max(1, Bytes(limits.Reserved)));
        return used > target ? Prune(new PruneOptions { Keep = target, All = true }) : [];
    }

    /// <summary>Puts all layers made so far on the disk and notes it.</summary>
    public Task SyncAsync() => Task.Run(() =>
    {
        var rows = _database.Read(c => c.Query("SELECT id FROM build_layer WHERE synced = 0", r => r.GetString(0)));
        using var directory = Files.RootDirectory.Open(_layers);
        if (rows.Count > 0 && FileAt.SyncFileSystem(directory.Descriptor) >= 0)
        {
            _database.Write(c => rows.ForEach(id => c.Execute("UPDATE build_layer SET synced = 1 WHERE id = $1", id)));
        }
    });

    private bool IsInUse(string id)
    {
        lock (_gate)
        {
            return _inUse.ContainsKey(id);
        }
    }

    private bool RemoveLayer(string id)
    {
        lock (_gate)
        {
            if (_inUse.ContainsKey(id))
            {
                return false;
            }

            if (Describe(id) is ({ } diffId, _))
            {
                _release(diffId, PathOf(id));
            }

            _database.Write(c =>
            {
                c.Execute("DELETE FROM build_result WHERE key IN (SELECT key FROM build_result_layer WHERE layer = $1)", id);
                c.Execute("DELETE FROM build_result_layer WHERE key NOT IN (SELECT key FROM build_result)");
                c.Execute("DELETE FROM build_layer WHERE id = $1", id);
            });
        }

        Trees.Remove(DirectoryOf(id));
        return true;
    }

    private bool RemoveMount(string id)
    {
        if (!Mounts.Remove(id))
        {
            return false;
        }

        _database.Write(c => c.Execute("DELETE FROM build_mount WHERE id = $1", id));
        return true;
    }

    private void NoteMount(string id, string description)
    {
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        _database.Write(c => c.Execute(
            "INSERT INTO build_mount (id, description, created_at, used_at, uses) VALUES ($1, $2, $3, $3, 1) ON CONFLICT (id) DO UPDATE SET used_at = $3, uses = uses + 1",
            id, description, now));
    }

    internal string PathOf(string id) => Path.Combine(_layers, id, "fs");

    internal string DirectoryOf(string id) => Path.Combine(_layers, id);

    internal void Commit(string id, string temporary, string description)
    {
        var size = Trees.DiskUsage(Path.Combine(temporary, "fs"));
        Directory.Move(temporary, DirectoryOf(id));
        var now = _time.GetUtcNow().ToUnixTimeMilliseconds();
        _database.Write(c => c.Execute(
            "INSERT INTO build_layer (id, description, size, created_at, used_at, uses, boot, synced) VALUES ($1, $2, $3, $4, $4, 1, $5, 0)", id, description, size, now, _boot));
    }

    internal void Release(IEnumerable<string> ids)
    {
        lock (_gate)
        {
            foreach (var id in ids)
            {
                if (--_inUse[id] == 0)
                {
                    _inUse.Remove(id);
                }
            }
        }
    }

    private void CollectGarbage()
    {
        _database.Write(c =>
        {
            c.Execute("DELETE FROM build_layer WHERE synced = 0 AND boot <> $1", _boot);
            c.Execute("DELETE FROM build_fetch WHERE key NOT IN (SELECT key FROM build_result)");
        });
        var known = _database.Read(c => c.Query("SELECT id FROM build_layer", r => r.GetString(0))).ToHashSet();
        foreach (var path in Directory.EnumerateDirectories(_layers))
        {
            if (!known.Contains(Path.GetFileName(path)))
            {
                Trees.Remove(path);
            }
        }

        foreach (var id in known.Where(id => !Directory.Exists(PathOf(id))))
        {
            _database.Write(c => c.Execute("DELETE FROM build_layer WHERE id = $1", id));
        }
    }

    private sealed class Held(BuildCache cache, List<string> ids) : IDisposable
    {
        private int _released;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _released, 1) == 0)
            {
                cache.Release(ids);
            }
        }
    }
}

/// <summary>A layer while it is written. Disposed of without <see cref="Commit"/>, it never was.</summary>
public sealed class NewLayer : IDisposable
{
    private readonly BuildCache _cache;
    private readonly string _temporary;
    private bool _committed;

    internal NewLayer(BuildCache cache, string id)
    {
        (_cache, Id) = (cache, id);
        _temporary = cache.DirectoryOf("tmp-" + id);
        Directory.CreateDirectory(UpperDirectory);
        Directory.CreateDirectory(WorkDirectory);
        ResetRoot();
    }

    public string Id { get; }

    public string UpperDirectory => Path.Combine(_temporary, "fs");

    public string WorkDirectory => Path.Combine(_temporary, "work");

    /// <summary>The layer is complete. It is held until this object is disposed of.</summary>
    public LayerReference Commit(string description)
    {
        Trees.Remove(WorkDirectory);
        ResetRoot();
        _cache.Commit(Id, _temporary, description);
        _committed = true;
        return new LayerReference(Id, null, _cache.PathOf(Id));
    }

    /// <summary>Archives of layers say nothing of the root, and every container's root is 0755 and root's: what a command did to it is not kept.</summary>
    private void ResetRoot()
    {
        var path = Files.RootDirectory.Bytes(UpperDirectory);
        FileAt.ChangeOwner(FileAt.CurrentDirectory, path, 0, 0);
        FileAt.ChangeMode(FileAt.CurrentDirectory, path, 0x1ED);
    }

    public void Dispose()
    {
        _cache.Release([Id]);
        if (!_committed)
        {
            Trees.Remove(_temporary);
        }
    }
}
