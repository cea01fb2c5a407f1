using System.Formats.Tar;
using System.IO.Pipelines;
using Cais.Cli.CommandLine;

namespace Cais.Cli.Archives;

/// <summary>A file or directory of this machine, to be sent as an archive.</summary>
internal sealed class LocalTree
{
    private readonly string _path;

    private LocalTree(string path, string name, bool isDirectory) => (_path, Name, IsDirectory) = (path, name, isDirectory);

    public string Name { get; }

    public bool IsDirectory { get; }

    /// <param name="path">As the user gave it.</param>
    /// <param name="followLink">Whether a symbolic link stands for what it points to.</param>
    /// <exception cref="CommandException">There is nothing of that name.</exception>
    public static LocalTree Open(string path, bool followLink)
    {
        var trimmed = path.Length > 1 ? path.TrimEnd('/') : path;
        trimmed = trimmed.Length == 0 ? "/" : trimmed;
        var full = Path.GetFullPath(trimmed);
        var info = new FileInfo(full);
        var isLink = info.LinkTarget is not null;
        if (!isLink && !File.Exists(full) && !Directory.Exists(full))
        {
            throw new CommandException($"lstat {full}: no such file or directory");
        }

        if (isLink && (followLink || path.EndsWith('/')))
        {
            var target = File.ResolveLinkTarget(full, returnFinalTarget: true)?.FullName ?? full;
            return new(target, Path.GetFileName(full), Directory.Exists(target));
        }

        return new(full, Path.GetFileName(full), !isLink && Directory.Exists(full));
    }

    /// <summary>Writes the tree as a tar archive in which its root is called <paramref name="name"/>.</summary>
    /// <returns>Bytes of the archive.</returns>
    public async Task<long> WriteArchiveAsync(PipeWriter output, string name)
    {
        Exception? failure = null;
        var counter = new CountingStream(output.AsStream(leaveOpen: true));
        try
        {
            await using var tar = new TarWriter(counter, TarEntryFormat.Pax, leaveOpen: true);
            await AddAsync(tar, _path, name).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            failure = e;
        }

        await output.CompleteAsync(failure).ConfigureAwait(false);
        return counter.Count;
    }

    private static async Task AddAsync(TarWriter tar, string path, string name)
    {
        // The writer reads mode, owner, times and link targets from the file itself.
        await tar.WriteEntryAsync(path, name).ConfigureAwait(false);
        if (new FileInfo(path).LinkTarget is null && Directory.Exists(path))
        {
            foreach (var child in Directory.EnumerateFileSystemEntries(path).Order(StringComparer.Ordinal))
            {
                await AddAsync(tar, child, $"{name}/{Path.GetFileName(child)}").ConfigureAwait(false);
            }
        }
    }
}
