using System.Security.Cryptography;
using System.Text;
using Cais.Build.Language;

namespace Cais.Build.Solving;

/// <summary>Directories of <c>--mount=type=cache</c>, by id. They outlive builds, and their contents are nobody's layer.</summary>
internal sealed class CacheMounts(string root)
{
    private readonly Dictionary<string, Use> _uses = [];

    /// <summary>A cache's directory until the lease is disposed of: at once if shared, alone if locked (waits), or a copy of its own if private and taken.</summary>
    public async Task<CacheLease> TakeAsync(string id, CacheSharing sharing, uint mode, uint uid, uint gid, CancellationToken cancellation)
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

            var lease = new CacheLease(Make(key, mode, uid, gid), () => Release(key, use, sharing));
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

    private string Make(string key, uint mode, uint uid, uint gid)
    {
        var path = Path.Combine(root, Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key))));
        if (!Directory.Exists(path))
        {
            Directory.CreateDirectory(path);
            File.SetUnixFileMode(path, (UnixFileMode)(mode & 0xFFF));
            Linux.FileSystem.FileAt.ChangeOwner(Linux.FileSystem.FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(path + '\0'), uid, gid);
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
