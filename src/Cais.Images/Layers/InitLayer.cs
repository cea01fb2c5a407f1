using System.Text;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>
/// The layer between an image and its containers: the places that every container has something mounted on, and the file by which programs know that they are
/// in a container. It is no part of the image and no change of the container: neither diff nor commit shows it. One directory for each image, shared by its containers.
/// </summary>
internal static class InitLayer
{
    private const uint Mode = 0x1ED; // 0755

    private static readonly (string Path, FileKind Kind)[] Entries =
    [
        ("dev", FileKind.Directory), ("dev/pts", FileKind.Directory), ("dev/shm", FileKind.Directory), ("dev/mqueue", FileKind.Directory), ("dev/console", FileKind.Regular),
        ("proc", FileKind.Directory), ("sys", FileKind.Directory), (".dockerenv", FileKind.Regular),
        ("etc", FileKind.Directory), ("etc/hostname", FileKind.Regular), ("etc/hosts", FileKind.Regular), ("etc/resolv.conf", FileKind.Regular),
        ("etc/mtab", FileKind.SymbolicLink),
    ];

    /// <summary>Makes it over an image's layers (top first), complete under its name or not at all. Does nothing when it is there.</summary>
    public static void Make(string directory, IReadOnlyList<string> layers)
    {
        if (Directory.Exists(directory))
        {
            return;
        }

        var partial = $"{directory}.{Guid.NewGuid():N}.tmp";
        Directory.CreateDirectory(partial);
        using (var image = new LowerLayers(layers))
        {
            var fd = FileAt.Open(FileAt.CurrentDirectory, Name(partial), FileAt.ReadOnly | FileAt.DirectoryOnly);
            using var root = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {partial}");
            foreach (var (path, kind) in Entries)
            {
                Make(root.Number, image, path, kind);
            }

            foreach (var (path, kind) in Entries.Reverse())
            {
                // What was put into a directory changed its time, which is the image's.
                if (kind == FileKind.Directory && image.Find(Encoding.UTF8.GetBytes(path)) is { Kind: FileKind.Directory } status)
                {
                    FileAt.SetTimes(root.Number, Name(path), status.Accessed, status.Modified);
                }
            }
        }

        try
        {
            Directory.Move(partial, directory);
        }
        catch (IOException) when (Directory.Exists(directory))
        {
            // Somebody was quicker.
            Directory.Delete(partial, recursive: true);
        }
    }

    private static void Make(int root, LowerLayers image, string path, FileKind kind)
    {
        var name = Name(path);
        var below = image.Find(Encoding.UTF8.GetBytes(path));
        switch (kind)
        {
            case FileKind.Directory when below is null or { Kind: FileKind.Directory }:
                Check(FileAt.MakeDirectory(root, name, Mode), path);
                if (below is { } status)
                {
                    // Overlay shows the topmost directory's owner and mode: they stay the image's.
                    Check(FileAt.ChangeOwner(root, name, status.Uid, status.Gid), path);
                    Check(FileAt.ChangeMode(root, name, status.Permissions), path);
                }

                break;
            case FileKind.SymbolicLink when below is null:
                Ignore(FileAt.MakeSymbolicLink(Name("/proc/mounts"), root, name));
                break;

            // An image's own file gives way to an empty one, since something is mounted there anyway; a directory does not.
            case FileKind.Regular when below is not { Kind: FileKind.Directory }:
                Ignore(FileAt.MakeNode(root, name, FileKind.Regular, Mode));
                break;
        }
    }

    private static byte[] Name(string path) => Encoding.UTF8.GetBytes(path + '\0');

    /// <summary>Where the image has a link or a file for a directory, nothing is put into it: the runtime finds its way through.</summary>
    private static void Ignore(int result)
    {
        const int ENOENT = 2;
        if (result is < 0 and not -ENOENT)
        {
            throw new LinuxException((Errno)(-result), "make the layer between image and container");
        }
    }

    private static void Check(int result, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"make /{path} between image and container");
        }
    }
}
