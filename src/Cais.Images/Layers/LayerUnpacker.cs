using Cais.Images.Tar;
using Cais.Linux;
using Cais.Linux.FileSystem;

namespace Cais.Images.Layers;

/// <summary>
/// For copying an archive into a directory that has things in it, rather than unpacking a layer: <paramref name="Destination"/> is the directory below the root, without
/// NUL, and symbolic links on the way may lead anywhere below the root. <paramref name="KeepKinds"/>: a directory never takes the place of
/// something else nor the reverse. <paramref name="Owner"/> owns everything instead of whom the archive says.
/// </summary>
internal sealed record UnpackOptions(byte[] Destination, bool KeepKinds, (uint Uid, uint Gid)? Owner)
{
    /// <summary>Of the user namespace that the archive's ids are of.</summary>
    public IdMap? Ids { get; init; }
}

/// <summary>
/// Unpacks one layer into a directory of its own, which overlay later stacks on others: a whiteout (image-spec, layer.md, "Whiteouts")
/// becomes overlay's own mark, whatever lies below. Every path is resolved by the kernel within the directory (openat2, RESOLVE_IN_ROOT), so
/// neither <c>..</c>, an absolute or a relative symbolic link, nor a hard link reaches anything outside.
/// </summary>
/// <remarks>
/// Must run on a thread whose umask is 0 (<see cref="FileAt.ClearThreadUmask"/>). Nobody else may write to the directory meanwhile. If it fails, what is
/// there is garbage. The order of calls for a file is the kernel's: a change of owner clears set-uid bits and capabilities, so mode and attributes
/// follow it, and times come last.
/// </remarks>
internal sealed class LayerUnpacker(int root, UnpackOptions? copy = null) : IDisposable
{
    private const int ENOENT = 2;
    private const int EEXIST = 17;
    private const int ENOTSUP = 95;
    private const int BlockSize = UnpackDirectories.BlockSize;
    private const uint SetIdBits = 0xE00;

    private readonly MemberPath _path = new();
    private readonly MemberPath _target = new();
    private readonly UnpackDirectories _directories = new(root, copy);
    private long _size;

    /// <summary>Bytes of disk that the files take, as far as their lengths tell.</summary>
    public long Size => _size + _directories.Size;

    public long Files { get; private set; }

    /// <summary>Unpacks every member. Throws <see cref="TarFormatException"/>, <see cref="ImageException"/> or <see cref="LinuxException"/>.</summary>
    public void Apply(TarReader reader, CancellationToken cancellation)
    {
        while (reader.Read())
        {
            cancellation.ThrowIfCancellationRequested();
            Apply(reader, reader.Entry, cancellation);
        }

        _directories.Finish();
    }

    public void Dispose() => _directories.Dispose();

    private void Apply(TarReader reader, TarEntry entry, CancellationToken cancellation)
    {
        Files++;
        if (!_path.TrySet(entry.Name))
        {
            throw Hostile(entry, copy is null ? "leads outside of the layer" : "leads outside of the destination");
        }

        if (_path.IsRoot)
        {
            ApplyToRoot(entry);
            return;
        }

        if (copy?.Owner is { } owner)
        {
            (entry.Uid, entry.Gid) = owner;
        }

        if (copy?.Ids is { } ids)
        {
            Map(entry, ids);
        }

        var name = _path.Name;
        if (copy is null && (name.StartsWith(".wh."u8) || _path.Parent.StartsWith(".wh..wh."u8)))
        {
            ApplyWhiteout(entry);
            return;
        }

        var parent = _directories.OpenParent(_path.Parent, entry);
        switch (entry.Kind)
        {
            case TarEntryKind.File:
                MakeFile(parent, name, reader, entry, cancellation);
                return;
            case TarEntryKind.Directory:
                MakeDirectory(parent, name, entry);
                return;
            case TarEntryKind.HardLink:
                MakeHardLink(parent, name, entry);
                return;
            case TarEntryKind.SymbolicLink:
                MakeNew(entry, parent, name, static (directory, n, e) => FileAt.MakeSymbolicLink([.. e.LinkName, 0], directory, n), "symlink");
                break;
            default:
                MakeNew(entry, parent, name, static (directory, n, e) => FileAt.MakeNode(
                    directory, n, KindOf(e.Kind), e.Mode & 0x1FF, e.DeviceMajor, e.DeviceMinor), "mknod");
                break;
        }

        Finish(parent, name, entry);
    }

    private static FileKind KindOf(TarEntryKind kind) => kind switch
    {
        TarEntryKind.CharacterDevice => FileKind.CharacterDevice,
        TarEntryKind.BlockDevice => FileKind.BlockDevice,
        _ => FileKind.Fifo,
    };

    private void MakeFile(int parent, ReadOnlySpan<byte> name, TarReader reader, TarEntry entry, CancellationToken cancellation)
    {
        const int flags = FileAt.WriteOnly | FileAt.Create | FileAt.Exclusive;
        var fd = FileAt.Open(parent, name, flags, entry.Mode & 0x1FF);
        if (fd == -EEXIST)
        {
            Replace(parent, name, entry);
            fd = FileAt.Open(parent, name, flags, entry.Mode & 0x1FF);
        }

        Check(fd, "create", entry);
        using var file = new FileDescriptor(fd);
        long end = 0;
        while (true)
        {
            var data = reader.ReadData(out var offset);
            if (data.IsEmpty)
            {
                break;
            }

            cancellation.ThrowIfCancellationRequested();
            Check(offset == end ? FileAt.Write(fd, data) : FileAt.Write(fd, data, offset), "write", entry);
            end = offset == end ? end + data.Length : -1;
            _size += data.Length;
        }

        // Size counted what was written; a file's last block is taken whole.
        _size += -entry.Size & (BlockSize - 1);
        if (entry.Extents is not null)
        {
            Check(FileAt.SetLength(fd, entry.Size), "truncate", entry);
        }

        if (entry.Uid != 0 || entry.Gid != 0 || _directories.InheritsGroup(parent))
        {
            Check(FileAt.ChangeOwner(fd, entry.Uid, entry.Gid), "chown", entry);
        }

        if ((entry.Mode & SetIdBits) != 0)
        {
            Check(FileAt.ChangeMode(fd, entry.Mode), "chmod", entry);
        }

        foreach (var attribute in entry.Attributes)
        {
            if (IsAllowed(attribute))
            {
                CheckAttribute(FileAt.SetAttribute(fd, [.. attribute.Name, 0], attribute.Value), attribute, entry);
            }
        }

        Check(FileAt.SetTimes(fd, entry.Accessed ?? entry.Modified, entry.Modified), "set times of", entry);
    }

    /// <summary>From a user namespace's ids to those that they are here.</summary>
    private static void Map(TarEntry entry, IdMap ids)
    {
        var (user, group) = (ids.UserOutside(entry.Uid), ids.GroupOutside(entry.Gid));
        if (user == uint.MaxValue || group == uint.MaxValue)
        {
            throw new ImageException(
                ImageErrorKind.InvalidArgument, $"{entry.DisplayName} belongs to {entry.Uid}:{entry.Gid}, which the container's user namespace does not have");
        }

        (entry.Uid, entry.Gid) = (user, group);
        for (var i = 0; i < entry.Attributes.Count; i++)
        {
            if (entry.Attributes[i].Name.AsSpan().SequenceEqual("security.capability"u8))
            {
                entry.Attributes[i] = new TarAttribute(entry.Attributes[i].Name, ids.CapabilityOutside(entry.Attributes[i].Value));
            }
        }
    }

    private void MakeDirectory(int parent, ReadOnlySpan<byte> name, TarEntry entry)
    {
        var result = FileAt.MakeDirectory(parent, name, entry.Mode & 0x1FF);
        if (result == -EEXIST)
        {
            Check(FileAt.Status(parent, name, out var old), "stat", entry);
            if (old.Kind != FileKind.Directory)
            {
                Replace(parent, name, entry);
                Check(FileAt.MakeDirectory(parent, name, entry.Mode & 0x1FF), "mkdir", entry);
                if (old.IsWhiteout)
                {
                    // Deleted below and made anew here: nothing of what lies below may show through.
                    MarkOpaque(parent, name, entry);
                }
            }
        }
        else
        {
            Check(result, "mkdir", entry);
        }

        _size += BlockSize;
        Finish(parent, name, entry);
        Check(FileAt.ChangeMode(parent, name, entry.Mode), "chmod", entry);
        _directories.Defer(_path.ToArray(), entry);
    }

    private void MakeHardLink(int parent, ReadOnlySpan<byte> name, TarEntry entry)
    {
        if (!_target.TrySet(entry.LinkName) || _target.IsRoot)
        {
            throw Hostile(entry, $"is a hard link that leads outside of the layer, to {TarText.Display(entry.LinkName)}");
        }

        using var targetParent = _directories.Open(_target.Parent);
        if (targetParent is null)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"{entry.DisplayName} is a hard link to {TarText.Display(entry.LinkName)}, which the layer does not have");
        }

        var result = FileAt.MakeHardLink(targetParent.Number, _target.Name, parent, name);
        if (result == -EEXIST && !IsSameName())
        {
            Replace(parent, name, entry);
            result = FileAt.MakeHardLink(targetParent.Number, _target.Name, parent, name);
        }

        if (result == -ENOENT)
        {
            throw new ImageException(ImageErrorKind.Corrupt, $"{entry.DisplayName} is a hard link to {TarText.Display(entry.LinkName)}, which the layer does not have");
        }

        if (result != -EEXIST)
        {
            Check(result, "link", entry);
        }

        bool IsSameName() => _target.Name.SequenceEqual(_path.Name) && _target.Parent.SequenceEqual(_path.Parent);
    }

    private void MakeNew(TarEntry entry, int parent, ReadOnlySpan<byte> name, Func<int, byte[], TarEntry, int> make, string what)
    {
        var copy = name.ToArray();
        var result = make(parent, copy, entry);
        if (result == -EEXIST)
        {
            Replace(parent, name, entry);
            result = make(parent, copy, entry);
        }

        Check(result, what, entry);
    }

    /// <summary>Owner, mode, attributes and times of something that cannot be opened, or is a directory.</summary>
    private void Finish(int parent, ReadOnlySpan<byte> name, TarEntry entry)
    {
        if (entry.Uid != 0 || entry.Gid != 0 || entry.Kind == TarEntryKind.Directory || _directories.InheritsGroup(parent))
        {
            Check(FileAt.ChangeOwner(parent, name, entry.Uid, entry.Gid), "chown", entry);
        }

        if ((entry.Mode & SetIdBits) != 0 && entry.Kind is not (TarEntryKind.SymbolicLink or TarEntryKind.Directory))
        {
            Check(FileAt.ChangeMode(parent, name, entry.Mode), "chmod", entry);
        }

        foreach (var attribute in entry.Attributes)
        {
            if (IsAllowed(attribute) && !UnpackDirectories.IsDefaultAcl(attribute))
            {
                CheckAttribute(FileAt.SetAttribute(parent, name, [.. attribute.Name, 0], attribute.Value), attribute, entry);
            }
        }

        if (entry.Kind != TarEntryKind.Directory)
        {
            Check(FileAt.SetTimes(parent, name, entry.Accessed ?? entry.Modified, entry.Modified), "set times of", entry);
        }
    }

    /// <summary>
    /// The root stays as it is, 0755 and root's: with Docker too every container's root looks so, whatever an image says of it; an archive of a directory that only its owner
    /// may read would else be an image that only root can use.
    /// </summary>
    private void ApplyToRoot(TarEntry entry)
    {
        if (copy is null && entry.Kind != TarEntryKind.Directory)
        {
            throw Hostile(entry, "would replace the root directory");
        }
    }

    private void ApplyWhiteout(TarEntry entry)
    {
        var name = _path.Name;
        var isOpaque = name.SequenceEqual(".wh..wh..opq\0"u8);
        if (!isOpaque && (name.StartsWith(".wh..wh."u8) || _path.Parent.StartsWith(".wh..wh."u8)))
        {
            // What aufs kept for itself; no layer content.
            return;
        }

        var parent = _directories.OpenParent(_path.Parent, entry);
        if (isOpaque)
        {
            Check(FileAt.SetAttribute(parent, "trusted.overlay.opaque\0"u8, "y"u8), "mark as opaque:", entry);
            return;
        }

        var hidden = name[4..];
        if (hidden.Length == 1 || hidden.SequenceEqual(".\0"u8) || hidden.SequenceEqual("..\0"u8))
        {
            throw Hostile(entry, "is a whiteout of nothing");
        }

        var result = FileAt.MakeNode(parent, hidden, FileKind.CharacterDevice, 0);
        if (result == -EEXIST)
        {
            // The same layer also has this name: that stays, and what is below it goes.
            Check(FileAt.Status(parent, hidden, out var present), "stat", entry);
            if (present.Kind == FileKind.Directory)
            {
                MarkOpaque(parent, hidden, entry);
            }

            return;
        }

        Check(result, "whiteout", entry);
    }

    private static void MarkOpaque(int parent, ReadOnlySpan<byte> name, TarEntry entry) =>
        Check(FileAt.SetAttribute(parent, name, "trusted.overlay.opaque\0"u8, "y"u8), "mark as opaque:", entry);

    /// <summary>Removes what an earlier member of the same layer left under this name.</summary>
    private void Replace(int parent, ReadOnlySpan<byte> name, TarEntry entry)
    {
        FileStatus old = default;
        var exists = copy is not null && FileAt.Status(parent, name, out old) == 0;
        if (exists && old.IsMountRoot)
        {
            // In another mount namespace the kernel would let us remove the name, and with it what is mounted there.
            throw new LinuxException(Errno.EBUSY, $"unlinkat {entry.DisplayName}");
        }

        if (exists && copy!.KeepKinds
            && (old.Kind == FileKind.Directory) != (entry.Kind == TarEntryKind.Directory))
        {
            throw new ImageException(
                ImageErrorKind.InvalidArgument,
                old.Kind == FileKind.Directory
                    ? $"cannot overwrite directory \"{entry.DisplayName}\" with non-directory"
                    : $"cannot overwrite non-directory \"{entry.DisplayName}\" with directory");
        }

        Trees.Remove(parent, name);
        if (parent == root)
        {
            // The remembered directory may have been below it.
            _directories.Forget();
        }
    }

    /// <summary>
    /// Overlay's own attributes would make a layer redirect or hide what is not its own; and a name with NUL is another name to the kernel.
    /// </summary>
    private static bool IsAllowed(TarAttribute attribute) =>
        !attribute.Name.AsSpan().StartsWith("trusted.overlay."u8) && attribute.Name.AsSpan().IndexOf((byte)0) < 0;

    private static void CheckAttribute(int result, TarAttribute attribute, TarEntry entry)
    {
        // A file system without this kind of attribute cannot keep it: Docker goes on without, and so do we.
        if (result < 0 && result != -ENOTSUP)
        {
            throw new LinuxException((Errno)(-result), $"set attribute {TarText.Display(attribute.Name)} of {entry.DisplayName}");
        }
    }

    /// <summary>Throws <see cref="LinuxException"/> for a call's negative result.</summary>
    internal static void Check(int result, string what, TarEntry entry)
    {
        if (result < 0)
        {
            throw new LinuxException((Errno)(-result), $"{what} {entry.DisplayName}");
        }
    }

    private static ImageException Hostile(TarEntry entry, string why) =>
        new(ImageErrorKind.InvalidArgument, $"archive member \"{entry.DisplayName}\" {why}");
}
