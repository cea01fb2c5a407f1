namespace Cais.Linux.FileSystem;

/// <summary>An extended attribute; xattr(7).</summary>
/// <param name="Name">Ends in NUL.</param>
public readonly record struct FileAttribute(byte[] Name, byte[] Value)
{
    /// <summary>Decides by a name, which ends in NUL.</summary>
    public delegate bool Filter(ReadOnlySpan<byte> name);

    /// <summary>
    /// Those attributes of an open file that a filter takes, by their names; none where the file system has none at all. Throws <see cref="LinuxException"/>.
    /// </summary>
    /// <param name="fd">Not one of a path only (O_PATH).</param>
    /// <param name="path">Names the file in errors.</param>
    public static IReadOnlyList<FileAttribute> Read(int fd, Filter isWanted, string path)
    {
        ArgumentNullException.ThrowIfNull(isWanted);
        Span<byte> names = stackalloc byte[512];
        var length = FileAt.ListAttributes(fd, names);
        while (length == -(int)Errno.ERANGE)
        {
            // The list may grow between the two calls.
            names = new byte[Check(FileAt.ListAttributes(fd, default), path)];
            length = FileAt.ListAttributes(fd, names);
        }

        if (length is 0 or -(int)Errno.EOPNOTSUPP)
        {
            return [];
        }

        List<FileAttribute>? found = null;
        for (ReadOnlySpan<byte> rest = names[..Check(length, path)]; !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)0) + 1;
            if (isWanted(rest[..end]) && ReadValue(fd, rest[..end], path) is { } value)
            {
                (found ??= []).Add(new FileAttribute(rest[..end].ToArray(), value));
            }

            rest = rest[end..];
        }

        found?.Sort(static (a, b) => a.Name.AsSpan().SequenceCompareTo(b.Name));
        return found ?? (IReadOnlyList<FileAttribute>)[];
    }

    /// <summary>Null if it is gone.</summary>
    private static byte[]? ReadValue(int fd, ReadOnlySpan<byte> name, string path)
    {
        while (true)
        {
            var length = FileAt.GetAttribute(fd, name, default);
            if (length == -(int)Errno.ENODATA)
            {
                return null;
            }

            var value = new byte[Check(length, path)];
            if (value.Length == 0)
            {
                return value;
            }

            length = FileAt.GetAttribute(fd, name, value);
            if (length is not (-(int)Errno.ERANGE or -(int)Errno.ENODATA))
            {
                return value[..Check(length, path)];
            }
        }
    }

    private static int Check(int result, string path) => result >= 0 ? result : throw new LinuxException((Errno)(-result), $"read the attributes of {path}");
}
