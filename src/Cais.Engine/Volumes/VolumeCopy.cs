using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Volumes;

/// <summary>Gives a new volume what the image has at the place where it is mounted, as docker does.</summary>
internal static class VolumeCopy
{
    public static void FillNew(IReadOnlyList<MountRecord> mounts, RootfsMount rootfs)
    {
        var empty = mounts.Where(m => m is { Type: "volume", CopyUp: true, Subpath: null } && IsEmpty(m.Source)).ToList();
        if (empty.Count == 0)
        {
            return;
        }

        using var files = RootFiles.Open(rootfs);
        foreach (var mount in empty)
        {
            using var source = files.TryOpen(mount.Destination, OpenFlags.Path | OpenFlags.Directory);
            if (source is not null)
            {
                TreeCopy.Copy(source.ProcPath, mount.Source);
            }
        }
    }

    private static bool IsEmpty(string directory) =>
        EntryStatus.Of(directory) is { Kind: FileKind.Directory } && !Directory.EnumerateFileSystemEntries(directory).Any();
}
