using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>
/// Writes a directory tree as tar members, in the order of names, so that equal trees give equal archives. Sockets are left out, as no archive can hold
/// them. As a layer (<paramref name="asLayer"/>), overlay's marks of deletion become the image specification's, and overlay's own attributes stay behind.
/// </summary>
internal sealed class TreeArchiver(TarWriter tar, bool asLayer, CancellationToken cancellation)
{
    private const int ENOENT = 2;
    private const int ENODATA = 61;
    private const int ENOTSUP = 95;
    private const int ENXIO = 6;
    private const int MostDepth = 1024;

    private readonly Dictionary<(ulong FileSystem, ulong Inode), byte[]> _links = [];
    private readonly TarEntry _entry = new();
    private readonly byte[] _buffer = new byte[256 * 1024];
    private readonly byte[] _names = new byte[64 * 1024];
    private readonly byte[] _value = new byte[64 * 1024];

    /// <summary>No member is newer than that many seconds since 1970; null for as the files are.</summary>
    public long? Latest { get; init; }

    /// <summary>Of the user namespace whose ids the archive shall have; null for those that the files have here.</summary>
    public IdMap? Ids { get; init; }

    /// <summary>Writes one name of a directory, with everything below if it is a directory. <paramref name="path"/> is what it is called in the archive.</summary>
    public void Add(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, int depth = 0)
    {
        cancellation.ThrowIfCancellationRequested();
        var result = FileAt.Status(directory, name, out var status);
        if (result == -ENOENT)
        {
            // Gone since the directory was read: the tree may be in use.
            return;
        }

        Check(result, "stat", path);
        if (status.Kind is FileKind.Socket or FileKind.Unknown)
        {
            return;
        }

        if (asLayer && status.IsWhiteout)
        {
            AddWhiteout(path, status);
            return;
        }

        if (status.Kind == FileKind.Directory)
        {
            AddDirectory(directory, name, path, status, depth);
            return;
        }

        if (status.Links > 1 && _links.TryGetValue((status.FileSystem, status.Inode), out var first))
        {
            Begin(path, status, TarEntryKind.HardLink);
            _entry.SetLinkName(first);
            tar.WriteEntry(_entry);
            return;
        }

        if (AddOther(directory, name, path, status) && status.Links > 1)
        {
            _links[(status.FileSystem, status.Inode)] = path.ToArray();
        }
    }

    /// <summary>Writes everything in an open directory, but not the directory itself.</summary>
    public void AddContents(int directory, ReadOnlySpan<byte> path, int depth = 0)
    {
        if (depth > MostDepth)
        {
            throw new ImageException(ImageErrorKind.InvalidArgument, $"{TarText.Display(path)} is nested too deeply to be archived");
        }

        var names = DirectoryEntries.Read(directory);
        names.Sort(static (a, b) => a.AsSpan().SequenceCompareTo(b));
        foreach (var name in names)
        {
            byte[] child = path.IsEmpty ? name[..^1] : [.. path, (byte)'/', .. name.AsSpan(0, name.Length - 1)];
            Add(directory, name, child, depth);
        }
    }

    private void AddDirectory(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, FileStatus status, int depth)
    {
        Begin([.. path, (byte)'/'], status, TarEntryKind.Directory);
        var isOpaque = ReadAttributes(parent, name, path);
        tar.WriteEntry(_entry);
        if (isOpaque)
        {
            AddEmpty([.. path, .. "/.wh..wh..opq"u8], status);
        }

        var fd = FileAt.Open(parent, name, FileAt.ReadOnly | FileAt.DirectoryOnly);
        if (fd == -ENOENT)
        {
            return;
        }

        Check(fd, "open", path);
        using var directory = new FileDescriptor(fd);
        AddContents(fd, path, depth + 1);
    }

    private bool AddOther(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path, FileStatus status)
    {
        switch (status.Kind)
        {
            case FileKind.Regular:
                return AddFile(parent, name, path);
            case FileKind.SymbolicLink:
                var length = FileAt.ReadLink(parent, name, _value);
                if (length == -ENOENT)
                {
                    return false;
                }

                Check(length, "readlink", path);
                Begin(path, status, TarEntryKind.SymbolicLink);
                _entry.SetLinkName(_value.AsSpan(0, length));
                break;
            default:
                Begin(path, status, status.Kind switch
                {
                    FileKind.CharacterDevice => TarEntryKind.CharacterDevice,
                    FileKind.BlockDevice => TarEntryKind.BlockDevice,
                    _ => TarEntryKind.Fifo,
                });
                (_entry.DeviceMajor, _entry.DeviceMinor) = (status.DeviceMajor, status.DeviceMinor);
                break;
        }

        ReadAttributes(parent, name, path);
        tar.WriteEntry(_entry);
        return true;
    }

    private bool AddFile(int parent, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        // Non-blocking: should it have become a FIFO meanwhile, nobody waits for its writer.
        var fd = FileAt.Open(parent, name, FileAt.ReadOnly | FileAt.NonBlocking);
        if (fd == -ENOENT)
        {
            return false;
        }

        Check(fd, "open", path);
        using var file = new FileDescriptor(fd);
        Check(FileAt.Status(fd, "\0"u8, out var status), "stat", path);
        if (status.Kind != FileKind.Regular)
        {
            return false;
        }

        Begin(path, status, TarEntryKind.File);
        _entry.Size = status.Size;
        ReadAttributes(parent, name, path);
        tar.WriteEntry(_entry);
        WriteContent(fd, status.Size, path);
        return true;
    }

    /// <summary>Exactly the announced number of bytes: a file that grew is cut, one that shrank is filled up. Holes are not read.</summary>
    private void WriteContent(int fd, long size, ReadOnlySpan<byte> path)
    {
        for (long at = 0; at < size;)
        {
            cancellation.ThrowIfCancellationRequested();
            var data = FileAt.NextData(fd, at);
            if (data == -ENXIO || data >= size)
            {
                tar.WriteZeros(size - at);
                return;
            }

            if (data > at)
            {
                tar.WriteZeros(data - at);
                at = data;
            }

            var hole = data < 0 ? size : FileAt.NextHole(fd, at);
            var end = hole < 0 ? size : Math.Min(hole, size);
            while (at < end)
            {
                var n = FileAt.Read(fd, _buffer.AsSpan(0, (int)Math.Min(_buffer.Length, end - at)), at);
                Check(n, "read", path);
                if (n == 0)
                {
                    tar.WriteZeros(size - at);
                    return;
                }

                tar.WriteData(_buffer.AsSpan(0, n));
                at += n;
            }
        }
    }

    private void AddWhiteout(ReadOnlySpan<byte> path, FileStatus status)
    {
        var slash = path.LastIndexOf((byte)'/');
        AddEmpty([.. path[..(slash + 1)], .. ".wh."u8, .. path[(slash + 1)..]], status);
    }

    private void AddEmpty(ReadOnlySpan<byte> path, FileStatus status)
    {
        Begin(path, status, TarEntryKind.File);
        _entry.Mode = 0;
        tar.WriteEntry(_entry);
    }

    private void Begin(ReadOnlySpan<byte> path, FileStatus status, TarEntryKind kind)
    {
        _entry.Clear();
        _entry.Kind = kind;
        _entry.SetName(path);
        _entry.Mode = status.Permissions;
        _entry.Uid = Ids?.UserInside(status.Uid) ?? status.Uid;
        _entry.Gid = Ids?.GroupInside(status.Gid) ?? status.Gid;
        _entry.Modified = Latest is { } latest && status.Modified.Seconds >= latest ? new TimeSpec(latest, 0) : status.Modified;
    }

    /// <summary>Takes a file's attributes into the current member. True if overlay marked it as opaque.</summary>
    private bool ReadAttributes(int directory, ReadOnlySpan<byte> name, ReadOnlySpan<byte> path)
    {
        var isOpaque = false;
        var length = FileAt.ListAttributes(directory, name, _names);
        if (length is -ENOENT or -ENOTSUP)
        {
            return false;
        }

        Check(length, "list attributes of", path);
        for (ReadOnlySpan<byte> rest = _names.AsSpan(0, length); !rest.IsEmpty;)
        {
            var end = rest.IndexOf((byte)0) + 1;
            var attribute = rest[..end];
            rest = rest[end..];
            var size = FileAt.GetAttribute(directory, name, attribute, _value);
            if (size is -ENODATA or -ENOENT)
            {
                continue;
            }

            Check(size, "read an attribute of", path);
            if (attribute.StartsWith("trusted.overlay."u8))
            {
                isOpaque |= asLayer && attribute.SequenceEqual("trusted.overlay.opaque\0"u8) && _value.AsSpan(0, size).SequenceEqual("y"u8);
                continue;
            }

            // A label of this machine's policy would mean nothing elsewhere.
            if (!attribute.SequenceEqual("security.selinux\0"u8))
            {
                var value = _value.AsSpan(0, size).ToArray();
                _entry.Attributes.Add(new TarAttribute(
                    attribute[..^1].ToArray(), Ids is not null && attribute.SequenceEqual("security.capability\0"u8) ? Ids.CapabilityInside(value) : value));
            }
        }

        return isOpaque;
    }

    private static void Check(int result, string what, ReadOnlySpan<byte> path)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {TarText.Display(path)}");
        }
    }
}
