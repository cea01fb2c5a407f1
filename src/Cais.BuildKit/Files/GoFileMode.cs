using Cais.Linux.FileSystem;

namespace Cais.BuildKit.Files;

/// <summary>File modes as Go writes them into fsutil's messages (io/fs.FileMode), which are not the kernel's.</summary>
internal static class GoFileMode
{
    private const uint Directory = 1u << 31;
    private const uint Symlink = 1u << 27;
    private const uint Device = 1u << 26;
    private const uint Pipe = 1u << 25;
    private const uint Socket = 1u << 24;
    private const uint SetUid = 1u << 23;
    private const uint SetGid = 1u << 22;
    private const uint CharacterDevice = 1u << 21;
    private const uint Sticky = 1u << 20;
    private const uint Irregular = 1u << 19;

    /// <summary>All bits that say that a file is not a regular one: only such without any of them have data.</summary>
    private const uint Kinds = Directory | Symlink | Device | Pipe | Socket | CharacterDevice | Irregular;

    public static bool IsRegular(uint mode) => (mode & Kinds) == 0;

    /// <summary>The kind of file, or null for one that nobody can make.</summary>
    public static FileKind? Kind(uint mode) => (mode & Kinds) switch
    {
        0 => FileKind.Regular,
        Directory => FileKind.Directory,
        Symlink => FileKind.SymbolicLink,
        Device => FileKind.BlockDevice,
        Device | CharacterDevice => FileKind.CharacterDevice,
        Pipe => FileKind.Fifo,
        Socket => FileKind.Socket,
        _ => null,
    };

    /// <summary>The kernel's twelve permission bits.</summary>
    public static uint Permissions(uint mode) => (mode & 0x1FF)
        | ((mode & SetUid) != 0 ? 0x800u : 0) | ((mode & SetGid) != 0 ? 0x400u : 0) | ((mode & Sticky) != 0 ? 0x200u : 0);

    public static uint Of(FileKind kind, uint permissions) => (permissions & 0x1FF)
        | ((permissions & 0x800) != 0 ? SetUid : 0) | ((permissions & 0x400) != 0 ? SetGid : 0) | ((permissions & 0x200) != 0 ? Sticky : 0)
        | kind switch
        {
            FileKind.Directory => Directory,
            FileKind.SymbolicLink => Symlink,
            FileKind.BlockDevice => Device,
            FileKind.CharacterDevice => Device | CharacterDevice,
            FileKind.Fifo => Pipe,
            FileKind.Socket => Socket,
            _ => 0,
        };
}
