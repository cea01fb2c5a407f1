using System.Runtime.InteropServices;

namespace Cais.Linux.Io;

/// <summary>The C library's calls for descriptors, readiness, pipes and sockets. A class of its own, so that this folder stands alone.</summary>
internal static unsafe partial class IoCalls
{
    private const string Name = "libc";

    internal const int O_RDONLY = 0;
    internal const int O_WRONLY = 1;
    internal const int O_RDWR = 2;
    internal const int O_NONBLOCK = 0x800;
    internal const int O_CLOEXEC = 0x80000;

    internal static int O_DIRECTORY => IsArm64 ? 0x4000 : 0x10000;

    internal static int O_NOFOLLOW => IsArm64 ? 0x8000 : 0x20000;

    internal static bool IsArm64 => RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    internal const int O_PATH = 0x200000;

    internal const int EPOLL_CTL_ADD = 1;
    internal const int EPOLL_CTL_DEL = 2;
    internal const int EPOLL_CTL_MOD = 3;

    internal const int F_SETFD = 2;
    internal const int F_GETFL = 3;
    internal const int F_SETFL = 4;
    internal const int F_DUPFD_CLOEXEC = 1030;
    internal const int F_GETPIPE_SZ = 1032;

    internal const int AF_UNIX = 1;
    internal const int SOCK_STREAM = 1;
    internal const int SOCK_NONBLOCK = 0x800;
    internal const int SOCK_CLOEXEC = 0x80000;
    internal const int SOL_SOCKET = 1;
    internal const int SO_ACCEPTCONN = 30;
    internal const int SCM_RIGHTS = 1;
    internal const int MSG_CTRUNC = 8;
    internal const int MSG_DONTWAIT = 0x40;
    internal const int MSG_NOSIGNAL = 0x4000;
    internal const int MSG_CMSG_CLOEXEC = 0x40000000;

    internal const uint SPLICE_F_MOVE = 1;
    internal const uint SPLICE_F_NONBLOCK = 2;

    internal const short POLLIN = 1;
    internal const short POLLOUT = 4;

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        internal int Fd;
        internal short Events;
        internal short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct IoVector
    {
        internal void* Base;
        internal nuint Length;
    }

    /// <summary>struct msghdr of 64-bit Linux.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct MessageHeader
    {
        internal void* Name;
        internal uint NameLength;
        internal IoVector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    /// <summary>struct cmsghdr of 64-bit Linux; its data follow it.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct ControlHeader
    {
        internal nuint Length;
        internal int Level;
        internal int Type;
    }

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_create1(int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_ctl(FileDescriptor epoll, int operation, FileDescriptor fd, void* @event);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int epoll_wait(FileDescriptor epoll, void* events, int count, int timeout);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int eventfd(uint initial, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint read(FileDescriptor fd, void* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint write(FileDescriptor fd, void* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int open(string path, int flags, uint mode);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int chmod(string path, uint mode);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int mkfifo(string path, uint mode);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int fcntl(FileDescriptor fd, int command, nint argument);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial long lseek(FileDescriptor fd, long offset, int whence);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int pipe2(int* fds, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint splice(FileDescriptor from, long* fromOffset, FileDescriptor to, long* toOffset, nuint length, uint flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint tee(FileDescriptor from, FileDescriptor to, nuint length, uint flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int poll(PollFd* fds, nuint count, int timeout);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int socket(int domain, int type, int protocol);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int socketpair(int domain, int type, int protocol, int* fds);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int bind(FileDescriptor socket, void* address, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int connect(FileDescriptor socket, void* address, uint length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int listen(FileDescriptor socket, int backlog);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int accept4(FileDescriptor socket, void* address, uint* length, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int getsockopt(FileDescriptor socket, int level, int option, void* value, uint* length);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int shutdown(FileDescriptor socket, int how);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint sendmsg(FileDescriptor socket, MessageHeader* message, int flags);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint recvmsg(FileDescriptor socket, MessageHeader* message, int flags);

    /// <summary>The error of the call just made.</summary>
    internal static Errno LastError => (Errno)Marshal.GetLastPInvokeError();
}
