using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Volumes;

/// <summary>Copies a directory's content as it is: owners, modes, times, attributes, links, devices. Nothing is followed.</summary>
internal static class TreeCopy
{
    public static void Copy(string from, string to)
    {
        Copy(from, to, []);
        CopyAttributes(from, to, EntryStatus.Of(from, follow: true) ?? throw new LinuxException(Errno.ENOENT, $"copy {from}"));
    }

    private static void Copy(string from, string to, Dictionary<ulong, string> linked)
    {
        foreach (var path in Directory.EnumerateFileSystemEntries(from))
        {
            if (EntryStatus.Of(path) is not { } status)
            {
                continue;
            }

            var target = Path.Combine(to, Path.GetFileName(path));
            if (status is { Kind: not FileKind.Directory, Links: > 1 })
            {
                if (linked.TryGetValue(status.Inode, out var first))
                {
                    PathAttributes.Link(first, target);
                    continue;
                }

                linked[status.Inode] = target;
            }

            switch (status.Kind)
            {
                case FileKind.Directory:
                    Directory.CreateDirectory(target);
                    Copy(path, target, linked);
                    break;
                case FileKind.Regular:
                    File.Copy(path, target);
                    break;
                case FileKind.SymbolicLink:
                    File.CreateSymbolicLink(target, new FileInfo(path).LinkTarget!);
                    break;
                case FileKind.CharacterDevice or FileKind.BlockDevice or FileKind.Fifo:
                    Files.MakeNode(target, (uint)status.Kind | status.Permissions, Files.DeviceNumber(status.DeviceMajor, status.DeviceMinor));
                    break;
                default:
                    continue;
            }

            CopyAttributes(path, target, status);
        }
    }

    private static void CopyAttributes(string from, string to, EntryStatus status)
    {
        PathAttributes.ChangeOwner(to, status.Uid, status.Gid);
        if (status.Kind != FileKind.SymbolicLink)
        {
            PathAttributes.ChangeMode(to, status.Permissions);
        }

        // Of the overlay's own attributes nothing shows here; what a file system of the volume cannot hold is left out.
        foreach (var name in Xattr.List(from))
        {
            try
            {
                if (Xattr.Get(from, name) is { } value)
                {
                    Xattr.Set(to, name, value);
                }
            }
            catch (LinuxException e) when (e.Errno is Errno.EOPNOTSUPP or Errno.EPERM)
            {
            }
        }

        PathAttributes.ChangeTimes(to, status.Modified);
    }
}
