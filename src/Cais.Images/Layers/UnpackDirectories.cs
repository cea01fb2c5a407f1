using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>
/// The directories of a layer that is being unpacked below <paramref name="root"/>, or of a copy into a directory that is there: opened by the kernel within the root, made
/// where the archive has no member for them, the last one kept open, for the next member is mostly its neighbour.
/// </summary>
internal sealed class UnpackDirectories(int root, UnpackOptions? copy) : IDisposable
{
    public const int BlockSize = 4096;

    private const uint SetGidBit = 0x400;
    private const int ENOENT = 2;

    private readonly List<(byte[] Path, TimeSpec Accessed, TimeSpec Modified, TarAttribute? DefaultAcl)> _unfinished = [];
    private byte[] _parentPath = [];
    private FileDescriptor? _parent;

    /// <summary>Some directory of the layer gives its group to what is made in it.</summary>
    private bool _inheritsGroup;
    private bool? _parentInherits;

    /// <summary>Bytes of disk that directories without a member take.</summary>
    public long Size { get; private set; }

    public static bool IsDefaultAcl(TarAttribute attribute) => attribute.Name.AsSpan().SequenceEqual("system.posix_acl_default"u8);

    public void Dispose() => _parent?.Dispose();

    /// <summary>The directory that the last name of a member's path belongs in. Stays ours.</summary>
    public int OpenParent(ReadOnlySpan<byte> path, TarEntry entry)
    {
        if (path.Length == 1 && copy is null)
        {
            _parentInherits = null;
            return root;
        }

        if (_parent is not null && path.SequenceEqual(_parentPath))
        {
            return _parent.Number;
        }

        Forget();
        _parentInherits = null;
        var opened = Open(path) ?? MakeParents(path, entry);
        if (_parentPath.Length != path.Length)
        {
            _parentPath = new byte[path.Length];
        }

        path.CopyTo(_parentPath);
        _parent = opened;
        return opened.Number;
    }

    /// <summary>An existing directory by its path with NUL, resolved within the layer; null if there is none.</summary>
    public FileDescriptor? Open(ReadOnlySpan<byte> path)
    {
        var fd = FileAt.OpenInRoot(root, Below(path), FileAt.ReadOnly | FileAt.DirectoryOnly);
        return fd >= 0 ? new FileDescriptor(fd)
            : fd == -ENOENT ? null
            : throw new LinuxException((Errno)(-fd), $"open directory {TarText.Display(path.TrimEnd((byte)0))} of the layer");
    }

    /// <summary>Closes what is kept open: something above it was removed.</summary>
    public void Forget()
    {
        _parent?.Dispose();
        _parent = null;
    }

    /// <summary>Whether what is made in this directory gets the directory's group: then an owner of root must be set too.</summary>
    public bool InheritsGroup(int parent)
    {
        if (!_inheritsGroup || copy is not null)
        {
            return _inheritsGroup;
        }

        return _parentInherits ??= FileAt.Status(parent, "\0"u8, out var status) < 0 || (status.Permissions & SetGidBit) != 0;
    }

    /// <summary>Times of directories change with what is put into them, and default ACLs what it inherits: both wait for <see cref="Finish"/>.</summary>
    public void Defer(ReadOnlySpan<byte> path, TarEntry entry)
    {
        _inheritsGroup |= (entry.Mode & SetGidBit) != 0;
        TarAttribute? acl = null;
        foreach (var attribute in entry.Attributes)
        {
            acl = IsDefaultAcl(attribute) ? attribute : acl;
        }

        _unfinished.Add(([.. path, 0], entry.Accessed ?? entry.Modified, entry.Modified, acl));
    }

    public void Finish()
    {
        foreach (var (path, accessed, modified, acl) in _unfinished)
        {
            var fd = FileAt.OpenInRoot(root, Below(path), FileAt.ReadOnly | FileAt.DirectoryOnly | (path.Length == 1 ? 0 : FileAt.NoFollow));
            if (fd < 0)
            {
                // A later member took its place.
                continue;
            }

            using var directory = new FileDescriptor(fd);
            if (acl is { } a)
            {
                FileAt.SetAttribute(fd, [.. a.Name, 0], a.Value);
            }

            FileAt.SetTimes(fd, accessed, modified);
        }

        _unfinished.Clear();
    }

    private FileDescriptor MakeParents(ReadOnlySpan<byte> path, TarEntry entry)
    {
        var at = Open([0])!;
        for (var end = 0; end < path.Length - 1;)
        {
            var start = end == 0 ? 0 : end + 1;
            var slash = path[start..].IndexOf((byte)'/');
            end = slash < 0 ? path.Length - 1 : start + slash;
            byte[] prefix = [.. path[..end], 0];
            var next = Open(prefix);
            if (next is null)
            {
                using (at)
                {
                    LayerUnpacker.Check(FileAt.MakeDirectory(at.Number, prefix.AsSpan(start), 0x1ED), "mkdir for", entry);
                    Size += BlockSize;
                }

                next = Open(prefix)
                    ?? throw new ImageException(ImageErrorKind.Corrupt, $"{entry.DisplayName}: its directory is a link to nothing");
            }

            at.Dispose();
            at = next;
        }

        return at;
    }

    /// <summary>A member's path with NUL as the kernel resolves it from the root: below the destination when copying.</summary>
    private ReadOnlySpan<byte> Below(ReadOnlySpan<byte> path) =>
        copy is null ? path.Length == 1 ? ".\0"u8 : path : (byte[])[.. copy.Destination, (byte)'/', .. path];
}
