using System.Text;
using Cais.Images.Layers;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images;

/// <summary>The numbers that Docker's API gives them.</summary>
public enum ChangeKind
{
    Modified = 0,
    Added = 1,
    Deleted = 2,
}

/// <summary>One line of docker diff.</summary>
public sealed record FileChange(string Path, ChangeKind Kind);

/// <summary>What a container has changed of its image: its upper directory compared with what is below it.</summary>
internal static class ContainerChanges
{
    public static IReadOnlyList<FileChange> List(RootfsMount mount)
    {
        using var lower = new LowerLayers(mount.LowerDirs);
        var changes = new List<FileChange>();
        var fd = FileAt.Open(FileAt.CurrentDirectory, [.. Encoding.UTF8.GetBytes(mount.UpperDir), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        using var upper = fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {mount.UpperDir}");
        Walk(fd, [], lower, changes);
        return changes;
    }

    private static void Walk(int directory, byte[] path, LowerLayers lower, List<FileChange> changes)
    {
        var names = DirectoryEntries.Read(directory);
        names.Sort(static (a, b) => a.AsSpan().SequenceCompareTo(b));
        foreach (var name in names)
        {
            byte[] child = path.Length == 0 ? name[..^1] : [.. path, (byte)'/', .. name.AsSpan(0, name.Length - 1)];
            if (FileAt.Status(directory, name, out var status) < 0)
            {
                continue;
            }

            var below = lower.Find(child);
            if (status.IsWhiteout)
            {
                if (below is not null)
                {
                    changes.Add(new FileChange("/" + Encoding.UTF8.GetString(child), ChangeKind.Deleted));
                }

                continue;
            }

            // A directory is in the upper layer for its children's sake too: it counts if it changed itself.
            if (below is not { Kind: FileKind.Directory } old || status.Kind != FileKind.Directory || old.Modified != status.Modified)
            {
                changes.Add(new FileChange("/" + Encoding.UTF8.GetString(child), below is null ? ChangeKind.Added : ChangeKind.Modified));
            }

            if (status.Kind == FileKind.Directory)
            {
                var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
                if (fd >= 0)
                {
                    using var open = new FileDescriptor(fd);
                    Walk(fd, child, lower, changes);
                }
            }
        }
    }
}
