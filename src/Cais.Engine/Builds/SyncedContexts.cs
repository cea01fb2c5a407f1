using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cais.Images.Building;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Engine.Builds;

/// <summary>
/// Copies of clients' contexts that stay from build to build, so that a client sends only what has changed. A client first sends a list of all files with their times;
/// what the list says of a file is compared with what it said last time, never with the copy. The copies are a cache: any may be removed at any time.
/// </summary>
public sealed class SyncedContexts
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    private const int MostKept = 32;
    private const int LongestList = 256 << 20;

    private readonly string _root;
    private readonly ContextFolders _folders;
    private readonly Lock _gate = new();
    private readonly HashSet<string> _inUse = [];
    private readonly Dictionary<string, SyncedContext> _offered = [];

    internal SyncedContexts(string root, ContextFolders folders)
    {
        (_root, _folders) = (root, folders);
        Directory.CreateDirectory(root);
    }

    /// <summary>
    /// Takes a client's list of files, and says which of them it has to send. <paramref name="id"/> is the client's name for the context; two builds of one at the same
    /// time do not share a copy. Throws <see cref="EngineException"/> for a list that is none.
    /// </summary>
    public async Task<SyncedContext> OfferAsync(string id, Stream list, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(list);
        var bytes = await ReadAsync(list, cancellation).ConfigureAwait(false);
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(id)))[..32];
        bool isOwn;
        lock (_gate)
        {
            isOwn = _inUse.Add(name);
        }

        var folder = isOwn ? null : _folders.Make();
        var context = new SyncedContext(isOwn ? Path.Combine(_root, name) : folder!.Path, bytes, () =>
        {
            folder?.Dispose();
            lock (_gate)
            {
                if (isOwn)
                {
                    _inUse.Remove(name);
                }
            }
        });
        try
        {
            context.Compare();
            RemoveOldest();
        }
        catch
        {
            context.Dispose();
            throw;
        }

        lock (_gate)
        {
            _offered[context.Token] = context;
        }

        _ = ExpireAsync(context.Token);
        return context;
    }

    /// <summary>One that was offered, to send files to. Throws <see cref="EngineException"/> (NotFound).</summary>
    public SyncedContext Get(string token)
    {
        lock (_gate)
        {
            return _offered.TryGetValue(token, out var context) ? context : throw EngineException.NotFound($"no build context {token}");
        }
    }

    /// <summary>One that is complete, for a build, which disposes of it. Throws <see cref="EngineException"/>.</summary>
    public SyncedContext Take(string token)
    {
        lock (_gate)
        {
            var context = Get(token);
            if (!context.IsComplete)
            {
                throw EngineException.Conflict($"build context {token} is not complete");
            }

            _offered.Remove(token);
            return context;
        }
    }

    /// <summary>The client is gone without having built.</summary>
    public void Forget(string token)
    {
        SyncedContext? context;
        lock (_gate)
        {
            _offered.Remove(token, out context);
        }

        context?.Dispose();
    }

    /// <summary>Removes all copies that no build is using; gives the bytes freed.</summary>
    public long Clear()
    {
        long freed = 0;
        foreach (var path in Directory.EnumerateDirectories(_root))
        {
            freed += Remove(path);
        }

        return freed;
    }

    private static async Task<byte[]> ReadAsync(Stream list, CancellationToken cancellation)
    {
        var bytes = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int n; (n = await list.ReadAsync(buffer, cancellation).ConfigureAwait(false)) > 0;)
        {
            bytes.Write(buffer, 0, n);
            if (bytes.Length > LongestList)
            {
                throw EngineException.InvalidParameter($"the list of files is longer than {LongestList} bytes: leave some out with a .dockerignore file");
            }
        }

        return bytes.ToArray();
    }

    /// <summary>A client that has gone away must not hold its copy for ever.</summary>
    private async Task ExpireAsync(string token)
    {
        await Task.Delay(Patience).ConfigureAwait(false);
        Forget(token);
    }

    private void RemoveOldest()
    {
        var directories = new DirectoryInfo(_root).GetDirectories();
        foreach (var old in directories.OrderByDescending(d => d.LastWriteTimeUtc).Skip(MostKept))
        {
            Remove(old.FullName);
        }
    }

    private long Remove(string path)
    {
        var name = Path.GetFileName(path);
        lock (_gate)
        {
            if (!_inUse.Add(name))
            {
                return 0;
            }
        }

        try
        {
            var size = Linux.FileSystem.Trees.DiskUsage(path);
            Linux.FileSystem.Trees.Remove(path);
            return size;
        }
        finally
        {
            lock (_gate)
            {
                _inUse.Remove(name);
            }
        }
    }
}

/// <summary>One context on its way to a build: compared, completed, used, given back.</summary>
public sealed class SyncedContext : IDisposable
{
    private readonly string _directory;
    private readonly byte[] _list;
    private readonly Action _release;
    private readonly List<int> _needed = [];
    private int _disposed;

    internal SyncedContext(string directory, byte[] list, Action release)
    {
        (_directory, _list, _release) = (directory, list, release);
        Identity = Convert.ToHexStringLower(SHA256.HashData(list));
    }

    public string Token { get; } = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));

    /// <summary>The copy.</summary>
    public string Path => System.IO.Path.Combine(_directory, "fs");

    /// <summary>Equal for equal lists.</summary>
    public string Identity { get; }

    /// <summary>Positions in the list of what the client has to send.</summary>
    public IReadOnlyList<int> Needed => _needed;

    public bool IsComplete { get; private set; }

    private string ListPath => System.IO.Path.Combine(_directory, "list");

    /// <summary>Unpacks what the client sends. Throws <see cref="Images.ImageException"/> or an <see cref="IOException"/>.</summary>
    public async Task ReceiveAsync(Stream archive, CancellationToken cancellation)
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Path + '\0'), FileAt.ReadOnly | FileAt.DirectoryOnly);
        using var root = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {Path}");
        await ArchiveExtractor.ExtractAsync(archive, fd, "/", null, cancellation).ConfigureAwait(false);
        Complete();
    }

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 0)
        {
            _release();
        }
    }

    internal void Compare()
    {
        Directory.CreateDirectory(Path);
        byte[] old;
        try
        {
            old = File.ReadAllBytes(ListPath);
        }
        catch (FileNotFoundException)
        {
            // New, or a crash came in between: nothing is known of what is there.
            old = [];
            Linux.FileSystem.Trees.Remove(Path);
            Directory.CreateDirectory(Path);
        }

        Directory.SetLastWriteTimeUtc(_directory, DateTime.UtcNow);
        if (old.AsSpan().SequenceEqual(_list))
        {
            IsComplete = true;
            return;
        }

        var before = FileList.Read(old).ToDictionary(e => e.Path, e => e.Description);
        var now = FileList.Read(_list).ToList();
        File.Delete(ListPath);
        var gone = new List<string>();
        for (var i = 0; i < now.Count; i++)
        {
            if (before.Remove(now[i].Path, out var description) && description == now[i].Description)
            {
                continue;
            }

            _needed.Add(i);
            if (description is not null && !(FileList.IsDirectory(description) && FileList.IsDirectory(now[i].Description)))
            {
                gone.Add(now[i].Path);
            }
        }

        Remove([.. gone, .. before.Keys]);
        if (_needed.Count == 0)
        {
            Complete();
        }
    }

    private void Complete()
    {
        // The list last: it says that the copy is what it says.
        var temporary = ListPath + ".tmp";
        File.WriteAllBytes(temporary, _list);
        File.Move(temporary, ListPath, overwrite: true);
        IsComplete = true;
    }

    private void Remove(List<string> paths)
    {
        if (paths.Count == 0)
        {
            return;
        }

        var fd = FileAt.Open(FileAt.CurrentDirectory, Encoding.UTF8.GetBytes(Path + '\0'), FileAt.ReadOnly | FileAt.DirectoryOnly);
        using var root = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {Path}");
        paths.Sort(static (a, b) => string.CompareOrdinal(b, a));
        foreach (var path in paths)
        {
            // A parent that was removed before, with all in it, is no error; a link on the way is followed nowhere.
            var slash = path.LastIndexOf('/');
            var parent = FileAt.OpenInRoot(fd, FileList.Bytes(slash < 0 ? "." : path[..slash]), FileAt.PathOnly | FileAt.DirectoryOnly, noSymlinks: true);
            if (parent >= 0)
            {
                using (new FileDescriptor(parent))
                {
                    Linux.FileSystem.Trees.Remove(parent, FileList.Bytes(path[(slash + 1)..]));
                }
            }
        }
    }
}

/// <summary>
/// A list of files: for each its path, and whatever describes it (kind and mode in octal, size, times, a link's target, one after another with blanks), each ended
/// by a NUL. Parents come before what is in them. Paths are bytes: Latin-1 carries any of them.
/// </summary>
internal static class FileList
{
    public static IEnumerable<(string Path, string Description)> Read(byte[] list)
    {
        for (var at = 0; at < list.Length;)
        {
            yield return (Next(list, ref at, isPath: true), Next(list, ref at, isPath: false));
        }
    }

    public static bool IsDirectory(string description) => description.StartsWith('4');

    public static byte[] Bytes(string path) => Encoding.Latin1.GetBytes(path + '\0');

    private static string Next(byte[] list, ref int at, bool isPath)
    {
        var length = list.AsSpan(at).IndexOf((byte)0);
        if (length <= 0)
        {
            throw EngineException.InvalidParameter("the list of files breaks off or has an empty field");
        }

        var text = Encoding.Latin1.GetString(list, at, length);
        at += length + 1;
        return isPath && text.Split('/').Any(p => p is "" or "." or "..")
            ? throw EngineException.InvalidParameter(string.Create(CultureInfo.InvariantCulture, $"the list of files has a path that leaves the context (at byte {at})"))
            : text;
    }
}
