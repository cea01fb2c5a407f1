using System.Text;
using Cais.Linux;
using Cais.Linux.FileSystem;
using FileStatus = Cais.Linux.FileSystem.FileStatus;

namespace Cais.Build.Files;

/// <summary>
/// An open file system tree: a directory, or an overlay that is mounted nowhere and goes away with the descriptor. Every path is resolved below
/// the root, whatever symbolic links it has: what an image or a context contains can reach nothing outside.
/// </summary>
internal sealed class RootDirectory : IDisposable
{
    private const int MostLinks = 40;

    private readonly FileDescriptor _root;
    private readonly FileDescriptor? _mount;

    private RootDirectory(FileDescriptor root, FileDescriptor? mount = null) => (_root, _mount) = (root, mount);

    public int Descriptor => _root.Number;

    public static RootDirectory Open(string path)
    {
        var fd = FileAt.OpenFollowing(Bytes(path), FileAt.ReadOnly | FileAt.DirectoryOnly);
        return fd >= 0 ? new RootDirectory(new FileDescriptor(fd)) : throw new LinuxException((Errno)(-fd), $"open {path}");
    }

    /// <summary>Layers (bottom first) seen as one, read-only; or with <paramref name="upper"/> what is written goes there.</summary>
    public static RootDirectory OpenLayers(IReadOnlyList<string> layers, string? upper = null, string? work = null)
    {
        if (upper is null && layers.Count == 1)
        {
            return Open(layers[0]);
        }

        var mount = Mounts.CreateOverlay([.. layers.Reverse()], upper, work);

        // The mount's own descriptor is a path only (O_PATH): files are made in a real one. It must stay open all the same: once it is closed the
        // mount counts as unmounted, and openat2 answers every ".." under RESOLVE_IN_ROOT with EAGAIN, for ever (Linux 6.18).
        var fd = FileAt.Open(mount.Number, ".\0"u8, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd >= 0)
        {
            return new RootDirectory(new FileDescriptor(fd), mount);
        }

        mount.Dispose();
        throw new LinuxException((Errno)(-fd), "open overlay");
    }

    /// <summary>Opens below the root, following links; null if there is nothing or a link leads nowhere.</summary>
    public FileDescriptor? Find(string path, int flags = FileAt.PathOnly, bool followLast = true)
    {
        var fd = FileAt.OpenInRoot(Descriptor, Relative(path), flags | (followLast ? 0 : FileAt.NoFollow));
        return fd >= 0 ? new FileDescriptor(fd)
            : fd is -(int)Errno.ENOENT or -(int)Errno.ENOTDIR ? null
            : throw new LinuxException((Errno)(-fd), $"open {path}");
    }

    /// <summary>What is at a path, links followed; null if nothing is.</summary>
    public FileStatus? Status(string path)
    {
        using var file = Find(path);
        return file is null ? null : StatusOf(file, path);
    }

    /// <summary>A small file's content, or null.</summary>
    public byte[]? ReadFile(string path, int largest)
    {
        using var file = Find(path, FileAt.ReadOnly | FileAt.NonBlocking);
        if (file is null || StatusOf(file, path) is not { Kind: FileKind.Regular } status)
        {
            return null;
        }

        if (status.Size > largest)
        {
            throw new IOException($"{path} is {status.Size} bytes long, and the most is {largest}");
        }

        var content = new byte[status.Size];
        var filled = 0;
        while (filled < content.Length && FileAt.Read(file.Number, content.AsSpan(filled), filled) is var n and > 0)
        {
            filled += n;
        }

        return content[..filled];
    }

    /// <summary>Opens a directory, making it and those above it if they are missing; <paramref name="made"/> is called for each that was.</summary>
    public FileDescriptor OpenOrMakeDirectory(string path, Action<FileDescriptor> made) => OpenOrMakeDirectory(path, made, MostLinks);

    private FileDescriptor OpenOrMakeDirectory(string path, Action<FileDescriptor> made, int links)
    {
        if (Find(path, FileAt.ReadOnly | FileAt.DirectoryOnly) is { } there)
        {
            return there;
        }

        var trimmed = path.TrimEnd('/');
        if (trimmed.Length == 0)
        {
            throw new LinuxException(Errno.ENOENT, $"open {path}");
        }

        var slash = trimmed.LastIndexOf('/');
        using var parent = OpenOrMakeDirectory(trimmed[..(slash + 1)], made, links);
        var name = Bytes(trimmed[(slash + 1)..]);
        var result = FileAt.MakeDirectory(parent.Number, name, 0x1ED);
        if (result == -(int)Errno.EEXIST)
        {
            // A link to a directory that is yet to be made, as COPY to /var/run of some images: the directory is made where it leads.
            var isLink = FileAt.Status(parent.Number, name, out var taken) == 0 && taken.Kind == FileKind.SymbolicLink;
            if (!isLink || links == 0)
            {
                throw new LinuxException(isLink ? Errno.ELOOP : Errno.ENOTDIR, $"mkdir {path}");
            }

            var target = Encoding.UTF8.GetString(FileCopier.ReadLink(parent.Number, name));
            return OpenOrMakeDirectory(Patterns.GoPath.Resolve(trimmed[..(slash + 1)], target), made, links - 1);
        }

        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"mkdir {path}");
        }

        var fd = FileAt.Open(parent.Number, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        var directory = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {path}");
        made(directory);
        return directory;
    }

    public static FileStatus StatusOf(FileDescriptor file, string path)
    {
        var result = FileAt.Status(file.Number, "\0"u8, out var status);
        return result >= 0 ? status : throw new LinuxException((Errno)(-result), $"stat {path}");
    }

    public static byte[] Bytes(string text) => [.. Encoding.UTF8.GetBytes(text), 0];

    private static byte[] Relative(string path)
    {
        var trimmed = path.TrimStart('/');
        return Bytes(trimmed.Length == 0 ? "." : trimmed);
    }

    public void Dispose()
    {
        _root.Dispose();
        _mount?.Dispose();
    }
}
