using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Descriptors that become readable when something happens; all non-blocking and close-on-exec.</summary>
public static class EventDescriptors
{
    private const int Flags = OpenFlags.NonBlocking | OpenFlags.CloseOnExec;
    private const uint Modified = 2;

    /// <summary>eventfd(2).</summary>
    public static FileDescriptor Event()
    {
        var fd = LibC.eventfd(0, Flags);
        return fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError("eventfd");
    }

    /// <summary>inotify(7): readable when the file's content has changed.</summary>
    public static FileDescriptor WatchModification(string path)
    {
        var fd = LibC.inotify_init1(Flags);
        var watch = fd >= 0 ? new FileDescriptor(fd) : throw LinuxException.FromLastError("inotify_init");
        if (LibC.inotify_add_watch(fd, path, Modified) < 0)
        {
            watch.Dispose();
            throw LinuxException.FromLastError($"watch {path}");
        }

        return watch;
    }
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int inotify_init1(int flags);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int inotify_add_watch(int fd, string path, uint mask);
}
