using System.Runtime.InteropServices;

namespace Cais.Linux.Netlink;

/// <summary>Network namespaces (network_namespaces(7)). What concerns "the current one" is about the calling thread alone.</summary>
public static unsafe class NetworkNamespace
{
    private const long NsfsMagic = 0x6e736673;

    /// <summary>The calling thread's namespace.</summary>
    public static FileDescriptor OpenCurrent() => Open("/proc/thread-self/ns/net");

    /// <summary>A namespace by its file: bound somewhere, or of a process.</summary>
    /// <exception cref="LinuxException">There is none, or it is something else.</exception>
    public static FileDescriptor Open(string path)
    {
        var number = NetworkNative.open(path, NetworkNative.O_CLOEXEC, 0);
        if (number < 0)
        {
            throw LinuxException.FromLastError($"open network namespace {path}");
        }

        var descriptor = new FileDescriptor(number);
        if (!IsNamespace(descriptor))
        {
            descriptor.Dispose();
            throw new LinuxException(Errno.EINVAL, $"open network namespace {path}");
        }

        return descriptor;
    }

    /// <summary>Moves the calling thread into a new, empty namespace. Only for a dedicated thread.</summary>
    public static FileDescriptor EnterNew()
    {
        if (NetworkNative.unshare(NetworkNative.CLONE_NEWNET) != 0)
        {
            throw LinuxException.FromLastError("create network namespace");
        }

        return OpenCurrent();
    }

    /// <summary>Moves the calling thread into a namespace. Only for a dedicated thread.</summary>
    public static void Enter(FileDescriptor target)
    {
        if (NetworkNative.setns(target, NetworkNative.CLONE_NEWNET) != 0)
        {
            throw LinuxException.FromLastError("enter network namespace");
        }
    }

    /// <summary>Gives the namespace a path that keeps it alive. The file must not exist; it is removed again on failure.</summary>
    public static void Bind(FileDescriptor target, string path)
    {
        ArgumentNullException.ThrowIfNull(target);
        File.Open(path, FileMode.CreateNew, FileAccess.Write).Dispose();
        if (NetworkNative.mount(target.ProcPath, path, null, NetworkNative.MS_BIND, 0) != 0)
        {
            var failure = LinuxException.FromLastError($"bind network namespace at {path}");
            File.Delete(path);
            throw failure;
        }
    }

    /// <summary>Takes the path away; the namespace dies when nothing else holds it. Does nothing when there is none.</summary>
    public static void Unbind(string path)
    {
        if (NetworkNative.umount2(path, NetworkNative.MNT_DETACH) != 0 && (Errno)Marshal.GetLastPInvokeError() is var errno &&
            errno is not (Errno.EINVAL or Errno.ENOENT))
        {
            throw new LinuxException(errno, $"unmount network namespace {path}");
        }

        File.Delete(path);
    }

    private static bool IsNamespace(FileDescriptor descriptor)
    {
        // struct statfs begins with f_type, a long on 64-bit machines; 120 bytes in all.
        var buffer = stackalloc byte[256];
        return NetworkNative.fstatfs(descriptor, buffer) == 0 && *(long*)buffer == NsfsMagic;
    }
}
