using System.Runtime.InteropServices;

namespace Cais.Linux.Status;

/// <summary>Changes what <see cref="EntryStatus"/> shows, of a path itself even if it is a symbolic link.</summary>
public static unsafe partial class PathAttributes
{
    private const int NoFollow = 0x100;

    /// <summary>lchown(2).</summary>
    public static void ChangeOwner(string path, uint uid, uint gid)
    {
        if (lchown(path, uid, gid) != 0)
        {
            throw LinuxException.FromLastError($"change owner of {path}");
        }
    }

    /// <summary>chmod(2), all twelve bits. Follows symbolic links, whose own permissions nobody reads.</summary>
    public static void ChangeMode(string path, uint permissions)
    {
        if (chmod(path, permissions) != 0)
        {
            throw LinuxException.FromLastError($"change mode of {path}");
        }
    }

    /// <summary>Sets both times by utimensat(2).</summary>
    public static void ChangeTimes(string path, DateTimeOffset time)
    {
        var ticks = (time - DateTimeOffset.UnixEpoch).Ticks;
        var seconds = Math.DivRem(ticks, TimeSpan.TicksPerSecond, out var rest);
        if (rest < 0)
        {
            (seconds, rest) = (seconds - 1, rest + TimeSpan.TicksPerSecond);
        }

        var times = stackalloc long[4] { seconds, rest * 100, seconds, rest * 100 };
        if (utimensat(Files.CurrentDirectory, path, times, NoFollow) != 0)
        {
            throw LinuxException.FromLastError($"change times of {path}");
        }
    }

    /// <summary>link(2): another name for the same file.</summary>
    public static void Link(string existing, string path)
    {
        if (link(existing, path) != 0)
        {
            throw LinuxException.FromLastError($"link {path} to {existing}");
        }
    }

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int lchown(string path, uint uid, uint gid);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int chmod(string path, uint mode);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int utimensat(int directory, string path, long* times, int flags);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int link(string existing, string path);
}
