using Cais.Engine.Containers;
using Cais.Linux;

namespace Cais.Engine.Volumes;

/// <summary>
/// A container's mounts with everything in place on the host. Directories inside a volume are named by a descriptor of this process until the
/// container has them: whoever can write into the volume cannot swap them for a link to somewhere else meanwhile (CVE-2021-30465, CVE-2023-44271).
/// </summary>
internal sealed class PreparedMounts : IDisposable
{
    private readonly List<FileDescriptor> _open = [];

    private PreparedMounts(ContainerRecord record) => Record = record;

    /// <summary>The container, with the sources that its processes shall get.</summary>
    public ContainerRecord Record { get; private set; }

    /// <summary>Mounts the container's volumes; on failure what was mounted is for the caller's clean-up.</summary>
    public static async Task<PreparedMounts> Make(ContainerRecord record, VolumeStore volumes, CancellationToken cancellation)
    {
        var prepared = new PreparedMounts(record);
        try
        {
            var mounts = new List<MountRecord>(record.Mounts.Count);
            foreach (var mount in record.Mounts)
            {
                if (mount is { Type: "volume", Name: not null })
                {
                    var path = await volumes.Mount(mount, record.Id, cancellation).ConfigureAwait(false);
                    mounts.Add(mount with { Source = mount.Subpath is { Length: > 0 } subpath ? prepared.Inside(path, subpath) : path });
                    continue;
                }

                if (mount is { Type: "bind", CreateSource: true } && !Path.Exists(mount.Source))
                {
                    Directory.CreateDirectory(mount.Source);
                }

                mounts.Add(mount);
            }

            prepared.Record = record with { Mounts = mounts };
            return prepared;
        }
        catch
        {
            prepared.Dispose();
            throw;
        }
    }

    public void Dispose() => _open.ForEach(d => d.Dispose());

    /// <summary>A path, good while this object lives, that leads to a directory or file in the volume wherever its links point.</summary>
    private string Inside(string volume, string subpath)
    {
        using var root = Files.Open(volume, OpenFlags.Path | OpenFlags.Directory);
        try
        {
            var found = Files.OpenAt2(root, subpath, OpenFlags.Path, ResolveFlags.Beneath | ResolveFlags.NoMagicLinks);
            _open.Add(found);
            return $"/proc/{Environment.ProcessId}/fd/{found.Number}";
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            throw EngineException.InvalidParameter($"cannot access path {Path.Combine(volume, subpath)}: no such file or directory");
        }
        catch (LinuxException e) when (e.Errno is Errno.EXDEV or Errno.ELOOP)
        {
            throw EngineException.InvalidParameter($"path {subpath} leads out of the volume: {volume}");
        }
    }
}
