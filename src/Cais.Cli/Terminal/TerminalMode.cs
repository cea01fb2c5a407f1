using System.Runtime.InteropServices;

namespace Cais.Cli.Terminal;

/// <summary>
/// A terminal switched to raw mode, or its echo switched off, and back. However the program ends, short of SIGKILL, the terminal gets its old mode: on
/// disposal, on a signal that ends the program, and when an exception nobody caught does.
/// </summary>
internal sealed class TerminalMode : IDisposable
{
    // termios(3)
    private const uint IGNBRK = 0x1;
    private const uint BRKINT = 0x2;
    private const uint PARMRK = 0x8;
    private const uint ISTRIP = 0x20;
    private const uint INLCR = 0x40;
    private const uint IGNCR = 0x80;
    private const uint ICRNL = 0x100;
    private const uint IXON = 0x400;
    private const uint OPOST = 0x1;
    private const uint ECHO = 0x8;
    private const uint ECHONL = 0x40;
    private const uint ICANON = 0x2;
    private const uint ISIG = 0x1;
    private const uint IEXTEN = 0x8000;
    private const uint CSIZE = 0x30;
    private const uint PARENB = 0x100;
    private const uint CS8 = 0x30;
    private const int VTIME = 5;
    private const int VMIN = 6;

    /// <summary>What is to be put back when the program ends: its terminal is a resource of the whole process.</summary>
    private static readonly List<TerminalMode> Active = [];

    private static readonly PosixSignal[] Deadly = [PosixSignal.SIGHUP, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGTERM];

    private readonly int _fd;
    private readonly Posix.Termios _saved;
    private readonly List<PosixSignalRegistration> _signals = [];

    private TerminalMode(int fd, Posix.Termios saved) => (_fd, _saved) = (fd, saved);

    /// <summary>Every key goes through at once and unchanged. Null when <paramref name="fd"/> is no terminal.</summary>
    /// <param name="fd">Standard input, usually.</param>
    /// <param name="signalsHandled">True when the caller acts on signals itself (forwards them): then none ends the program here.</param>
    public static unsafe TerminalMode? Raw(int fd, bool signalsHandled) => Change(fd, signalsHandled, static (ref Posix.Termios mode) =>
    {
        mode.InputFlags &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
        mode.OutputFlags &= ~OPOST;
        mode.LocalFlags &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
        mode.ControlFlags = (mode.ControlFlags & ~(CSIZE | PARENB)) | CS8;
        mode.ControlCharacters[VMIN] = 1;
        mode.ControlCharacters[VTIME] = 0;
    });

    /// <summary>For typing passwords. Null when <paramref name="fd"/> is no terminal.</summary>
    public static TerminalMode? NoEcho(int fd) =>
        Change(fd, signalsHandled: false, static (ref Posix.Termios mode) => mode.LocalFlags &= ~ECHO);

    /// <summary>Puts every changed terminal back, for ways out that run no disposal.</summary>
    public static void RestoreAll()
    {
        lock (Active)
        {
            foreach (var mode in Active)
            {
                Posix.tcsetattr(mode._fd, Posix.TCSANOW, in mode._saved);
            }

            Active.Clear();
        }
    }

    public void Dispose()
    {
        lock (Active)
        {
            if (Active.Remove(this))
            {
                Posix.tcsetattr(_fd, Posix.TCSANOW, in _saved);
            }
        }

        foreach (var registration in _signals)
        {
            registration.Dispose();
        }
    }

    private delegate void Modify(ref Posix.Termios mode);

    private static TerminalMode? Change(int fd, bool signalsHandled, Modify modify)
    {
        if (Posix.tcgetattr(fd, out var saved) != 0)
        {
            return null;
        }

        var mode = new TerminalMode(fd, saved);
        lock (Active)
        {
            Active.Add(mode);
        }

        if (!signalsHandled)
        {
            foreach (var signal in Deadly)
            {
                // Restoring first, then the default action: the handler leaves Cancel unset.
                mode._signals.Add(PosixSignalRegistration.Create(signal, static _ => RestoreAll()));
            }
        }

        var changed = saved;
        modify(ref changed);
        Posix.tcsetattr(fd, Posix.TCSANOW, in changed);
        return mode;
    }
}
