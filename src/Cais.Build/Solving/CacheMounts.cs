using System.Security.Cryptography;
using System.Text;
using Cais.Build.Language;

namespace Cais.Build.Solving;

/// <summary>Directories of <c>--mount=type=cache</c>, by id. They outlive builds, and their contents are nobody's layer.</summary>
internal sealed class CacheMounts(string root, Action<string, string> used)
{
    private readonly Dictionary<string, Use> _uses = [];

    /// <summary>A cache's directory until the lease is disposed of: at once if shared, alone if locked (waits), or a copy of its own if private and taken.</summary>
    /// <remarks>A new directory is filled by <paramref name="seed"/> before anybody sees it.</remarks>
    public async Task<CacheLease> TakeAsync(string id, CacheSharing sharing, uint mode, uint uid, uint gid, Action<string>? seed, CancellationToken cancellation)
    {
        for (var number = 0; ; number++)
        {
            var key = number == 0 ? id : $"{id}\0{number}";
            Use use;
            lock (_uses)
            {
                if (!_uses.TryGetValue(key, out use!))
                {
                    use = _uses[key] = new Use();
                }

                if (sharing == CacheSharing.Private && use.Count > 0)
                {
                    continue;
                }

                use.Count++;
            }

            var lease = new CacheLease(Make(key, mode, uid, gid, seed), () => Release(key, use, sharing));
            if (sharing == CacheSharing.Locked)
            {
                try
                {
                    await use.Turn.WaitAsync(cancellation).ConfigureAwait(false);
                }
                catch (OperationCanceledException)
                {
                    Release(key, use, CacheSharing.Shared);
                    throw;
                }
            }

            return lease;
        }
    }

    /// <summary>The directory of a cache, by the name that usage and pruning know it by.</summary>
    public string PathOf(string name) => Path.Combine(root, name);

    public bool IsInUse(string name)
    {
        lock (_uses)
        {
            return _uses.Keys.Any(k => NameOf(k) == name);
        }
    }

    /// <summary>Removes a cache's directory; false if a step is using it.</summary>
    public bool Remove(string name)
    {
        var trash = Path.Combine(root, "trash-" + Guid.NewGuid().ToString("N"));
        lock (_uses)
        {
            if (IsInUse(name))
            {
                return false;
            }

            if (Directory.Exists(PathOf(name)))
            {
                Directory.Move(PathOf(name), trash);
            }
        }

        Linux.FileSystem.Trees.Remove(trash);
        return true;
    }

    private static string NameOf(string key) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..25];

    private string Make(string key, uint mode, uint uid, uint gid, Action<string>? seed)
    {
        var path = PathOf(NameOf(key));
        used(NameOf(key), $"cache mount {key.Split('\0')[0].TrimStart('/')}");
        if (!Directory.Exists(path))
        {
            // Complete before it has its name: a crash must not leave one with the wrong owner.
            var temporary = Path.Combine(root, "trash-" + Guid.NewGuid().ToString("N"));
            Directory.CreateDirectory(temporary);
            seed?.Invoke(temporary);
            File.SetUnixFileMode(temporary, (UnixFileMode)(mode & 0xFFF));
            Linux.FileSystem.FileAt.ChangeOwner(Linux.FileSystem.FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(temporary + '\0'), uid, gid);
            try
            {
                Directory.Move(temporary, path);
            }
            catch (IOException) when (Directory.Exists(path))
            {
                // Another step that shares it was faster.
                Linux.FileSystem.Trees.Remove(temporary);
            }
        }

        return path;
    }

    private void Release(string key, Use use, CacheSharing sharing)
    {
        if (sharing == CacheSharing.Locked)
        {
            use.Turn.Release();
        }

        lock (_uses)
        {
            if (--use.Count == 0)
            {
                _uses.Remove(key);
            }
        }
    }

    private sealed class Use
    {
        public int Count { get; set; }

        public SemaphoreSlim Turn { get; } = new(1);
    }
}

/// <summary>A cache directory while a step uses it.</summary>
internal sealed class CacheLease(string path, Action release) : IDisposable
{
    private Action? _release = release;

    public string Path { get; } = path;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
