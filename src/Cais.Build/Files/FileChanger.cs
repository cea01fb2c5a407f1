using Cais.Build.Graph;
using Cais.Build.Patterns;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Build.Files;

/// <summary>Does the changes of a <see cref="FileStep"/> in a tree. Links are followed, but never out of it.</summary>
internal sealed class FileChanger(RootDirectory root, CancellationToken cancellation)
{
    /// <summary>Throws <see cref="IOException"/> or <see cref="LinuxException"/>.</summary>
    public void Apply(FileChange change)
    {
        cancellation.ThrowIfCancellationRequested();
        switch (change)
        {
            case NewDirectory directory:
                Make(directory);
                break;
            case NewFile file:
                Make(file);
                break;
            case NewLink link:
                Make(link);
                break;
            case Removal removal:
                Remove(removal);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(change), change, "an unknown kind of change");
        }
    }

    private void Make(NewDirectory directory)
    {
        if (root.Status(directory.Path)?.Kind == FileKind.Directory)
        {
            return;
        }

        if (!directory.MakesParents)
        {
            OpenParent(directory.Path).Dispose();
        }

        var owner = OwnerOf(directory.Look);
        using var made = root.OpenOrMakeDirectory(directory.Path, d => Finish(d, directory.Permissions, directory.Look, owner, directory.Path));
    }

    private void Make(NewFile file)
    {
        // A link to a file that is there means that file, as a program that writes it would have it.
        var path = root.Find(file.Path) is { } there ? Existing(there, file.Path) : null;
        using (path)
        {
            var owner = OwnerOf(file.Look);
            using var parent = OpenParent(file.Path);
            var name = RootDirectory.Bytes(GoPath.Base(file.Path));
            var fd = path is not null
                ? FileAt.OpenFollowing(RootDirectory.Bytes(path.ProcPath), FileAt.WriteOnly | FileAt.Truncate)
                : FileAt.Open(parent.Number, name, FileAt.WriteOnly | FileAt.Create | FileAt.Exclusive, 0x180);
            using var open = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"create {file.Path}");
            Check(FileAt.Write(open.Number, file.Content.Span), "write", file.Path);
            Finish(open, file.Permissions, file.Look, owner, file.Path);
        }
    }

    private void Make(NewLink link)
    {
        var (uid, gid) = OwnerOf(link.Look);
        using var parent = OpenParent(link.Path);
        var name = RootDirectory.Bytes(GoPath.Base(link.Path));
        Check(FileAt.MakeSymbolicLink(RootDirectory.Bytes(link.Target), parent.Number, name), "symlink", link.Path);
        Check(FileAt.ChangeOwner(parent.Number, name, uid, gid), "chown", link.Path);
        if (link.Look.Time is { } time)
        {
            Check(FileAt.SetTimes(parent.Number, name, TimeOf(time), TimeOf(time)), "set times of", link.Path);
        }
    }

    private void Remove(Removal removal)
    {
        var paths = removal.HasWildcards && PathPattern.HasWildcards(removal.Path)
            ? new SourceSelection(root, IgnoreFile.Empty, IgnoreFile.Empty).Match(removal.Path, parents: false)
            : [GoPath.Rooted(removal.Path)[1..]];
        if (paths.Count == 0 && !removal.AllowsMissing)
        {
            throw new SourceNotFoundException($"\"{removal.Path}\": not found");
        }

        foreach (var path in paths)
        {
            var slash = path.LastIndexOf('/');
            using var parent = path.Length == 0 ? null : root.Find(slash < 0 ? "" : path[..slash], FileAt.ReadOnly | FileAt.DirectoryOnly);
            var name = RootDirectory.Bytes(path[(slash + 1)..]);
            if (parent is not null && FileAt.Status(parent.Number, name, out _) >= 0)
            {
                Trees.Remove(parent.Number, name);
            }
            else if (!removal.AllowsMissing)
            {
                throw new SourceNotFoundException($"\"/{path}\": not found");
            }
        }
    }

    private static FileDescriptor Existing(FileDescriptor file, string path)
    {
        if (RootDirectory.StatusOf(file, path).Kind == FileKind.Regular)
        {
            return file;
        }

        file.Dispose();
        throw new IOException($"{path} is there and is no file");
    }

    private FileDescriptor OpenParent(string path) =>
        root.Find(path[..(path.TrimEnd('/').LastIndexOf('/') + 1)], FileAt.ReadOnly | FileAt.DirectoryOnly)
        ?? throw new IOException($"{path} cannot be made: the directory above it is missing");

    private (uint Uid, uint Gid) OwnerOf(NewFileLook look) => look.Owner is { } text ? UserLookup.Resolve(root, text) : (0, 0);

    private static void Finish(FileDescriptor made, uint permissions, NewFileLook look, (uint Uid, uint Gid) owner, string path)
    {
        Check(FileAt.ChangeOwner(made.Number, owner.Uid, owner.Gid), "chown", path);

        // After chown, which takes set-id bits away.
        Check(FileAt.ChangeMode(made.Number, permissions), "chmod", path);
        if (look.Time is { } time)
        {
            Check(FileAt.SetTimes(made.Number, TimeOf(time), TimeOf(time)), "set times of", path);
        }
    }

    private static TimeSpec TimeOf(long nanoseconds) => new(Math.DivRem(nanoseconds, 1_000_000_000, out var rest), rest);

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }
}
