using System.Text;
using Cais.Engine.Specs;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Engine.Builds;

/// <summary>
/// The files and directories that a runtime makes only to mount something on them: <c>/proc</c>, <c>/etc/hosts</c>, a cache's target. They are no part of what the
/// command made, and are taken out of the layer again, if nobody has put anything there meanwhile.
/// </summary>
internal sealed class MountPoints(string upper) : IDisposable
{
    private readonly SortedSet<string> _missing = new(StringComparer.Ordinal);
    private readonly Dictionary<string, FileStatus> _parents = [];

    /// <summary>Notes which of the mounts' targets are not there before the command runs.</summary>
    public void Remember(RootFiles before, IEnumerable<string> destinations)
    {
        foreach (var destination in destinations)
        {
            Remember(before, destination);
        }
    }

    public void Dispose()
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, Bytes(upper), FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            return;
        }

        // The deepest first: a directory is empty once what was made in it is gone.
        using var root = new FileDescriptor(fd);
        foreach (var path in _missing.Reverse())
        {
            Remove(root, path);
        }

        foreach (var (path, status) in _parents.OrderByDescending(p => p.Key.Length))
        {
            RestoreParent(root, path, status);
        }
    }

    private void Remember(RootFiles before, string destination)
    {
        var at = "/";
        var names = new Queue<string>(destination.Split('/', StringSplitOptions.RemoveEmptyEntries));
        while (names.TryDequeue(out var name))
        {
            if (before.TryOpen(at.TrimEnd('/') + "/" + name, OpenFlags.Path) is { } found)
            {
                // The real place, links followed: that is where the runtime works.
                using (found)
                {
                    at = new FileInfo(found.ProcPath).LinkTarget ?? at;
                }

                continue;
            }

            if (FileAt.Status(FileAt.CurrentDirectory, Bytes(upper + at + "/."), out _) < 0)
            {
                using var parent = before.TryOpen(at, OpenFlags.Path);
                if (parent is not null && FileAt.Status(parent.Number, "\0"u8, out var status) == 0)
                {
                    _parents.TryAdd(at, status);
                }
            }

            for (var path = at.TrimEnd('/') + "/" + name; ; path += "/" + names.Dequeue())
            {
                _missing.Add(path);
                if (names.Count == 0)
                {
                    return;
                }
            }
        }
    }

    /// <summary>
    /// What the command left is its own making: links in it must lead nowhere, so every path is opened without following any.
    /// </summary>
    private static FileDescriptor? OpenParent(FileDescriptor root, string path, out byte[] name)
    {
        var slash = path.LastIndexOf('/');
        name = Bytes(path[(slash + 1)..]);
        var fd = FileAt.OpenInRoot(root.Number, Bytes(slash <= 0 ? "." : path[1..slash]), FileAt.PathOnly | FileAt.DirectoryOnly, noSymlinks: true);
        return fd >= 0 ? new FileDescriptor(fd) : null;
    }

    private static void Remove(FileDescriptor root, string path)
    {
        using var parent = OpenParent(root, path, out var name);
        if (parent is null || FileAt.Status(parent.Number, name, out var status) < 0)
        {
            return;
        }

        if (status.Kind == FileKind.Directory)
        {
            // Fails if something is in it, and then it stays.
            FileAt.RemoveDirectory(parent.Number, name);
        }
        else if (status.Kind == FileKind.Regular && status.Size == 0)
        {
            FileAt.Unlink(parent.Number, name);
        }
    }

    /// <summary>
    /// A directory of a layer below that was copied up only because a mount point was made in it: as if it never had been. If something else was
    /// changed in it too, it stays, with the time of that.
    /// </summary>
    private static void RestoreParent(FileDescriptor root, string path, FileStatus before)
    {
        if (path == "/")
        {
            FileAt.SetTimes(root.Number, ".\0"u8, before.Accessed, before.Modified);
            return;
        }

        using var parent = OpenParent(root, path, out var name);
        if (parent is null || FileAt.Status(parent.Number, name, out var now) < 0 || now.Kind != FileKind.Directory)
        {
            return;
        }

        Span<byte> value = stackalloc byte[8];
        if (now.Uid == before.Uid && now.Gid == before.Gid && now.Permissions == before.Permissions
            && FileAt.GetAttribute(parent.Number, name, "trusted.overlay.opaque\0"u8, value) <= 0)
        {
            // Only if it is empty.
            FileAt.RemoveDirectory(parent.Number, name);
        }
    }

    private static byte[] Bytes(string path) => Encoding.UTF8.GetBytes(path + '\0');
}
