using System.Runtime.InteropServices;

namespace Cais.Linux.Io;

/// <summary>The other side of a pseudo-terminal.</summary>
public static partial class TerminalPeer
{
    private const nint GetPeer = 0x5441;

    /// <summary>
    /// Opens the slave through its master (TIOCGPTPEER), whichever devpts it is in. While it is held, the master reads no end when the
    /// programs on the terminal close it and open it again.
    /// </summary>
    public static FileDescriptor Open(FileDescriptor master) => EventLoop.Own(
        ioctl(master, GetPeer, OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal | OpenFlags.CloseOnExec), "open a terminal's other side");

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(FileDescriptor fd, nint request, nint argument);
}
