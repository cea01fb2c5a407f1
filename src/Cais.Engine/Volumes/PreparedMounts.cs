using System.Globalization;
using Cais.Engine.Containers;
using Cais.Linux;
using Cais.Linux.Status;

namespace Cais.Engine.Volumes;

/// <summary>
/// A container's mounts with everything in place on the host. A directory inside a volume is opened so that no link leads out of it, and mounted
/// at a place of our own until the container has it: whoever can write into the volume cannot swap it for a link to somewhere else meanwhile
/// (CVE-2021-30465).
/// </summary>
internal sealed class PreparedMounts : IDisposable
{
    private readonly List<string> _places = [];
    private readonly string _directory;

    private PreparedMounts(ContainerRecord record, string directory)
    {
        Record = record;
        _directory = directory;
    }

    /// <summary>The container, with the sources that its processes shall get.</summary>
    public ContainerRecord Record { get; private set; }

    /// <summary>Mounts the container's volumes; on failure what was mounted is for the caller's clean-up.</summary>
    /// <param name="record">The container.</param>
    /// <param name="volumes">Its volumes.</param>
    /// <param name="directory">For mounts of parts of volumes; made when needed.</param>
    /// <param name="ids">Of the container's user namespace, whose root owns what is made for it.</param>
    /// <param name="cancellation">Of what plugins are asked.</param>
    public static async Task<PreparedMounts> Make(ContainerRecord record, VolumeStore volumes, string directory, MappedIds? ids, CancellationToken cancellation)
    {
        var prepared = new PreparedMounts(record, directory);
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
                    CreateSource(mount.Source, ids);
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

    /// <summary>The directory and those above it that are not there.</summary>
    private static void CreateSource(string path, MappedIds? ids)
    {
        var missing = new List<string>();
        for (var at = path; at is not null && !Path.Exists(at); at = Path.GetDirectoryName(at))
        {
            missing.Add(at);
        }

        Directory.CreateDirectory(path);
        if (ids is not null)
        {
            missing.ForEach(made => PathAttributes.ChangeOwner(made, ids.Root.User, ids.Root.Group));
        }
    }

    /// <summary>Takes away what an engine that was killed has left in the directory. What is mounted there is the user's: nothing is deleted but empty places.</summary>
    public static void Clear(string directory)
    {
        if (Directory.Exists(directory))
        {
            foreach (var place in Directory.GetFileSystemEntries(directory))
            {
                Leave(place);
            }
        }
    }

    public void Dispose()
    {
        _places.ForEach(Leave);
        _places.Clear();
    }

    private static void Leave(string place)
    {
        while (Mounts.Unmount(place, lazy: true))
        {
        }

        // Neither goes through a mount or deletes what is in a directory.
        _ = Directory.Exists(place) ? Files.RemoveDirectory(place) : Files.Unlink(place);
    }

    /// <summary>Mounts a directory or file of the volume at a place of our own, which is its path.</summary>
    private string Inside(string volume, string subpath)
    {
        using var found = Open(volume, subpath);
        Directory.CreateDirectory(_directory);
        var place = Path.Combine(_directory, string.Create(CultureInfo.InvariantCulture, $"{Record.Id}-{_places.Count}"));
        if (EntryStatus.Of(found) is { Kind: FileKind.Directory })
        {
            Directory.CreateDirectory(place);
        }
        else
        {
            File.WriteAllBytes(place, []);
        }

        _places.Add(place);
        Mounts.Bind(found.ProcPath, place, recursive: true);
        return place;
    }

    private static FileDescriptor Open(string volume, string subpath)
    {
        using var root = Files.Open(volume, OpenFlags.Path | OpenFlags.Directory);
        try
        {
            return Files.OpenAt2(root, subpath, OpenFlags.Path, ResolveFlags.Beneath | ResolveFlags.NoMagicLinks);
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
