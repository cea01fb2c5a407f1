using System.Text;
using Cais.Images.Archives;
using Cais.Images.Layers;
using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images;

/// <summary>What is at a path: for docker cp's X-Docker-Container-Path-Stat. <paramref name="Permissions"/> are the twelve low mode bits.</summary>
public sealed record PathStatus(string Name, long Size, FileKind Kind, uint Permissions, DateTimeOffset Modified, string LinkTarget);

/// <summary>
/// Archives into and out of a container's root file system (docker cp, docker export). The root is a directory: a mount, or <c>/proc/PID/root</c>. The container's
/// processes may be changing it meanwhile and may be hostile: every path is resolved by the kernel within the root (openat2, RESOLVE_IN_ROOT), never by us.
/// </summary>
public static class RootfsArchive
{
    private const int ENOENT = 2;
    private const int ENOTDIR = 20;

    /// <summary>Writes the whole root as a tar archive.</summary>
    public static Task ExportAsync(string root, Stream to, CancellationToken cancellation) => ThreadedCopy.RunAsync("export", stream =>
    {
        using var directory = OpenRoot(root);
        var tar = new TarWriter(stream);
        new TreeArchiver(tar, asLayer: false, cancellation).AddContents(directory.Number, default);
        tar.Finish();
    }, to, cancellation);

    /// <summary>
    /// Writes several trees into one archive, each below a directory of its own unless that is empty, and closes them. No member is newer than
    /// <paramref name="latest"/> (seconds since 1970) if given.
    /// </summary>
    public static Task ExportAsync(
        IReadOnlyList<(string Directory, FileDescriptor Tree)> trees, long? latest, Stream to, CancellationToken cancellation) => ThreadedCopy.RunAsync("export", stream =>
    {
        var tar = new TarWriter(stream);
        foreach (var (name, tree) in trees)
        {
            using (tree)
            {
                using var directory = OpenRoot(tree.ProcPath);
                if (name.Length > 0)
                {
                    var entry = new TarEntry { Kind = TarEntryKind.Directory, Mode = 0x1ED };
                    entry.SetName(Encoding.UTF8.GetBytes(name + "/"));
                    tar.WriteEntry(entry);
                }

                new TreeArchiver(tar, asLayer: false, cancellation) { Latest = latest }.AddContents(directory.Number, Encoding.UTF8.GetBytes(name));
            }
        }

        tar.Finish();
    }, to, cancellation);

    /// <summary>What is at <paramref name="path"/>; a symbolic link at its end is itself looked at. Throws <see cref="ImageException"/> (NotFound).</summary>
    public static PathStatus Stat(string root, string path)
    {
        using var directory = OpenRoot(root);
        using var at = Locate(directory, path);
        var target = at.Status.Kind == FileKind.SymbolicLink ? Follow(directory, path) : "";
        return new PathStatus(
            Base(path), at.Status.Size, at.Status.Kind, at.Status.Permissions,
            DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(at.Status.Modified.Seconds, -62_135_596_800, 253_402_300_799)).AddTicks(at.Status.Modified.Nanoseconds / 100), target);
    }

    /// <summary>Writes what is at <paramref name="path"/>, with everything below, as a tar archive whose members begin with the path's last name.</summary>
    /// <param name="root">The root directory.</param>
    /// <param name="path">What to write, within the root.</param>
    /// <param name="to">Where to.</param>
    /// <param name="ids">Of the user namespace whose ids the archive shall have; null for those that the files have here.</param>
    /// <param name="cancellation">Ends it half-way.</param>
    public static Task GetAsync(string root, string path, Stream to, IdMap? ids, CancellationToken cancellation) => ThreadedCopy.RunAsync("copy", stream =>
    {
        using var directory = OpenRoot(root);
        using var at = Locate(directory, path);
        var tar = new TarWriter(stream);
        new TreeArchiver(tar, asLayer: false, cancellation) { Ids = ids }.Add(at.Parent.Number, at.Name, Encoding.UTF8.GetBytes(Base(path)));
        tar.Finish();
    }, to, cancellation);

    /// <summary>
    /// Unpacks a tar archive (compressed or not) into the directory at <paramref name="path"/>, over what is there. With <paramref name="keepKinds"/> a directory does
    /// not replace something else nor the reverse; <paramref name="owner"/> owns all of it instead of whom the archive says. With <paramref name="ids"/> all owners are
    /// those of that user namespace. Throws <see cref="ImageException"/>: NotFound if there is no such directory, InvalidArgument for a bad archive.
    /// </summary>
    public static async Task PutAsync(string root, string path, Stream tar, bool keepKinds, (uint Uid, uint Gid)? owner, IdMap? ids, CancellationToken cancellation)
    {
        await StoreErrors.Guard(async () =>
        {
            using var input = new ReadAheadStream(tar, asynchronous: true);
            return await OwnThread.Run("copy", () => Put(root, path, input, keepKinds, owner, ids, cancellation)).ConfigureAwait(false);
        }).ConfigureAwait(false);
    }

    private static bool Put(string root, string path, Stream input, bool keepKinds, (uint Uid, uint Gid)? owner, IdMap? ids, CancellationToken cancellation)
    {
        using var directory = OpenRoot(root);
        var destination = Encoding.UTF8.GetBytes(path.Trim('/'));
        var fd = FileAt.OpenInRoot(directory.Number, [.. destination.Length == 0 ? "."u8 : destination, 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            throw fd switch
            {
                -ENOENT => NotFound(path),
                -ENOTDIR => new ImageException(ImageErrorKind.InvalidArgument, "extraction point is not a directory"),
                _ => new LinuxException((Errno)(-fd), $"open {path}"),
            };
        }

        new FileDescriptor(fd).Dispose();
        if (ids is not null)
        {
            // What is made on the way belongs to the container's root, as it would from inside.
            ThreadIdentity.RunAs(ids.UserOutside(0), ids.GroupOutside(0), Unpack);
            return true;
        }

        Unpack();
        return true;

        void Unpack()
        {
            using var plain = Compression.OpenReader(input, out _);
            using var reader = new TarReader(plain);
            using var unpacker = new LayerUnpacker(directory.Number, new UnpackOptions(destination.Length == 0 ? "."u8.ToArray() : destination, keepKinds, owner) { Ids = ids });
            unpacker.Apply(reader, cancellation);
        }
    }

    /// <summary>
    /// Where the links in a path lead in the end, as an absolute path in the root; as far as they lead anywhere. For telling only: whoever uses the answer has it
    /// resolved anew.
    /// </summary>
    private static string Follow(FileDescriptor root, string path)
    {
        const int mostLinks = 255;
        var rest = new Stack<string>(path.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse());
        var at = new List<string>();
        var buffer = new byte[4096];
        for (var links = 0; rest.TryPop(out var part);)
        {
            if (part is ".")
            {
                continue;
            }

            if (part is "..")
            {
                at.RemoveRange(Math.Max(0, at.Count - 1), Math.Min(1, at.Count));
                continue;
            }

            var fd = FileAt.OpenInRoot(root.Number, Encoding.UTF8.GetBytes("./" + string.Join('/', at) + "\0"), FileAt.PathOnly | FileAt.DirectoryOnly);
            var length = -1;
            if (fd >= 0)
            {
                using var parent = new FileDescriptor(fd);
                length = FileAt.ReadLink(fd, Encoding.UTF8.GetBytes(part + "\0"), buffer);
            }

            if (length < 0 || ++links > mostLinks)
            {
                at.Add(part);
                continue;
            }

            var target = Encoding.UTF8.GetString(buffer, 0, length);
            if (target.StartsWith('/'))
            {
                at.Clear();
            }

            foreach (var step in target.Split('/', StringSplitOptions.RemoveEmptyEntries).Reverse())
            {
                rest.Push(step);
            }
        }

        return "/" + string.Join('/', at);
    }

    /// <summary>The last part of a path; "." if it ends in "/.", as Docker's clients expect the members to be called then.</summary>
    private static string Base(string path)
    {
        var trimmed = path.TrimEnd('/');
        var name = trimmed[(trimmed.LastIndexOf('/') + 1)..];
        return name.Length == 0 ? "/" : name;
    }

    private static FileDescriptor OpenRoot(string root)
    {
        // Followed: /proc/PID/root is a link.
        var fd = FileAt.OpenFollowing([.. Encoding.UTF8.GetBytes(root), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {root}");
    }

    private static Located Locate(FileDescriptor root, string path)
    {
        if (path.Contains('\0', StringComparison.Ordinal))
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, "a path must not contain NUL");
        }

        // A trailing slash or "/." asks for the directory behind a link.
        var followLast = path.EndsWith('/') || path.EndsWith("/.", StringComparison.Ordinal) || path is "." or "" or "..";
        var trimmed = path.Trim('/');
        var slash = trimmed.LastIndexOf('/');
        var last = trimmed[(slash + 1)..];
        followLast |= last is "" or "." or "..";
        var parentPath = followLast ? trimmed : slash < 0 ? "" : trimmed[..slash];
        var fd = FileAt.OpenInRoot(root.Number, Encoding.UTF8.GetBytes((parentPath.Length == 0 ? "." : parentPath) + "\0"), FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            throw fd switch
            {
                -ENOENT => NotFound(path),
                -ENOTDIR => new ImageException(ImageErrorKind.InvalidArgument, $"not a directory: {path}"),
                _ => new LinuxException((Errno)(-fd), $"open {path}"),
            };
        }

        var parent = new FileDescriptor(fd);
        var name = Encoding.UTF8.GetBytes((followLast ? "." : last) + "\0");
        var result = FileAt.Status(fd, name, out var status);
        if (result < 0)
        {
            parent.Dispose();
            throw result == -ENOENT ? NotFound(path) : new LinuxException((Errno)(-result), $"stat {path}");
        }

        return new Located(parent, name, status);
    }

    private static ImageException NotFound(string path) => new(ImageErrorKind.NotFound, $"lstat {path}: no such file or directory");

    private sealed record Located(FileDescriptor Parent, byte[] Name, FileStatus Status) : IDisposable
    {
        public void Dispose() => Parent.Dispose();
    }
}
