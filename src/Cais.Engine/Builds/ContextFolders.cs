using Cais.Images.Building;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Engine.Builds;

/// <summary>Build contexts that clients send: directories below the builder's root, each gone when its build is over.</summary>
public sealed class ContextFolders
{
    private readonly string _root;

    internal ContextFolders(string root)
    {
        // Nothing here outlives the process that made it.
        _root = root;
        Linux.FileSystem.Trees.Remove(root);
        Directory.CreateDirectory(root);
    }

    /// <summary>An empty directory.</summary>
    public ContextFolder Make()
    {
        var path = Path.Combine(_root, Guid.NewGuid().ToString("N"));
        Directory.CreateDirectory(path);
        return new ContextFolder(path);
    }

    /// <summary>Unpacks a tar archive of any supported compression. Throws <see cref="Images.ImageException"/> or an <see cref="IOException"/> if it is none.</summary>
    public async Task<ContextFolder> UnpackAsync(Stream archive, CancellationToken cancellation)
    {
        var folder = Make();
        try
        {
            using var root = folder.Open();
            await ArchiveExtractor.ExtractAsync(archive, root.Number, "/", null, cancellation).ConfigureAwait(false);
            return folder;
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }
}

/// <summary>One context's directory, until it is disposed of.</summary>
public sealed class ContextFolder : IDisposable
{
    /// <summary>The largest file that is read as a whole, in bytes: a Dockerfile or ignore file.</summary>
    private const int LargestText = 2 << 20;

    internal ContextFolder(string path) => Path = path;

    public string Path { get; }

    /// <summary>A small file of the context, wherever its links lead within it; null if there is none. Throws <see cref="EngineException"/> if it is no file.</summary>
    public byte[]? Read(string name)
    {
        using var root = Open();
        FileDescriptor file;
        try
        {
            file = Linux.Files.OpenAt2(root, name, OpenFlags.ReadOnly | OpenFlags.NonBlocking | OpenFlags.CloseOnExec, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR)
        {
            return null;
        }

        using (file)
        {
            if (Linux.Status.EntryStatus.Of(file) is not { Kind: Linux.Status.FileKind.Regular } status)
            {
                throw EngineException.InvalidParameter($"{name} is not a file");
            }

            if (status.Size > LargestText)
            {
                throw EngineException.InvalidParameter($"{name} is {status.Size} bytes long, and the most is {LargestText}");
            }

            return Linux.Files.ReadAll(file, name);
        }
    }

    /// <summary>Removes a file, if it is there; links on the way are not followed.</summary>
    public void Remove(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        using var root = Open();
        var slash = name.LastIndexOf('/');
        var parent = FileAt.OpenInRoot(
            root.Number, System.Text.Encoding.UTF8.GetBytes((slash <= 0 ? "." : name[..slash]) + '\0'), FileAt.PathOnly | FileAt.DirectoryOnly, noSymlinks: true);
        if (parent >= 0)
        {
            using (new FileDescriptor(parent))
            {
                Linux.FileSystem.Trees.Remove(parent, System.Text.Encoding.UTF8.GetBytes(name[(slash + 1)..] + '\0'));
            }
        }
    }

    /// <summary>Removes what an ignore file leaves out, as a client would not have sent it.</summary>
    public void Prune(Cais.Build.Patterns.IgnoreFile ignore)
    {
        ArgumentNullException.ThrowIfNull(ignore);
        using var root = Open();
        Prune(root.Number, "", ignore);
    }

    public void Dispose() => Linux.FileSystem.Trees.Remove(Path);

    internal FileDescriptor Open() => Linux.Files.Open(Path, OpenFlags.ReadOnly | OpenFlags.Directory | OpenFlags.CloseOnExec);

    private static void Prune(int directory, string prefix, Cais.Build.Patterns.IgnoreFile ignore)
    {
        foreach (var name in DirectoryEntries.Read(directory))
        {
            var path = prefix + System.Text.Encoding.UTF8.GetString(name.AsSpan(0, name.Length - 1));
            var isDirectory = FileAt.Status(directory, name, out var status) == 0 && status.Kind == FileKind.Directory;
            var ignored = ignore.IsIgnored(path);
            if (ignored && (!isDirectory || !ignore.MayHaveExceptionsBelow(path)))
            {
                Linux.FileSystem.Trees.Remove(directory, name);
            }
            else if (isDirectory)
            {
                var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
                if (fd >= 0)
                {
                    using (new FileDescriptor(fd))
                    {
                        Prune(fd, path + "/", ignore);
                    }
                }

                if (ignored)
                {
                    // Empty by now, unless something in it was taken back in.
                    FileAt.RemoveDirectory(directory, name);
                }
            }
        }
    }
}
