using System.Formats.Tar;
using System.Globalization;
using System.IO.Pipelines;
using System.Text;
using Cais.Build.Patterns;
using Cais.Cli.CommandLine;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Cli.Commands.Builds;

/// <summary>A directory's files as a build context: those that the ignore file leaves, listed with what tells whether one has changed.</summary>
internal sealed class ContextFiles
{
    private const int MostDepth = 512;

    private readonly string _root;
    private readonly IgnoreFile _ignore;
    private readonly List<(string Path, FileStatus Status, string? Target)> _files = [];
    private readonly MemoryStream _list = new();

    private ContextFiles(string root, IgnoreFile ignore) => (_root, _ignore) = (root, ignore);

    /// <summary>For each file its path and description, each ended by a NUL; parents first.</summary>
    public ReadOnlyMemory<byte> List => _list.GetBuffer().AsMemory(0, (int)_list.Length);

    public int Count => _files.Count;

    /// <summary>Walks the directory. Throws <see cref="CommandException"/> where it cannot be read.</summary>
    public static ContextFiles Walk(string directory, IgnoreFile ignore)
    {
        var files = new ContextFiles(directory, ignore);
        var fd = FileAt.OpenFollowing(Bytes(directory), FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            throw new CommandException($"unable to prepare context: path {GoQuote.Quote(directory)} not found or not readable ({(Errno)(-fd)})");
        }

        using (new FileDescriptor(fd))
        {
            files.Add(fd, "", 0);
        }

        return files;
    }

    /// <summary>The bytes that sending these files takes, about.</summary>
    public long SizeOf(IEnumerable<int> positions) => positions.Sum(p => _files[p].Status.Kind == FileKind.Regular ? _files[p].Status.Size : 0);

    /// <summary>Writes all files of a context, if there is one, and the Dockerfile under a name of its own.</summary>
    public static async Task WriteAsync(ContextFiles? files, string dockerfileName, string dockerfile, PipeWriter output)
    {
        Exception? failure = null;
        try
        {
            await using var tar = new TarWriter(output.AsStream(leaveOpen: true), TarEntryFormat.Pax, leaveOpen: true);
            await tar.WriteEntryAsync(new PaxTarEntry(TarEntryType.RegularFile, dockerfileName) { DataStream = new MemoryStream(Encoding.UTF8.GetBytes(dockerfile)) }).ConfigureAwait(false);
            foreach (var file in files?._files ?? [])
            {
                await files!.WriteAsync(tar, file).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or ArgumentException)
        {
            failure = e;
        }

        await output.CompleteAsync(failure).ConfigureAwait(false);
    }

    /// <summary>Writes some of the files as a tar archive, in which everything is root's.</summary>
    public async Task WriteAsync(IReadOnlyList<int>? positions, PipeWriter output)
    {
        Exception? failure = null;
        try
        {
            await using var tar = new TarWriter(output.AsStream(leaveOpen: true), TarEntryFormat.Pax, leaveOpen: true);
            foreach (var position in positions ?? [.. Enumerable.Range(0, _files.Count)])
            {
                await WriteAsync(tar, _files[position]).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or InvalidOperationException or ArgumentException)
        {
            failure = e;
        }

        await output.CompleteAsync(failure).ConfigureAwait(false);
    }

    private async Task WriteAsync(TarWriter tar, (string Path, FileStatus Status, string? Target) file)
    {
        var kind = file.Status.Kind switch
        {
            FileKind.Directory => TarEntryType.Directory,
            FileKind.SymbolicLink => TarEntryType.SymbolicLink,
            FileKind.Fifo => TarEntryType.Fifo,
            _ => TarEntryType.RegularFile,
        };
        var entry = new PaxTarEntry(kind, kind == TarEntryType.Directory ? file.Path + "/" : file.Path)
        {
            Mode = (UnixFileMode)(file.Status.Permissions & 0xFFF),
            ModificationTime = DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(file.Status.Modified.Seconds, 0, 253402300799)).AddTicks(file.Status.Modified.Nanoseconds / 100),
        };
        if (kind == TarEntryType.SymbolicLink)
        {
            entry.LinkName = file.Target!;
        }

        if (kind != TarEntryType.RegularFile)
        {
            await tar.WriteEntryAsync(entry).ConfigureAwait(false);
            return;
        }

        FileStream content;
        try
        {
            content = new FileStream(Path.Combine(_root, file.Path), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            // Gone since it was listed: the build will say so if it needs it.
            return;
        }

        await using (content)
        {
            entry.DataStream = content;
            await tar.WriteEntryAsync(entry).ConfigureAwait(false);
        }
    }

    private void Add(int directory, string prefix, int depth)
    {
        if (depth > MostDepth)
        {
            throw new CommandException($"{prefix} is nested too deeply");
        }

        var names = DirectoryEntries.Read(directory);
        names.Sort(static (a, b) => a.AsSpan().SequenceCompareTo(b));
        foreach (var name in names)
        {
            if (FileAt.Status(directory, name, out var status) < 0 || status.Kind is FileKind.Socket or FileKind.Unknown)
            {
                continue;
            }

            var path = prefix + Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1));
            var ignored = !_ignore.IsEmpty && _ignore.IsIgnored(path);
            if (status.Kind != FileKind.Directory)
            {
                if (!ignored)
                {
                    AddEntry(directory, name, path, status);
                }

                continue;
            }

            if (ignored && !_ignore.MayHaveExceptionsBelow(path))
            {
                continue;
            }

            var (files, length) = (_files.Count, _list.Length);
            AddEntry(directory, name, path, status);
            var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
            if (fd < 0)
            {
                throw new CommandException($"error checking context: can't stat '{Path.Combine(_root, path)}': {(Errno)(-fd)}");
            }

            using (new FileDescriptor(fd))
            {
                Add(fd, path + "/", depth + 1);
            }

            // An ignored directory is there only for the sake of what in it is not.
            if (ignored && _files.Count == files + 1)
            {
                _files.RemoveAt(files);
                _list.SetLength(length);
            }
        }
    }

    private void AddEntry(int directory, byte[] name, string path, FileStatus status)
    {
        string? target = null;
        if (status.Kind == FileKind.SymbolicLink)
        {
            var buffer = new byte[4096];
            var length = FileAt.ReadLink(directory, name, buffer);
            target = length > 0 ? Encoding.UTF8.GetString(buffer, 0, length) : ".";
        }

        _files.Add((path, status, target));
        Write(path);

        // A directory's own times change with what is in it, which has entries of its own.
        var isDirectory = status.Kind == FileKind.Directory;
        Write(string.Create(
            CultureInfo.InvariantCulture,
            $"{(int)status.Kind / 0x1000:x} {status.Permissions:x} {(isDirectory ? 0 : status.Size)} {(isDirectory ? 0 : status.Modified.Seconds)} {(isDirectory ? 0 : status.Modified.Nanoseconds)} {(isDirectory ? 0 : status.Inode)} {target}"));
    }

    private void Write(string text)
    {
        var length = Encoding.UTF8.GetMaxByteCount(text.Length);
        Span<byte> bytes = length <= 1024 ? stackalloc byte[1024] : new byte[length];
        _list.Write(bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
        _list.WriteByte(0);
    }

    private static byte[] Bytes(string path) => Encoding.UTF8.GetBytes(path + '\0');
}
