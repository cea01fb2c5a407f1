using System.Formats.Tar;
using Cais.Cli.CommandLine;

namespace Cais.Cli.Archives;

/// <summary>
/// Unpacks an archive of a container's files. The container wrote the names in it, so each is followed from the target directory one
/// component at a time, and one that is a symbolic link, or leaves the directory, is an error.
/// </summary>
internal static class ArchiveReader
{
    /// <param name="archive">The tar stream.</param>
    /// <param name="root">First component of the names in it.</param>
    /// <param name="directory">Where to unpack; exists.</param>
    /// <param name="name">What the first component becomes; empty drops it, for a directory's contents.</param>
    /// <param name="keepOwners">Whether uid and gid are set as they are in the archive.</param>
    /// <returns>Bytes of all files.</returns>
    public static async Task<long> ExtractAsync(Stream archive, string root, string directory, string name, bool keepOwners)
    {
        long total = 0;
        var directories = new List<(string Path, TarEntry Entry)>();
        try
        {
            await using var tar = new TarReader(archive, leaveOpen: true);
            while (await tar.GetNextEntryAsync().ConfigureAwait(false) is { } entry)
            {
                if (entry.EntryType is TarEntryType.GlobalExtendedAttributes)
                {
                    continue;
                }

                var path = SafePath(directory, Rename(entry.Name, root, name));
                total += entry.Length;
                await CreateAsync(entry, path, directory, root, name).ConfigureAwait(false);
                if (entry.EntryType is TarEntryType.Directory)
                {
                    directories.Add((path, entry));
                }
                else
                {
                    SetAttributes(path, entry, keepOwners);
                }
            }
        }
        catch (Exception e) when (e is InvalidDataException or FormatException)
        {
            throw new CommandException($"the container's archive is malformed: {e.Message}");
        }

        // Directories last: what is made in them changes their times, and a read-only one could not be filled.
        for (var i = directories.Count - 1; i >= 0; i--)
        {
            SetAttributes(directories[i].Path, directories[i].Entry, keepOwners);
        }

        return total;
    }

    private static string Rename(string entry, string root, string name)
    {
        var path = entry.Trim('/');
        if (path.StartsWith("./", StringComparison.Ordinal))
        {
            path = path[2..];
        }

        var rest = path == root || path == "." ? "" : path.StartsWith(root + "/", StringComparison.Ordinal) ? path[(root.Length + 1)..] : path;
        return name.Length == 0 ? rest : rest.Length == 0 ? name : $"{name}/{rest}";
    }

    private static string SafePath(string directory, string relative)
    {
        var path = directory;
        var parts = relative.Split('/', StringSplitOptions.RemoveEmptyEntries);
        for (var i = 0; i < parts.Length; i++)
        {
            if (parts[i] == "..")
            {
                throw new CommandException($"the container's archive has a name that leaves the target: {relative}");
            }

            path = Path.Combine(path, parts[i]);
            if (i < parts.Length - 1 && new FileInfo(path).LinkTarget is not null)
            {
                throw new CommandException($"the container's archive goes through a symbolic link: {path}");
            }
        }

        return path;
    }

    private static async Task CreateAsync(TarEntry entry, string path, string directory, string root, string name)
    {
        switch (entry.EntryType)
        {
            case TarEntryType.Directory:
                if (new FileInfo(path).LinkTarget is not null)
                {
                    File.Delete(path);
                }

                Directory.CreateDirectory(path);
                break;
            case TarEntryType.SymbolicLink:
                Clear(path);
                File.CreateSymbolicLink(path, entry.LinkName);
                break;
            case TarEntryType.HardLink:
                var source = SafePath(directory, Rename(entry.LinkName, root, name));
                Clear(path);
                File.Copy(source, path);
                break;
            case TarEntryType.RegularFile or TarEntryType.V7RegularFile or TarEntryType.ContiguousFile:
                Clear(path);
                await using (var file = new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 0))
                {
                    if (entry.DataStream is { } data)
                    {
                        await data.CopyToAsync(file, 128 * 1024).ConfigureAwait(false);
                    }
                }

                break;
            default:
                throw new CommandException($"{path}: files of type {entry.EntryType} cannot be copied");
        }
    }

    /// <summary>A new file must not be written through what stands in its place, a link above all.</summary>
    private static void Clear(string path)
    {
        if (Directory.Exists(path) && new FileInfo(path).LinkTarget is null)
        {
            throw new CommandException($"cannot overwrite directory {GoQuote.Quote(path)} with non-directory");
        }

        File.Delete(path);
    }

    private static void SetAttributes(string path, TarEntry entry, bool keepOwners)
    {
        if (keepOwners && Terminal.Posix.lchown(path, entry.Uid, entry.Gid) != 0 && Terminal.Posix.getuid() == 0)
        {
            throw new CommandException($"{path}: cannot set the owner to {entry.Uid}:{entry.Gid}");
        }

        if (entry.EntryType is not TarEntryType.SymbolicLink)
        {
            File.SetUnixFileMode(path, entry.Mode);
        }

        // Of a link its own time, not that of what it points to.
        File.SetLastWriteTimeUtc(path, entry.ModificationTime.UtcDateTime);
    }
}
