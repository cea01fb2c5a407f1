using Cais.Images;
using Cais.Linux;

namespace Cais.Engine.Specs;

/// <summary>
/// A container's root file system, to look at while it does not run: its layers in an overlay that is attached nowhere and vanishes with this
/// object. Everything in it is the image's author's: paths are resolved so that no link leads out of it.
/// </summary>
internal sealed class RootFiles : IDisposable
{
    private RootFiles(FileDescriptor root) => Root = root;

    /// <summary>The root directory.</summary>
    public FileDescriptor Root { get; }

    /// <summary>Read-only, the container's own changes included.</summary>
    public static RootFiles Open(RootfsMount rootfs) =>
        new(Mounts.CreateOverlay([rootfs.UpperDir, .. rootfs.LowerDirs], null, null, MountAttributes.ReadOnly));

    /// <summary>For writing, as the container itself would; only while it does not run, since two overlays must not share a writable layer.</summary>
    public static RootFiles OpenWritable(RootfsMount rootfs) =>
        new(Mounts.CreateOverlay(rootfs.LowerDirs, rootfs.UpperDir, rootfs.WorkDir));

    /// <summary>Opens a path in it, or null when there is nothing.</summary>
    public FileDescriptor? TryOpen(string path, int flags)
    {
        try
        {
            return Files.OpenAt2(Root, path, flags, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ELOOP)
        {
            return null;
        }
    }

    /// <summary>A small file's content; empty when there is none or it is not a file. Reads at most <paramref name="limit"/> bytes.</summary>
    public byte[] Read(string path, int limit)
    {
        using var file = TryOpen(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking);
        if (file is null || Linux.Status.EntryStatus.Of(file) is not { Kind: Linux.Status.FileKind.Regular } status)
        {
            return [];
        }

        var content = new byte[Math.Min(status.Size, limit)];
        var length = 0;
        while (length < content.Length)
        {
            var read = Files.Read(file, content.AsSpan(length));
            if (read == 0)
            {
                break;
            }

            length += read;
        }

        return content[..length];
    }

    public void Dispose() => Root.Dispose();
}
