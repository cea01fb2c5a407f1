using Cais.Linux;
using Cais.Linux.FileSystem;
using FileStatus = Cais.Linux.FileSystem.FileStatus;

namespace Cais.Build.Files;

/// <summary>What overlay's layers say besides having files: that a name is deleted, that a directory hides what is below it.</summary>
/// <param name="below">The layers that this one was made on. Overlay may mark any new directory; it means something only if there was one.</param>
internal sealed class LayerMarks(IReadOnlyList<RootDirectory> below)
{
    /// <summary>Overlay's whiteout: a character device 0/0.</summary>
    public static bool IsDeletion(FileStatus status) => status is { Kind: FileKind.CharacterDevice, DeviceMajor: 0, DeviceMinor: 0 };

    public bool Hides(FileDescriptor parent, byte[] name, string path)
    {
        Span<byte> value = stackalloc byte[8];
        return FileAt.GetAttribute(parent.Number, name, "trusted.overlay.opaque\0"u8, value) == 1 && value[0] == 'y' && below.Any(l =>
        {
            using var there = l.Find(path, followLast: false);
            return there is not null;
        });
    }
}
