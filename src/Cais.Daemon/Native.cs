using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Cais.Daemon;

/// <summary>The C library's allocator, which SQLite and TLS use, and what a socket holds.</summary>
internal static partial class Native
{
    /// <summary>malloc_trim(3): gives free memory back to the kernel.</summary>
    [LibraryImport("libc")]
    internal static partial int malloc_trim(nuint keep);

    /// <summary>Bytes that the other end of a unix socket has not read yet (SIOCOUTQ, sockios.h); 0 where that cannot be told.</summary>
    internal static int Unread(Socket socket) => ioctl(socket.SafeHandle, 0x5411, out var bytes) == 0 ? bytes : 0;

    [LibraryImport("libc")]
    private static partial int ioctl(SafeSocketHandle socket, nuint request, out int value);
}
