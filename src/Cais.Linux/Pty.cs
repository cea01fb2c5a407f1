using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Terminals and pseudo-terminals; tty_ioctl(4), pty(7).</summary>
public static unsafe class Pty
{
    private const nint GetSettings = 0x5401;
    private const nint SetSettings = 0x5402;
    private const nint GetWindowSize = 0x5413;
    private const nint SetWindowSize = 0x5414;
    private static readonly nint GetNumber = unchecked((nint)0x80045430u);
    private const nint Unlock = 0x40045431;
    private const nint OpenPeer = 0x5441;

    /// <summary>A new pair in the caller's own devpts. The slave is opened through the master, so no path can lead it astray.</summary>
    public static (FileDescriptor Master, FileDescriptor Slave) Open()
    {
        var master = Files.Open("/dev/ptmx", OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal);
        try
        {
            var zero = 0;
            if (LibC.ioctl(master.Number, Unlock, (nint)(&zero)) != 0)
            {
                throw LinuxException.FromLastError("unlock a pseudo-terminal");
            }

            var slave = LibC.ioctl(master.Number, OpenPeer, OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal | OpenFlags.CloseOnExec);
            return slave >= 0 ? (master, new FileDescriptor(slave)) : throw LinuxException.FromLastError("open a pseudo-terminal's slave");
        }
        catch
        {
            master.Dispose();
            throw;
        }
    }

    /// <summary>The slave's path within its devpts, as <c>/dev/pts/3</c>.</summary>
    public static string SlavePath(FileDescriptor master)
    {
        int number;
        return LibC.ioctl(master.Number, GetNumber, (nint)(&number)) == 0
            ? $"/dev/pts/{number}" : throw LinuxException.FromLastError("name a pseudo-terminal");
    }

    public static void Resize(FileDescriptor terminal, ushort rows, ushort columns)
    {
        var size = stackalloc ushort[4] { rows, columns, 0, 0 };
        if (LibC.ioctl(terminal.Number, SetWindowSize, (nint)size) != 0)
        {
            throw LinuxException.FromLastError("resize a terminal");
        }
    }

    /// <summary>Null where the file is not a terminal.</summary>
    public static (ushort Rows, ushort Columns)? Size(FileDescriptor terminal)
    {
        var size = stackalloc ushort[4];
        return LibC.ioctl(terminal.Number, GetWindowSize, (nint)size) == 0 ? (size[0], size[1]) : null;
    }

    public static bool IsTerminal(int fd)
    {
        var settings = stackalloc byte[64];
        return LibC.ioctl(fd, GetSettings, (nint)settings) == 0;
    }

    /// <summary>Raw mode, as cfmakeraw(3): every byte passes as it is. Returns the settings to restore.</summary>
    public static TerminalSettings MakeRaw(FileDescriptor terminal)
    {
        var saved = TerminalSettings.Of(terminal);
        var raw = saved;
        raw.InputModes &= ~0x5ebu; // IGNBRK BRKINT PARMRK ISTRIP INLCR IGNCR ICRNL IXON
        raw.OutputModes &= ~1u; // OPOST
        raw.ControlModes = (raw.ControlModes & ~0x130u) | 0x30; // CSIZE PARENB; CS8
        raw.LocalModes &= ~0x804bu; // ECHO ECHONL ICANON ISIG IEXTEN
        raw.SetMinimum(1, 0);
        raw.ApplyTo(terminal);
        return saved;
    }

    /// <summary>Turns off the translation of line feeds on output, as runc does for a console that another program copies.</summary>
    public static void ClearOutputNewlineTranslation(FileDescriptor terminal)
    {
        var settings = TerminalSettings.Of(terminal);
        settings.OutputModes &= ~4u; // ONLCR
        settings.ApplyTo(terminal);
    }

    /// <summary>The kernel's struct termios.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public unsafe struct TerminalSettings
    {
        public uint InputModes;
        public uint OutputModes;
        public uint ControlModes;
        public uint LocalModes;
        private readonly byte _line;
        private fixed byte _characters[19];
        private fixed byte _reserve[24];

        internal void SetMinimum(byte bytes, byte tenths)
        {
            _characters[6] = bytes;
            _characters[5] = tenths;
        }

        public static TerminalSettings Of(FileDescriptor terminal)
        {
            TerminalSettings settings;
            return LibC.ioctl(terminal.Number, GetSettings, (nint)(&settings)) == 0
                ? settings : throw LinuxException.FromLastError("read a terminal's settings");
        }

        public readonly void ApplyTo(FileDescriptor terminal)
        {
            var settings = this;
            if (LibC.ioctl(terminal.Number, SetSettings, (nint)(&settings)) != 0)
            {
                throw LinuxException.FromLastError("change a terminal's settings");
            }
        }
    }
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int ioctl(int fd, nint request, nint argument);
}
