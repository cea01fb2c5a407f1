using Cais.Cli.CommandLine;

namespace Cais.Cli;

/// <summary>Files that the user names, with the reasons for failures in words.</summary>
internal static class LocalFile
{
    public static Stream OpenRead(string path)
    {
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CommandException($"open {path}: no such file or directory");
        }
        catch (UnauthorizedAccessException)
        {
            throw new CommandException(Directory.Exists(path) ? $"read {path}: is a directory" : $"open {path}: permission denied");
        }
    }

    /// <summary>Says early that an output cannot be written, before the daemon is put to work.</summary>
    public static void CheckWritable(string path, string purpose)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(path))!;
        if (!Directory.Exists(directory))
        {
            throw new CommandException($"{purpose}: invalid output path: directory {GoQuote.Quote(Path.GetDirectoryName(path) ?? path)} does not exist");
        }

        if (Directory.Exists(path))
        {
            throw new CommandException($"{purpose}: invalid output path: {GoQuote.Quote(path)} must be a regular file, not a directory");
        }
    }

    /// <summary>Writes a stream to a file that appears only when it is complete, or to standard output when no path is given.</summary>
    public static async Task WriteAsync(string path, Stream standardOutput, Stream content)
    {
        if (path.Length == 0)
        {
            await content.CopyToAsync(standardOutput, 64 * 1024).ConfigureAwait(false);
            return;
        }

        if (File.Exists(path) && (File.GetAttributes(path) & (FileAttributes.Device | FileAttributes.ReparsePoint)) != 0 || path.StartsWith("/dev/", StringComparison.Ordinal))
        {
            await using var device = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
            await content.CopyToAsync(device, 64 * 1024).ConfigureAwait(false);
            return;
        }

        var draft = Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path))!, $".tmp-{Path.GetFileName(path)}{Environment.ProcessId}");
        try
        {
            await using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                BufferSize = 0,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
            {
                await content.CopyToAsync(file, 64 * 1024).ConfigureAwait(false);
            }

            File.Move(draft, path, overwrite: true);
        }
        catch (UnauthorizedAccessException e)
        {
            throw new CommandException($"{path}: {e.Message}");
        }
        finally
        {
            File.Delete(draft);
        }
    }
}
