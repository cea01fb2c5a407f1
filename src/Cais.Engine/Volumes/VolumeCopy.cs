using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Images;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Volumes;

/// <summary>Gives a new volume what the image has at the place where it is mounted, as docker does.</summary>
internal static class VolumeCopy
{
    public static async Task FillNew(IReadOnlyList<MountRecord> mounts, RootfsMount rootfs, VolumeStore volumes, string container, CancellationToken cancellation)
    {
        RootFiles? files = null;
        try
        {
            foreach (var mount in mounts.Where(m => m is { Type: "volume", CopyUp: true, Subpath: null, Name: not null }))
            {
                // What is in the directory of a volume that is a mount of something else shows only while it is mounted.
                var (path, _) = await volumes.MountFor(mount.Name!, container, cancellation).ConfigureAwait(false);
                try
                {
                    if (!IsEmpty(path))
                    {
                        continue;
                    }

                    files ??= RootFiles.Open(rootfs);
                    using var source = files.TryOpen(mount.Destination, OpenFlags.Path | OpenFlags.Directory);
                    if (source is not null)
                    {
                        TreeCopy.Copy(source.ProcPath, path);
                    }
                }
                finally
                {
                    await volumes.UnmountFor(mount.Name!, container).ConfigureAwait(false);
                }
            }
        }
        finally
        {
            files?.Dispose();
        }
    }

    private static bool IsEmpty(string directory) =>
        EntryStatus.Of(directory) is { Kind: FileKind.Directory } && !Directory.EnumerateFileSystemEntries(directory).Any(e => Path.GetFileName(e) != "lost+found");
}
