using System.Runtime.InteropServices;

namespace Cais.Cli.Terminal;

/// <summary>The few C library calls that a terminal program needs and .NET does not offer, as their manual pages have them.</summary>
internal static partial class Posix
{
    internal const int EINTR = 4;
    internal const int EAGAIN = 11;
    internal const int EPIPE = 32;
    internal const int SIGPIPE = 13;
    internal const short POLLIN = 1;
    internal const short POLLOUT = 4;

    /// <summary>Set the attributes now, keeping what was typed.</summary>
    internal const int TCSANOW = 0;

    private const nuint TIOCGWINSZ = 0x5413;
    private const string Name = "libc";

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    internal struct WindowSize
    {
        public ushort Rows;
        public ushort Columns;
        public ushort PixelsX;
        public ushort PixelsY;
    }

    /// <summary>struct termios of Linux on 64-bit machines.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal unsafe struct Termios
    {
        public uint InputFlags;
        public uint OutputFlags;
        public uint ControlFlags;
        public uint LocalFlags;
        public byte Line;
        public fixed byte ControlCharacters[32];
        public uint InputSpeed;
        public uint OutputSpeed;
    }

    [LibraryImport(Name, SetLastError = true)]
    internal static unsafe partial nint read(int fd, byte* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true)]
    internal static unsafe partial nint write(int fd, byte* buffer, nuint count);

    [LibraryImport(Name, SetLastError = true)]
    internal static unsafe partial int poll(PollFd* fds, nuint count, int timeoutMilliseconds);

    [LibraryImport(Name)]
    internal static partial int isatty(int fd);

    [LibraryImport(Name, SetLastError = true)]
    internal static unsafe partial int ioctl(int fd, nuint request, void* argument);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int tcgetattr(int fd, out Termios attributes);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial int tcsetattr(int fd, int actions, in Termios attributes);

    [LibraryImport(Name)]
    internal static partial nint signal(int number, nint handler);

    [LibraryImport(Name)]
    internal static partial int raise(int number);

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int execve(string path, byte** arguments, byte** environment);

    [LibraryImport(Name)]
    internal static partial int getuid();

    [LibraryImport(Name, SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int lchown(string path, int uid, int gid);

    /// <summary>Rows and columns of the terminal behind <paramref name="fd"/>; null when there is none.</summary>
    internal static unsafe (int Rows, int Columns)? GetWindowSize(int fd)
    {
        WindowSize size;
        return ioctl(fd, TIOCGWINSZ, &size) == 0 ? (size.Rows, size.Columns) : null;
    }
}
