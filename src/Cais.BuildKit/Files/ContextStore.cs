using System.Security.Cryptography;
using System.Text;
using Cais.Linux.FileSystem;

namespace Cais.BuildKit.Files;

/// <summary>
/// Directories of this machine that hold clients' files for the length of a build, and after it, so that the next build of the same client gets only what
/// changed. A directory is one build's alone while it is used.
/// </summary>
internal sealed class ContextStore(string root)
{
    /// <summary>How many contexts stay after their builds.</summary>
    private const int MostKept = 32;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _used = [];
    private bool _isOpen;

    /// <summary>A directory for the files that <paramref name="key"/> stands for; with an empty key, one that does not outlive the lease.</summary>
    public ContextDirectoryLease Rent(string key)
    {
        lock (_gate)
        {
            Open();
            var name = key.Length > 0 ? Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(key)))[..40] : "";
            var isKept = name.Length > 0 && _used.Add(name);
            if (!isKept)
            {
                _used.Add(name = "once-" + Guid.NewGuid().ToString("N"));
            }

            var path = Path.Combine(root, name);
            Directory.CreateDirectory(path);
            Directory.SetLastAccessTimeUtc(path, DateTime.UtcNow);
            return new ContextDirectoryLease(path, () => Return(name, path, isKept));
        }
    }

    /// <summary>What is kept and not used now: path, bytes, when it was used last.</summary>
    public IReadOnlyList<(string Id, long Size, DateTime LastUsed)> Usage()
    {
        List<string> kept;
        lock (_gate)
        {
            Open();
            kept = [.. Kept().Select(d => d.FullName)];
        }

        return [.. kept.Select(p => ($"context-{Path.GetFileName(p)[..12]}", Trees.DiskUsage(p), Directory.GetLastAccessTimeUtc(p)))];
    }

    /// <summary>Removes those that are meant of what is kept and not used now.</summary>
    public IReadOnlyList<(string Id, long Size, DateTime LastUsed)> Prune(Predicate<(string Id, long Size, DateTime LastUsed)> isMeant)
    {
        var removed = new List<(string, long, DateTime)>();
        lock (_gate)
        {
            Open();
            foreach (var directory in Kept().ToList())
            {
                var described = ($"context-{directory.Name[..12]}", Trees.DiskUsage(directory.FullName), directory.LastAccessTimeUtc);
                if (isMeant(described))
                {
                    removed.Add(described);
                    Remove(directory.FullName);
                }
            }
        }

        return removed;
    }

    private IEnumerable<DirectoryInfo> Kept() => new DirectoryInfo(root).EnumerateDirectories().Where(d => !_used.Contains(d.Name));

    /// <summary>
    /// A file counts as whole if it has the size and time of the client's. After a power failure that may be a lie, so that what was received before the machine's
    /// last start is thrown away; and so is what was not to outlive its build.
    /// </summary>
    private void Open()
    {
        if (_isOpen)
        {
            return;
        }

        Directory.CreateDirectory(root);
        var marker = Path.Combine(root, "boot-id");
        var boot = File.ReadAllText("/proc/sys/kernel/random/boot_id");
        var isSameBoot = File.Exists(marker) && File.ReadAllText(marker) == boot;
        foreach (var directory in Directory.EnumerateDirectories(root))
        {
            if (!isSameBoot || Path.GetFileName(directory).StartsWith("once-", StringComparison.Ordinal))
            {
                Remove(directory);
            }
        }

        File.WriteAllText(marker, boot);
        _isOpen = true;
    }

    private static void Remove(string directory)
    {
        // The note last: without it attributes would be overlooked.
        Trees.Remove(directory);
        File.Delete(TransferredAttributes.NoteOf(directory));
    }

    private void Return(string name, string path, bool isKept)
    {
        if (!isKept)
        {
            Remove(path);
        }

        lock (_gate)
        {
            _used.Remove(name);
            foreach (var old in Kept().OrderByDescending(d => d.LastAccessTimeUtc).Skip(MostKept).ToList())
            {
                Remove(old.FullName);
            }
        }
    }
}

/// <summary>A directory while a build uses it.</summary>
internal sealed class ContextDirectoryLease(string path, Action release) : IDisposable
{
    private Action? _release = release;

    public string Path { get; } = path;

    public void Dispose() => Interlocked.Exchange(ref _release, null)?.Invoke();
}
