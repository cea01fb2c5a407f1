using Cais.Build.Patterns;
using Cais.Linux;
using Cais.Linux.FileSystem;
using FileStatus = Cais.Linux.FileSystem.FileStatus;

namespace Cais.Build.Files;

/// <summary>How copied files come to look.</summary>
/// <param name="Owner">All files' owner; null keeps the source's.</param>
/// <param name="Mode">Changes permissions, or null.</param>
/// <param name="Latest">No file is newer than this many seconds since 1970; null for no limit.</param>
internal sealed record CopyLook((uint Uid, uint Gid)? Owner, ModeChange? Mode, long? Latest)
{
    /// <summary>Whether all files get the time <see cref="Latest"/>, the older ones too.</summary>
    public bool IsTimeExact { get; init; }

    /// <summary>Whether a source that is a symbolic link means what it leads to.</summary>
    public bool FollowsLinks { get; init; } = true;

    /// <summary>Whether a directory goes into one that is there by its own name, and not its contents only.</summary>
    public bool KeepsDirectory { get; init; }

    /// <summary>Whether what is at a file's place is removed if it is of another kind, so that a file can replace a directory and the other way round.</summary>
    public bool ReplacesOtherKinds { get; init; }
}

/// <summary>
/// Copies files from one tree into another by COPY's rules: a directory's contents into the destination, a file to or into it. What exists is
/// replaced by the same kind, never a directory by a file.
/// </summary>
/// <param name="layer">The source is a layer: its marks of deletion delete, and what is there is replaced whatever it is.</param>
internal sealed class FileCopier(SourceSelection source, RootDirectory destination, CopyLook look, CancellationToken cancellation, LayerMarks? layer = null)
{
    private const int MostDepth = 512;

    private readonly Dictionary<(ulong, ulong), string> _links = [];

    /// <summary>Bytes of file content written.</summary>
    public long Bytes { get; private set; }

    /// <summary>Copies one matched path. <paramref name="to"/> ends in a slash if it must be a directory.</summary>
    public void Copy(string path, string to)
    {
        using var file = source.Root.Find(path, followLast: look.FollowsLinks) ?? throw new SourceNotFoundException($"\"/{path}\": not found");
        var status = RootDirectory.StatusOf(file, path);
        if (status.Kind == FileKind.Directory)
        {
            if (look.KeepsDirectory && path.Length > 0 && destination.Status(to)?.Kind == FileKind.Directory)
            {
                to = GoPath.Join(to, GoPath.Base(path));
            }

            using var from = source.Root.Find(path, FileAt.ReadOnly | FileAt.DirectoryOnly) ?? throw new SourceNotFoundException($"\"/{path}\": not found");
            MakeRoom(to);
            var existed = destination.Status(to) is not null;
            using var target = destination.OpenOrMakeDirectory(to, Made);
            CopyContents(from, path, "", target, to.TrimEnd('/'), 0);
            if (!existed)
            {
                Finish(from, target, status, to);
            }

            return;
        }

        var isInto = to.EndsWith('/') || destination.Status(to)?.Kind == FileKind.Directory;
        var full = isInto ? GoPath.Join(to, GoPath.Base(path)) : to;
        using var parent = destination.OpenOrMakeDirectory(full[..(full.LastIndexOf('/') + 1)], Made);
        if (status.Kind == FileKind.SymbolicLink)
        {
            using var above = source.Root.Find(path[..(path.LastIndexOf('/') + 1)], FileAt.ReadOnly | FileAt.DirectoryOnly)!;
            CopyLink(above, RootDirectory.Bytes(GoPath.Base("/" + path)), status, parent, RootDirectory.Bytes(GoPath.Base(full)), full);
            return;
        }

        using var content = source.Root.Find(path, FileAt.ReadOnly | FileAt.NonBlocking)!;
        CopyFile(content, status, parent, RootDirectory.Bytes(GoPath.Base(full)), full);
    }

    /// <summary>A directory shall be here: a file that is, goes, if it may be replaced.</summary>
    private void MakeRoom(string to)
    {
        var trimmed = to.TrimEnd('/');
        if (!look.ReplacesOtherKinds || trimmed.Length == 0)
        {
            return;
        }

        var slash = trimmed.LastIndexOf('/');
        using var parent = destination.Find(trimmed[..(slash + 1)], FileAt.ReadOnly | FileAt.DirectoryOnly);
        var name = RootDirectory.Bytes(trimmed[(slash + 1)..]);
        if (parent is not null && FileAt.Status(parent.Number, name, out var there) == 0 && there.Kind != FileKind.Directory
            && destination.Status(to)?.Kind != FileKind.Directory)
        {
            Trees.Remove(parent.Number, name);
        }
    }

    /// <summary>Makes a file of given content (a heredoc).</summary>
    public void Write(string name, ReadOnlySpan<byte> content, string to)
    {
        var isInto = to.EndsWith('/') || destination.Status(to)?.Kind == FileKind.Directory;
        var full = isInto ? GoPath.Join(to, name) : to;
        using var parent = destination.OpenOrMakeDirectory(full[..(full.LastIndexOf('/') + 1)], Made);
        using var file = Create(parent, RootDirectory.Bytes(GoPath.Base(full)), full);
        Check(FileAt.Write(file.Number, content), "write", full);
        Bytes += content.Length;
        var (uid, gid) = look.Owner ?? (0, 0);
        Check(FileAt.ChangeOwner(file.Number, uid, gid), "chown", full);
        Check(FileAt.ChangeMode(file.Number, look.Mode?.Apply(0x1A4, false) ?? 0x1A4), "chmod", full);
        if (look.Latest is { } latest)
        {
            FileAt.SetTimes(file.Number, new TimeSpec(latest, 0), new TimeSpec(latest, 0));
        }
    }

    /// <summary>A directory that had to be made on the way.</summary>
    public void Made(FileDescriptor directory)
    {
        if (look.Owner is { } owner)
        {
            Check(FileAt.ChangeOwner(directory.Number, owner.Uid, owner.Gid), "chown", "new directory");
        }

        if (look.Latest is { } latest)
        {
            FileAt.SetTimes(directory.Number, new TimeSpec(latest, 0), new TimeSpec(latest, 0));
        }
    }

    public static byte[] ReadLink(int directory, ReadOnlySpan<byte> name)
    {
        var buffer = new byte[4096];
        var length = FileAt.ReadLink(directory, name, buffer);
        return length >= 0 ? buffer[..length] : throw new LinuxException((Errno)(-length), "read link");
    }

    private void CopyContents(FileDescriptor from, string path, string relative, FileDescriptor to, string target, int depth)
    {
        if (depth > MostDepth)
        {
            throw new IOException($"/{path} is nested too deeply");
        }

        foreach (var name in SourceSelection.Names(from))
        {
            cancellation.ThrowIfCancellationRequested();
            var text = SourceSelection.Text(name);
            var (child, childRelative, childTarget) = (path.Length == 0 ? text : $"{path}/{text}", relative.Length == 0 ? text : $"{relative}/{text}", $"{target}/{text}");
            Check(FileAt.Status(from.Number, name, out var status), "stat", child);
            var leftOut = source.IsLeftOut(child, childRelative);
            if (leftOut && (status.Kind != FileKind.Directory || !source.MayHaveExceptionsBelow(child, childRelative)))
            {
                continue;
            }

            if (layer is not null && LayerMarks.IsDeletion(status))
            {
                Trees.Remove(to.Number, name);
                continue;
            }

            if (status.Kind == FileKind.Directory)
            {
                CopyDirectory(from, name, status, child, childRelative, to, childTarget, leftOut, depth);
            }
            else
            {
                CopyEntry(from, name, status, to, childTarget, child);
            }
        }
    }

    private void CopyDirectory(
        FileDescriptor from, byte[] name, FileStatus status, string path, string relative, FileDescriptor to, string target, bool onlyIfNeeded, int depth)
    {
        using var below = Open(from, name, FileAt.ReadOnly | FileAt.DirectoryOnly, path);
        if (onlyIfNeeded && !HasExceptions(below, path, relative, depth))
        {
            return;
        }

        var made = FileAt.MakeDirectory(to.Number, name, 0x1ED);
        if (made == -(int)Errno.EEXIST)
        {
            if (FileAt.Status(to.Number, name, out var there) == 0 && there.Kind != FileKind.Directory)
            {
                if (layer is null && !look.ReplacesOtherKinds)
                {
                    throw new IOException($"cannot copy to non-directory: {target}");
                }

                Trees.Remove(to.Number, name);
                Check(FileAt.MakeDirectory(to.Number, name, 0x1ED), "mkdir", target);
            }
            else if (layer?.Hides(from, name, path) == true)
            {
                Trees.Remove(to.Number, name);
                Check(FileAt.MakeDirectory(to.Number, name, 0x1ED), "mkdir", target);
            }
        }
        else
        {
            Check(made, "mkdir", target);
        }

        using var directory = Open(to, name, FileAt.ReadOnly | FileAt.DirectoryOnly, target);
        CopyContents(below, path, relative, directory, target, depth + 1);
        Finish(below, directory, status, target);
    }

    /// <summary>Whether an ignored directory has anything in it that is taken back in.</summary>
    private bool HasExceptions(FileDescriptor directory, string path, string relative, int depth)
    {
        if (depth > MostDepth)
        {
            return false;
        }

        foreach (var name in SourceSelection.Names(directory))
        {
            var text = SourceSelection.Text(name);
            var (child, childRelative) = ($"{path}/{text}", $"{relative}/{text}");
            if (!source.IsLeftOut(child, childRelative))
            {
                return true;
            }

            if (source.MayHaveExceptionsBelow(child, childRelative) && FileAt.Status(directory.Number, name, out var status) == 0 && status.Kind == FileKind.Directory)
            {
                using var below = Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly, child);
                if (HasExceptions(below, child, childRelative, depth + 1))
                {
                    return true;
                }
            }
        }

        return false;
    }

    private void CopyEntry(FileDescriptor from, byte[] name, FileStatus status, FileDescriptor to, string target, string path)
    {
        if (status.Links > 1 && _links.TryGetValue((status.FileSystem, status.Inode), out var first))
        {
            using var linked = destination.Find(first, FileAt.PathOnly, followLast: false);
            if (linked is not null)
            {
                Remove(to, name, target);
                var slash = first.LastIndexOf('/');
                using var parent = destination.Find(first[..(slash + 1)], FileAt.ReadOnly | FileAt.DirectoryOnly)!;
                Check(FileAt.MakeHardLink(parent.Number, RootDirectory.Bytes(first[(slash + 1)..]), to.Number, name), "link", target);
                return;
            }
        }

        switch (status.Kind)
        {
            case FileKind.Regular:
                using (var file = Open(from, name, FileAt.ReadOnly | FileAt.NonBlocking, path))
                {
                    CopyFile(file, status, to, name, target);
                }

                break;
            case FileKind.SymbolicLink:
                CopyLink(from, name, status, to, name, target);
                break;
            case FileKind.Socket:
                return;
            default:
                Remove(to, name, target);
                Check(FileAt.MakeNode(to.Number, name, status.Kind, status.Permissions, status.DeviceMajor, status.DeviceMinor), "mknod", target);
                FinishName(to, name, status, target);
                break;
        }

        if (status.Links > 1)
        {
            _links[(status.FileSystem, status.Inode)] = target;
        }
    }

    private void CopyLink(FileDescriptor from, byte[] name, FileStatus status, FileDescriptor to, byte[] newName, string target)
    {
        Remove(to, newName, target);
        Check(FileAt.MakeSymbolicLink([.. ReadLink(from.Number, name), 0], to.Number, newName), "symlink", target);
        FinishName(to, newName, status, target);
    }

    private void CopyFile(FileDescriptor file, FileStatus status, FileDescriptor to, byte[] name, string target)
    {
        using var made = Create(to, name, target);
        var buffer = System.Buffers.ArrayPool<byte>.Shared.Rent(256 * 1024);
        try
        {
            for (long at = 0; ;)
            {
                cancellation.ThrowIfCancellationRequested();
                var n = FileAt.Read(file.Number, buffer, at);
                Check(n, "read source of", target);
                if (n == 0)
                {
                    break;
                }

                Check(FileAt.Write(made.Number, buffer.AsSpan(0, n)), "write", target);
                at += n;
                Bytes += n;
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(buffer);
        }

        Finish(file, made, status, target);
    }

    private FileDescriptor Create(FileDescriptor parent, byte[] name, string target)
    {
        Remove(parent, name, target);
        var fd = FileAt.Open(parent.Number, name, FileAt.WriteOnly | FileAt.Create | FileAt.Exclusive, 0x180);
        return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"create {target}");
    }

    /// <summary>Takes away a file that will be replaced. A directory is replaced by a layer only, and where it is asked for.</summary>
    private void Remove(FileDescriptor parent, byte[] name, string target)
    {
        if (layer is not null || look.ReplacesOtherKinds)
        {
            Trees.Remove(parent.Number, name);
            return;
        }

        var result = FileAt.Unlink(parent.Number, name);
        if (result is -(int)Errno.EISDIR or -(int)Errno.EPERM)
        {
            throw new IOException($"cannot overwrite directory {target} with a file");
        }

        if (result != -(int)Errno.ENOENT)
        {
            Check(result, "replace", target);
        }
    }

    private void Finish(FileDescriptor from, FileDescriptor file, FileStatus status, string target)
    {
        var (uid, gid) = look.Owner ?? (status.Uid, status.Gid);
        Check(FileAt.ChangeOwner(file.Number, uid, gid), "chown", target);

        // After chown, which takes set-id bits away.
        Check(FileAt.ChangeMode(file.Number, look.Mode?.Apply(status.Permissions, status.Kind == FileKind.Directory) ?? status.Permissions), "chmod", target);
        CopiedAttributes.Copy(from, file, target);
        var time = Clamp(status.Modified);
        Check(FileAt.SetTimes(file.Number, time, time), "set times of", target);
    }

    private void FinishName(FileDescriptor parent, byte[] name, FileStatus status, string target)
    {
        var (uid, gid) = look.Owner ?? (status.Uid, status.Gid);
        Check(FileAt.ChangeOwner(parent.Number, name, uid, gid), "chown", target);
        var time = Clamp(status.Modified);
        Check(FileAt.SetTimes(parent.Number, name, time, time), "set times of", target);
    }

    private TimeSpec Clamp(TimeSpec time) => look.Latest is { } latest && (look.IsTimeExact || time.Seconds >= latest) ? new TimeSpec(latest, 0) : time;

    private static FileDescriptor Open(FileDescriptor directory, byte[] name, int flags, string path)
    {
        var fd = FileAt.Open(directory.Number, name, flags);
        return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {path}");
    }

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }
}
