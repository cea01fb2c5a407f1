using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux;

/// <summary>Per-mount attributes of mount_setattr(2) and fsmount(2).</summary>
[Flags]
public enum MountAttributes : ulong
{
    None = 0,
    ReadOnly = 0x1,
    NoSuid = 0x2,
    NoDev = 0x4,
    NoExec = 0x8,

    /// <summary>Access-time settings are one field: these bits are cleared together and one value is set.</summary>
    AccessTimeMask = 0x70,
    NoAccessTime = 0x10,
    StrictAccessTime = 0x20,
    NoDirectoryAccessTime = 0x80,
    IdMap = 0x100000,
    NoSymlinkFollow = 0x200000,
}

/// <summary>Flags of mount(2), for what still goes through it.</summary>
[Flags]
public enum MountFlags : ulong
{
    None = 0,
    ReadOnly = 1,
    NoSuid = 2,
    NoDev = 4,
    NoExec = 8,
    Synchronous = 16,
    Remount = 32,
    MandatoryLock = 64,
    DirectorySync = 128,
    NoSymlinkFollow = 256,
    NoAccessTime = 1024,
    NoDirectoryAccessTime = 2048,
    Bind = 4096,
    Move = 8192,
    Recursive = 16384,
    Silent = 32768,
    PosixAcl = 1 << 16,
    Unbindable = 1 << 17,
    Private = 1 << 18,
    Slave = 1 << 19,
    Shared = 1 << 20,
    RelativeAccessTime = 1 << 21,
    InodeVersion = 1 << 23,
    StrictAccessTime = 1 << 24,
    LazyTime = 1 << 25,
}

/// <summary>Mounts, by the file-descriptor based calls (Linux 5.12 or newer).</summary>
public static unsafe class Mounts
{
    /// <summary>
    /// An overlay at <paramref name="target"/>. <paramref name="lowerDirectories"/> has the top layer first, and may be as long as the
    /// kernel allows (500): each is passed by itself, not in one string. No <paramref name="upperDirectory"/> makes it read-only. With
    /// <paramref name="ids"/> as <see cref="CreateMappedOverlay"/>.
    /// </summary>
    public static void MountOverlay(
        IReadOnlyList<string> lowerDirectories, string? upperDirectory, string? workDirectory, string target, MountAttributes attributes = 0,
        MappedIds? ids = null)
    {
        using var mount = CreateOverlay(lowerDirectories, upperDirectory, workDirectory, attributes, ids);
        Attach(mount, target);
    }

    /// <summary>An overlay that is not attached anywhere yet; it disappears with its descriptor.</summary>
    public static FileDescriptor CreateOverlay(
        IReadOnlyList<string> lowerDirectories, string? upperDirectory, string? workDirectory, MountAttributes attributes = 0, MappedIds? ids = null)
    {
        if (ids is not null)
        {
            return CreateMappedOverlay(lowerDirectories, upperDirectory, workDirectory, [], attributes, ids);
        }

        var options = new List<KeyValuePair<string, string?>>(lowerDirectories.Count + 2);
        foreach (var lower in lowerDirectories)
        {
            options.Add(new("lowerdir+", lower));
        }

        if (upperDirectory is not null)
        {
            options.Add(new("upperdir", upperDirectory));
            options.Add(new("workdir", workDirectory));
        }

        return Create("overlay", options, attributes);
    }

    /// <summary>
    /// An overlay whose files appear under the ids that a user namespace gives them, while on disk they have the ids that they have in that namespace. Overlay itself
    /// cannot be mapped; its layers can, each as a mount that is nowhere attached (Linux 6.15). The work directory must be beside the upper one.
    /// </summary>
    /// <param name="lowerDirectories">Top first.</param>
    /// <param name="upperDirectory">What can be written to; null for none.</param>
    /// <param name="workDirectory">Beside it.</param>
    /// <param name="options">Further options of the filesystem.</param>
    /// <param name="attributes">Of the mount.</param>
    /// <param name="ids">The user namespace.</param>
    public static FileDescriptor CreateMappedOverlay(
        IReadOnlyList<string> lowerDirectories, string? upperDirectory, string? workDirectory, IReadOnlyList<KeyValuePair<string, string?>> options,
        MountAttributes attributes, MappedIds ids)
    {
        // Overlay acts as whoever mounts it, which must be somebody that its layers' mounts know.
        return ids.AsRoot(() => CreateMapped(lowerDirectories, upperDirectory, workDirectory, options, attributes, ids));
    }

    private static FileDescriptor CreateMapped(
        IReadOnlyList<string> lowerDirectories, string? upperDirectory, string? workDirectory, IReadOnlyList<KeyValuePair<string, string?>> options,
        MountAttributes attributes, MappedIds ids)
    {
        using var typeText = new Utf8("overlay");
        using var context = Descriptor(SystemCall.Invoke(SystemCall.Fsopen, typeText, 1), "open filesystem type overlay");
        // A mount that is nowhere attached ends with its descriptor, so all stay open until the overlay has them.
        var open = new List<FileDescriptor>(lowerDirectories.Count + 3);
        try
        {
            foreach (var lower in lowerDirectories)
            {
                open.Add(MappedClone(lower, ids));
                AddLayer(context, "lowerdir+", open[^1], lower);
            }

            if (upperDirectory is not null)
            {
                var parent = Path.GetDirectoryName(upperDirectory)!;
                if (workDirectory is null || Path.GetDirectoryName(workDirectory) != parent)
                {
                    throw new ArgumentException("the work directory is not beside the upper directory", nameof(workDirectory));
                }

                // Both must be seen through one and the same mount.
                var both = MappedClone(parent, ids);
                open.Add(both);
                open.Add(Files.OpenAt(both, Path.GetFileName(upperDirectory), OpenFlags.Path | OpenFlags.Directory));
                AddLayer(context, "upperdir", open[^1], upperDirectory);
                open.Add(Files.OpenAt(both, Path.GetFileName(workDirectory), OpenFlags.Path | OpenFlags.Directory));
                AddLayer(context, "workdir", open[^1], workDirectory);
            }

            foreach (var (key, value) in options)
            {
                Configure(context, "overlay", key, value);
            }

            return Finish(context, "overlay", attributes);
        }
        finally
        {
            open.ForEach(layer => layer.Dispose());
        }
    }

    /// <summary>A copy of the mount at a path, not attached anywhere, whose files appear under the ids that a user namespace gives them.</summary>
    public static FileDescriptor MappedClone(string path, MappedIds ids, bool recursive = false)
    {
        var mount = Clone(path, recursive);
        try
        {
            SetIdMapping(mount, ids.Space, recursive, path);
            return mount;
        }
        catch
        {
            mount.Dispose();
            throw;
        }
    }

    /// <summary>A new mount of <paramref name="type"/>, not attached anywhere yet. Options without a value are flags.</summary>
    public static FileDescriptor Create(string type, IReadOnlyList<KeyValuePair<string, string?>> options, MountAttributes attributes = 0)
    {
        if (type == "overlay" && OneStringOverlay.IsNeeded)
        {
            var overlay = OneStringOverlay.Create(options);
            if (attributes != 0)
            {
                SetAttributes(overlay, attributes, 0, recursive: false, "overlay");
            }

            return overlay;
        }

        using var typeText = new Utf8(type);
        using var context = Descriptor(SystemCall.Invoke(SystemCall.Fsopen, typeText, 1), $"open filesystem type {type}");
        foreach (var (key, value) in options)
        {
            Configure(context, type, key, value);
        }

        return Finish(context, type, attributes);
    }

    private static void Configure(FileDescriptor context, string type, string key, string? value)
    {
        using var keyText = new Utf8(key);
        using var valueText = new Utf8(value);
        if (SystemCall.Invoke(SystemCall.Fsconfig, context.Number, value is null ? 0 : 1, keyText, valueText, 0) < 0)
        {
            throw Explained(context, $"mount {type}: option {key}{(value is null ? "" : $"={value}")}");
        }
    }

    private static void AddLayer(FileDescriptor context, string key, FileDescriptor layer, string path)
    {
        const int setDescriptor = 5;
        using var keyText = new Utf8(key);
        if (SystemCall.Invoke(SystemCall.Fsconfig, context.Number, setDescriptor, keyText, 0, layer.Number) < 0)
        {
            throw Explained(context, $"mount overlay: {key} {path} with mapped ids, which Linux 6.15 and newer can do");
        }
    }

    private static FileDescriptor Finish(FileDescriptor context, string type, MountAttributes attributes)
    {
        if (SystemCall.Invoke(SystemCall.Fsconfig, context.Number, 6, 0, 0, 0) < 0)
        {
            throw Explained(context, $"mount {type}");
        }

        return Descriptor(SystemCall.Invoke(SystemCall.Fsmount, context.Number, 1, (nint)attributes), $"mount {type}");
    }

    /// <summary>A copy of the mount at <paramref name="path"/> (and of those below it), not attached anywhere yet.</summary>
    public static FileDescriptor Clone(string path, bool recursive)
    {
        using var text = new Utf8(path);
        return Descriptor(
            SystemCall.Invoke(SystemCall.OpenTree, Files.CurrentDirectory, text, 1 | OpenFlags.CloseOnExec | (recursive ? 0x8000 : 0)),
            $"open mount {path}");
    }

    /// <summary>A read-only copy of the mount at <paramref name="path"/>, private and never attached anywhere: it exists by its descriptor alone.</summary>
    public static FileDescriptor CloneReadOnly(string path)
    {
        var mount = Clone(path, recursive: false);
        try
        {
            SetAttributes(mount, MountAttributes.ReadOnly, 0, recursive: false, path);
            return mount;
        }
        catch
        {
            mount.Dispose();
            throw;
        }
    }

    /// <summary>Puts an unattached mount on <paramref name="target"/>.</summary>
    public static void Attach(FileDescriptor mount, string target)
    {
        using var text = new Utf8(target);
        using var empty = new Utf8("");
        if (SystemCall.Invoke(SystemCall.MoveMount, mount.Number, empty, Files.CurrentDirectory, text, 4) < 0)
        {
            throw LinuxException.FromLastError($"attach mount to {target}");
        }
    }

    /// <summary>Puts an unattached mount on an open file or directory itself, whatever its name has become.</summary>
    public static void Attach(FileDescriptor mount, FileDescriptor target)
    {
        using var empty = new Utf8("");
        if (SystemCall.Invoke(SystemCall.MoveMount, mount.Number, empty, target.Number, empty, 4 | 0x40) < 0)
        {
            throw LinuxException.FromLastError("attach mount");
        }
    }

    /// <summary>A bind mount of an open file or directory on another; with <paramref name="ids"/> under the ids of a user namespace.</summary>
    public static void Bind(FileDescriptor source, FileDescriptor target, bool recursive = false, MountAttributes attributes = 0, MappedIds? ids = null)
    {
        using var mount = ids is null ? Clone(source.ProcPath, recursive) : MappedClone(source.ProcPath, ids, recursive);
        if (attributes != 0)
        {
            SetAttributes(mount, attributes, 0, recursive, "a bind mount");
        }

        Attach(mount, target);
    }

    /// <summary>A bind mount; read-only or otherwise restricted from its first moment.</summary>
    public static void Bind(string source, string target, bool recursive = false, MountAttributes attributes = 0)
    {
        using var mount = Clone(source, recursive);
        if (attributes != 0)
        {
            SetAttributes(mount, attributes, 0, recursive, source);
        }

        Attach(mount, target);
    }

    /// <summary>mount_setattr(2) on the mount at <paramref name="path"/>.</summary>
    public static void SetAttributes(string path, MountAttributes set, MountAttributes clear = 0, bool recursive = false)
    {
        using var tree = Files.Open(path, OpenFlags.Path);
        SetAttributes(tree, set, clear, recursive, path);
    }

    /// <summary>mount_setattr(2) with a propagation type, for a mount that is not attached yet, and all below it.</summary>
    public static void SetPropagation(FileDescriptor mount, MountFlags propagation, string name)
    {
        var attributes = new MountSetAttributes { Propagation = (ulong)propagation };
        using var empty = new Utf8("");
        if (SystemCall.Invoke(SystemCall.MountSetattr, mount.Number, empty, 0x1000 | 0x8000, (nint)(&attributes), sizeof(MountSetAttributes)) < 0)
        {
            throw LinuxException.FromLastError($"set the propagation of {name}");
        }
    }

    private static void SetAttributes(FileDescriptor mount, MountAttributes set, MountAttributes clear, bool recursive, string name)
    {
        var attributes = new MountSetAttributes { Set = (ulong)set, Clear = (ulong)clear };
        using var empty = new Utf8("");
        if (SystemCall.Invoke(
            SystemCall.MountSetattr, mount.Number, empty, 0x1000 | (recursive ? 0x8000 : 0), (nint)(&attributes), sizeof(MountSetAttributes)) < 0)
        {
            throw LinuxException.FromLastError($"set mount attributes of {name}");
        }
    }

    /// <summary>
    /// Lets the files of a mount that is not attached yet appear under the ids that <paramref name="userNamespace"/> maps them to.
    /// Needs Linux 5.12 and a filesystem that allows it.
    /// </summary>
    public static void SetIdMapping(FileDescriptor mount, FileDescriptor userNamespace, bool recursive, string name)
    {
        var attributes = new MountSetAttributes { Set = (ulong)MountAttributes.IdMap, UserNamespace = (ulong)userNamespace.Number };
        using var empty = new Utf8("");
        if (SystemCall.Invoke(
            SystemCall.MountSetattr, mount.Number, empty, 0x1000 | (recursive ? 0x8000 : 0), (nint)(&attributes), sizeof(MountSetAttributes)) < 0)
        {
            throw LinuxException.FromLastError($"map the ids of mount {name}: does its filesystem allow that?");
        }
    }

    /// <summary>mount(2) itself, for everything the newer calls do not need to do.</summary>
    public static void Mount(string? source, string target, string? type, MountFlags flags, string? data = null)
    {
        using var sourceText = new Utf8(source);
        using var targetText = new Utf8(target);
        using var typeText = new Utf8(type);
        using var dataText = new Utf8(data);
        if (SystemCall.Invoke(SystemCall.Mount, sourceText, targetText, typeText, (nint)flags, dataText) < 0)
        {
            throw LinuxException.FromLastError($"mount \"{type ?? source}\" on {target}");
        }
    }

    /// <summary>umount2(2). False where nothing is mounted there (or the path is gone). <paramref name="lazy"/> detaches now, ends when unused.</summary>
    public static bool Unmount(string path, bool lazy = false)
    {
        using var text = new Utf8(path);
        return SystemCall.Invoke(SystemCall.Umount2, text, 8 | (lazy ? 2 : 0)) == 0
            || ((Errno)Marshal.GetLastPInvokeError() is Errno.EINVAL or Errno.ENOENT ? false : throw LinuxException.FromLastError($"unmount {path}"));
    }

    private static FileDescriptor Descriptor(long result, string operation) =>
        result >= 0 ? new FileDescriptor((int)result) : throw LinuxException.FromLastError(operation);

    /// <summary>Adds what the filesystem itself has to say, which it leaves in the context's message queue ("e overlay: …").</summary>
    private static LinuxException Explained(FileDescriptor context, string operation)
    {
        var error = (Errno)Marshal.GetLastPInvokeError();
        var buffer = stackalloc byte[512];
        var n = LibC.read(context.Number, buffer, 512);
        return new LinuxException(error, n > 2 ? $"{operation} ({Encoding.UTF8.GetString(buffer + 2, (int)n - 2).TrimEnd()})" : operation);
    }
}

[StructLayout(LayoutKind.Sequential)]
internal struct MountSetAttributes
{
    public ulong Set;
    public ulong Clear;
    public ulong Propagation;
    public ulong UserNamespace;
}

/// <summary>A string as the kernel takes it, for the length of a call.</summary>
internal readonly ref struct Utf8(string? text)
{
    private readonly nint _at = Marshal.StringToCoTaskMemUTF8(text);

    public void Dispose() => Marshal.FreeCoTaskMem(_at);

    public static implicit operator nint(Utf8 text) => text._at;
}
