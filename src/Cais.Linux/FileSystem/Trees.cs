namespace Cais.Linux.FileSystem;

/// <summary>Whole directory trees. Never follows a symbolic link, never leaves the tree, copes with any depth the kernel allows.</summary>
public static class Trees
{
    private const int ENOENT = 2;
    private const int EISDIR = 21;
    private const int EPERM = 1;
    private const int ENOTDIR = 20;
    private const int ELOOP = 40;

    /// <summary>Removes a file or a whole tree; nothing there is fine. Throws <see cref="LinuxException"/> that names the entry.</summary>
    public static void Remove(string path)
    {
        var name = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        Remove(FileAt.CurrentDirectory, name);
    }

    /// <summary>Removes a name in an open directory, with all below it.</summary>
    public static void Remove(int directory, ReadOnlySpan<byte> name)
    {
        var result = FileAt.Unlink(directory, name);
        if (result is 0 or -ENOENT)
        {
            return;
        }

        if (result is not (-EISDIR or -EPERM))
        {
            throw Failed(-result, name);
        }

        result = FileAt.RemoveDirectory(directory, name);
        if (result is 0 or -ENOENT)
        {
            return;
        }

        RemoveContents(directory, name);
        result = FileAt.RemoveDirectory(directory, name);
        if (result is not (0 or -ENOENT))
        {
            throw Failed(-result, name);
        }
    }

    /// <summary>
    /// The bytes of disk that a tree takes: each inode once, its own and all below it. A tree that is being changed gives a number between.
    /// </summary>
    public static long DiskUsage(string path)
    {
        var seen = new HashSet<(ulong, ulong)>();
        long total = 0;
        var name = System.Text.Encoding.UTF8.GetBytes(path + '\0');
        Measure(FileAt.CurrentDirectory, name, seen, ref total, 0);
        return total;
    }

    private static void Measure(int directory, ReadOnlySpan<byte> name, HashSet<(ulong, ulong)> seen, ref long total, int depth)
    {
        if (depth > MostDepth || FileAt.Status(directory, name, out var status) < 0)
        {
            return;
        }

        if (status.Kind == FileKind.Directory || status.Links <= 1 || seen.Add((status.FileSystem, status.Inode)))
        {
            total += status.Allocated;
        }

        if (status.Kind != FileKind.Directory)
        {
            return;
        }

        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd < 0)
        {
            return;
        }

        using var open = new FileDescriptor(fd);
        foreach (var child in DirectoryEntries.Read(fd))
        {
            Measure(fd, child, seen, ref total, depth + 1);
        }
    }

    /// <summary>Deeper trees than this can only be built step by step with chdir; they are flattened on removal, not recursed into.</summary>
    private const int MostDepth = 512;

    private static void RemoveContents(int directory, ReadOnlySpan<byte> name)
    {
        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd is -ENOENT or -ENOTDIR or -ELOOP)
        {
            return;
        }

        if (fd < 0)
        {
            throw Failed(-fd, name);
        }

        using var top = new FileDescriptor(fd);
        RemoveContents(fd, fd, 0);
    }

    /// <summary>
    /// Empties <paramref name="directory"/>. One descriptor a level; what lies too deep is first moved up beside the tree's own top entries and
    /// removed from there, so that neither the stack nor the descriptors run out.
    /// </summary>
    private static void RemoveContents(int top, int directory, int depth)
    {
        foreach (var name in DirectoryEntries.Read(directory))
        {
            var result = FileAt.Unlink(directory, name);
            if (result is 0 or -ENOENT)
            {
                continue;
            }

            if (result is not (-EISDIR or -EPERM))
            {
                throw Failed(-result, name);
            }

            result = FileAt.RemoveDirectory(directory, name);
            if (result is 0 or -ENOENT)
            {
                continue;
            }

            if (depth >= MostDepth)
            {
                var moved = System.Text.Encoding.ASCII.GetBytes($".deep-{Guid.NewGuid():N}\0");
                result = FileAt.Rename(directory, name, top, moved, replace: false);
                if (result < 0)
                {
                    throw Failed(-result, name);
                }

                RemoveContents(top, top, moved, 0);
                result = FileAt.RemoveDirectory(top, moved);
            }
            else
            {
                RemoveContents(top, directory, name, depth + 1);
                result = FileAt.RemoveDirectory(directory, name);
            }

            if (result is not (0 or -ENOENT))
            {
                throw Failed(-result, name);
            }
        }
    }

    private static void RemoveContents(int top, int directory, ReadOnlySpan<byte> name, int depth)
    {
        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd == -ENOENT)
        {
            return;
        }

        if (fd < 0)
        {
            throw Failed(-fd, name);
        }

        using var open = new FileDescriptor(fd);
        RemoveContents(top, fd, depth);
    }

    private static LinuxException Failed(int errno, ReadOnlySpan<byte> name) =>
        new((Errno)errno, $"remove {System.Text.Encoding.UTF8.GetString(name.TrimEnd((byte)0))}");
}
