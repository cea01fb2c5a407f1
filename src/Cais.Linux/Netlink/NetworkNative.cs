using System.Runtime.InteropServices;

namespace Cais.Linux.Netlink;

/// <summary>The socket, namespace and mount calls that networking needs; see the manual pages of section 2.</summary>
internal static unsafe partial class NetworkNative
{
    internal const int AF_UNSPEC = 0;
    internal const int AF_INET = 2;
    internal const int AF_BRIDGE = 7;
    internal const int AF_INET6 = 10;
    internal const int AF_NETLINK = 16;
    internal const int SOCK_RAW = 3;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int SOL_SOCKET = 1;
    internal const int SO_SNDBUFFORCE = 32;
    internal const int SO_RCVBUFFORCE = 33;
    internal const int SOL_NETLINK = 270;
    internal const int NETLINK_ADD_MEMBERSHIP = 1;
    internal const int NETLINK_CAP_ACK = 10;
    internal const int NETLINK_EXT_ACK = 11;
    internal const int NETLINK_GET_STRICT_CHK = 12;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int MSG_TRUNC = 0x20;
    internal const int CLONE_NEWNET = 0x40000000;
    internal const int O_CLOEXEC = 0x80000;
    internal const ulong MS_BIND = 4096;
    internal const int MNT_DETACH = 2;
    private const string Name = "libc";

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int setsockopt(FileDescriptor socket, int level, int option, int* value, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int bind(FileDescriptor socket, byte* address, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int getsockname(FileDescriptor socket, byte* address, uint* length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint send(FileDescriptor socket, byte* buffer, nuint length, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint recv(FileDescriptor socket, byte* buffer, nuint length, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int unshare(int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int setns(FileDescriptor fd, int nstype);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags, int mode);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mount(string source, string target, string? type, ulong flags, nint data);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int umount2(string target, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint read(FileDescriptor fd, byte* buffer, nuint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint write(FileDescriptor fd, byte* buffer, nuint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fstatfs(FileDescriptor fd, byte* statfs);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int poll(PollDescriptor* descriptors, ulong count, int timeoutMilliseconds);

    /// <summary>struct pollfd.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Returned;
    }
}
