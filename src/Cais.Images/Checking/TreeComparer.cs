using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Checking;

/// <summary>
/// Compares two directory trees file by file: names, kinds, owners, modes, times, link targets, devices, extended attributes and every byte of content.
/// Times of directories do not count: those that an archive has no member for are as old as their unpacking. Both trees must stand still.
/// </summary>
internal sealed class TreeComparer(CancellationToken cancellation)
{
    private const int ENOTSUP = 95;
    private const int MostDepth = 512;
    private const int LargestAttribute = 64 * 1024;

    private readonly byte[] _first = new byte[128 * 1024];
    private readonly byte[] _second = new byte[128 * 1024];

    /// <summary>The first difference found, in words, or null. Throws <see cref="LinuxException"/> if a tree cannot be read.</summary>
    public string? Difference(string expected, string actual)
    {
        using var first = OpenRoot(expected);
        using var second = OpenRoot(actual);
        return CompareStatus(first.Number, "\0"u8, second.Number, "\0"u8, "/") ?? CompareContents(first.Number, second.Number, "", 0);
    }

    private static FileDescriptor OpenRoot(string path)
    {
        var fd = FileAt.Open(FileAt.CurrentDirectory, [.. System.Text.Encoding.UTF8.GetBytes(path), 0], FileAt.ReadOnly | FileAt.DirectoryOnly);
        return fd >= 0 ? new FileDescriptor(fd) : throw new LinuxException((Errno)(-fd), $"open {path}");
    }

    private string? CompareContents(int first, int second, string path, int depth)
    {
        cancellation.ThrowIfCancellationRequested();
        var names = Sorted(first);
        var others = Sorted(second);
        for (var i = 0; i < Math.Max(names.Count, others.Count); i++)
        {
            var order = i >= names.Count ? 1 : i >= others.Count ? -1 : names[i].AsSpan().SequenceCompareTo(others[i]);
            if (order != 0)
            {
                return order < 0 ? $"{Path(path, names[i])} is missing" : $"{Path(path, others[i])} does not belong there";
            }
        }

        foreach (var name in names)
        {
            if (CompareEntry(first, second, name, Path(path, name), depth) is { } difference)
            {
                return difference;
            }
        }

        return null;
    }

    private string? CompareEntry(int first, int second, byte[] name, string path, int depth)
    {
        if (CompareStatus(first, name, second, name, path) is { } difference)
        {
            return difference;
        }

        Check(FileAt.Status(first, name, out var status), "stat", path);
        switch (status.Kind)
        {
            case FileKind.Directory when depth < MostDepth:
                using (var a = Open(first, name, FileAt.DirectoryOnly, path))
                using (var b = Open(second, name, FileAt.DirectoryOnly, path))
                {
                    return CompareContents(a.Number, b.Number, path, depth + 1);
                }

            case FileKind.Regular:
                using (var a = Open(first, name, 0, path))
                using (var b = Open(second, name, 0, path))
                {
                    return CompareBytes(a.Number, b.Number, path);
                }

            case FileKind.SymbolicLink:
                var length = FileAt.ReadLink(first, name, _first);
                var other = FileAt.ReadLink(second, name, _second);
                Check(Math.Min(length, other), "readlink", path);
                return _first.AsSpan(0, length).SequenceEqual(_second.AsSpan(0, other)) ? null : $"{path} leads elsewhere";
            default:
                return null;
        }
    }

    private string? CompareStatus(int first, ReadOnlySpan<byte> name, int second, ReadOnlySpan<byte> otherName, string path)
    {
        Check(FileAt.Status(first, name, out var a), "stat", path);
        Check(FileAt.Status(second, otherName, out var b), "stat", path);
        var isFile = a.Kind == FileKind.Regular;
        return a.Kind != b.Kind ? $"{path} is of another kind"
            : a.Permissions != b.Permissions && a.Kind != FileKind.SymbolicLink ? $"{path} has another mode"
            : (a.Uid, a.Gid) != (b.Uid, b.Gid) ? $"{path} has another owner"
            : (a.DeviceMajor, a.DeviceMinor) != (b.DeviceMajor, b.DeviceMinor) ? $"{path} is another device"
            : isFile && a.Size != b.Size ? $"{path} has another length"
            : a.Kind != FileKind.Directory && a.Links != b.Links ? $"{path} has another number of names"
            : a.Kind != FileKind.Directory && !a.IsWhiteout && a.Modified != b.Modified ? $"{path} has another time"
            : CompareAttributes(first, name, second, otherName, path);
    }

    private string? CompareAttributes(int first, ReadOnlySpan<byte> name, int second, ReadOnlySpan<byte> otherName, string path)
    {
        var a = Attributes(first, name, path);
        var b = Attributes(second, otherName, path);
        return a.Count == b.Count && a.All(x => b.TryGetValue(x.Key, out var value) && value.AsSpan().SequenceEqual(x.Value))
            ? null
            : $"{path} has other extended attributes";
    }

    private Dictionary<string, byte[]> Attributes(int directory, ReadOnlySpan<byte> name, string path)
    {
        var found = new Dictionary<string, byte[]>();
        var length = FileAt.ListAttributes(directory, name, _first.AsSpan(0, LargestAttribute));
        if (length == -ENOTSUP)
        {
            return found;
        }

        Check(length, "list attributes of", path);
        for (ReadOnlySpan<byte> rest = _first.AsSpan(0, length); !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)0) + 1;
            var attribute = rest[..end];
            rest = rest[end..];
            var size = FileAt.GetAttribute(directory, name, attribute, _second.AsSpan(0, LargestAttribute));
            Check(size, "read an attribute of", path);
            found[Convert.ToHexString(attribute)] = _second.AsSpan(0, size).ToArray();
        }

        return found;
    }

    private string? CompareBytes(int first, int second, string path)
    {
        for (long at = 0; ;)
        {
            cancellation.ThrowIfCancellationRequested();
            var n = Fill(first, _first, at, path);
            var m = Fill(second, _second, at, path);
            if (!_first.AsSpan(0, n).SequenceEqual(_second.AsSpan(0, m)))
            {
                return $"{path} has other content";
            }

            if (n == 0)
            {
                return null;
            }

            at += n;
        }
    }

    private static int Fill(int fd, byte[] buffer, long offset, string path)
    {
        var filled = 0;
        for (int n; filled < buffer.Length && (n = FileAt.Read(fd, buffer.AsSpan(filled), offset + filled)) != 0; filled += n)
        {
            Check(n, "read", path);
        }

        return filled;
    }

    private static FileDescriptor Open(int directory, byte[] name, int flags, string path)
    {
        var fd = FileAt.Open(directory, name, FileAt.ReadOnly | FileAt.NonBlocking | flags);
        Check(fd, "open", path);
        return new FileDescriptor(fd);
    }

    private static List<byte[]> Sorted(int directory)
    {
        var names = DirectoryEntries.Read(directory);
        names.Sort(static (a, b) => a.AsSpan().SequenceCompareTo(b));
        return names;
    }

    private static string Path(string directory, byte[] name) => $"{directory}/{Tar.TarText.Display(name.AsSpan(0, name.Length - 1))}";

    private static void Check(int result, string what, string path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {path}");
        }
    }
}
