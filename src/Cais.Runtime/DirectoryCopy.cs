using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>
/// Copies a directory's contents into a new, empty filesystem (<c>tmpcopyup</c>). The source belongs to an image or a volume and is hostile:
/// no symbolic link is followed, and every directory is held by its descriptor while it is worked on.
/// </summary>
internal sealed class DirectoryCopy
{
    private const int DeepestNesting = 256;
    private readonly LinuxConfig? _mapped;

    private DirectoryCopy(LinuxConfig? mapped) => _mapped = mapped;

    /// <summary>Into a filesystem of a container, whose root may be an ordinary user here. Who is nobody there leaves its files to that root.</summary>
    public static void CopyUp(FileDescriptor from, FileDescriptor to, LinuxConfig? linux)
    {
        var root = HostId(0, linux?.UidMappings);
        if (UserIds.Effective != 0 || root is null)
        {
            new DirectoryCopy(null).Copy(from, to, 0);
        }
        else
        {
            ThreadIdentity.RunAs(root.Value, HostId(0, linux?.GidMappings) ?? 0, () => new DirectoryCopy(linux).Copy(from, to, 0));
        }
    }

    private static uint? HostId(uint id, IReadOnlyList<IdMapping>? mappings)
    {
        foreach (var mapping in mappings ?? [])
        {
            if (id >= mapping.ContainerId && id - mapping.ContainerId < mapping.Size)
            {
                return mapping.HostId + (id - mapping.ContainerId);
            }
        }

        return null;
    }

    private static bool Knows(IReadOnlyList<IdMapping>? mappings, uint id)
    {
        foreach (var mapping in mappings ?? [])
        {
            if (id >= mapping.HostId && id - mapping.HostId < mapping.Size)
            {
                return true;
            }
        }

        return false;
    }

    private void Copy(FileDescriptor from, FileDescriptor to, int depth)
    {
        if (depth > DeepestNesting)
        {
            throw new RuntimeException(RuntimeError.Failed, $"tmpcopyup: directories are nested deeper than {DeepestNesting}");
        }

        foreach (var entry in Directory.EnumerateFileSystemEntries($"/proc/self/fd/{from.Number}"))
        {
            var name = Path.GetFileName(entry);
            using var source = Files.OpenAt(from, name, OpenFlags.Path | OpenFlags.NoFollow);
            var status = Files.Status(source.Number);
            var target = $"/proc/self/fd/{to.Number}/{name}";
            switch (status.Mode & 0xf000)
            {
                case 0x4000:
                    Files.MakeDirectory(target, 0x1c0);
                    using (var inside = Files.OpenAt(from, name, OpenFlags.ReadOnly | OpenFlags.Directory | OpenFlags.NoFollow))
                    using (var made = Files.OpenAt(to, name, OpenFlags.ReadOnly | OpenFlags.Directory | OpenFlags.NoFollow))
                    {
                        Copy(inside, made, depth + 1);
                    }

                    break;
                case 0x8000:
                    CopyFile(source, to, name);
                    break;
                case 0xa000:
                    Files.SymbolicLink(Files.ReadLink(source), target);
                    break;
                case 0xc000:
                    // A socket means something only to whoever bound it.
                    continue;
                default:
                    Files.MakeNode(target, status.Mode & 0xffff, status.Device);
                    break;
            }

            ChangeOwner(to, name, status);
            if ((status.Mode & 0xf000) != 0xa000)
            {
                Files.ChangeMode(target, status.Mode & 0xfff);
            }
        }
    }

    private void ChangeOwner(FileDescriptor to, string name, OpenFileStatus status)
    {
        if (_mapped is not null && !(Knows(_mapped.UidMappings, status.Uid) && Knows(_mapped.GidMappings, status.Gid)))
        {
            return;
        }

        try
        {
            Files.ChangeOwner(to, name, status.Uid, status.Gid);
        }
        catch (LinuxException e) when (e.Errno is Errno.EPERM or Errno.EINVAL or Errno.EOVERFLOW)
        {
            // An ordinary user cannot give files away.
        }
    }

    private static void CopyFile(FileDescriptor source, FileDescriptor to, string name)
    {
        using var input = Files.Open($"/proc/self/fd/{source.Number}", OpenFlags.ReadOnly);
        using var output = Files.OpenAt(to, name, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoFollow, 0x180);
        var buffer = new byte[64 * 1024];
        for (int n; (n = Files.Read(input, buffer)) > 0;)
        {
            Files.Write(output, buffer.AsSpan(0, n));
        }
    }
}
