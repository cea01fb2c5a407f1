using System.Globalization;
using System.Runtime.InteropServices;

namespace Cais.Linux;

/// <summary>Signals by name and number; signal(7).</summary>
public static class Signals
{
    public const int Hangup = 1;
    public const int Interrupt = 2;
    public const int Kill = 9;
    public const int Pipe = 13;
    public const int Terminate = 15;
    public const int Child = 17;
    public const int Continue = 18;
    public const int Stop = 19;
    public const int WindowChange = 28;
    public const int RealtimeMin = 34;
    public const int RealtimeMax = 64;

    private static readonly string[] Names =
    [
        "", "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM", "TERM", "STKFLT",
        "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];

    /// <summary><c>SIGTERM</c>, <c>SIGRTMIN+3</c>; a number that has no name stays a number.</summary>
    public static string Name(int signal) => signal switch
    {
        > 0 and < 32 => "SIG" + Names[signal],
        RealtimeMin => "SIGRTMIN",
        RealtimeMax => "SIGRTMAX",
        > RealtimeMin and < RealtimeMax => $"SIGRTMIN+{signal - RealtimeMin}",
        _ => signal.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Accepts a number, or a name in any case with or without <c>SIG</c> (also <c>RTMIN+n</c>, <c>RTMAX-n</c>).</summary>
    public static bool TryParse(string text, out int signal)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out signal))
        {
            return signal is >= 0 and <= RealtimeMax;
        }

        var name = text.StartsWith("SIG", StringComparison.OrdinalIgnoreCase) ? text.AsSpan(3) : text;
        for (var i = 1; i < Names.Length; i++)
        {
            if (name.Equals(Names[i], StringComparison.OrdinalIgnoreCase))
            {
                signal = i;
                return true;
            }
        }

        signal = name.Equals("POLL", StringComparison.OrdinalIgnoreCase) ? 29
            : name.Equals("IOT", StringComparison.OrdinalIgnoreCase) ? 6
            : name.Equals("CLD", StringComparison.OrdinalIgnoreCase) ? Child
            : Realtime(name, "RTMIN", RealtimeMin, 1) is var low and >= RealtimeMin ? low
            : Realtime(name, "RTMAX", RealtimeMax, -1);
        return signal is (> 0 and < 32) or (>= RealtimeMin and <= RealtimeMax);
    }

    private static int Realtime(ReadOnlySpan<char> name, string anchor, int value, int direction)
    {
        if (!name.StartsWith(anchor, StringComparison.OrdinalIgnoreCase))
        {
            return 0;
        }

        var rest = name[anchor.Length..];
        return rest.IsEmpty ? value
            : rest[0] == (direction > 0 ? '+' : '-') && int.TryParse(rest[1..], NumberStyles.None, CultureInfo.InvariantCulture, out var n)
                ? value + (direction * n) : 0;
    }

    /// <summary>signal(2): undoes an inheritance such as nohup(1)'s, which ignores <c>SIGHUP</c>; .NET leaves ignored what it finds ignored.</summary>
    public static void RestoreDefault(int signal)
    {
        if (LibC.signal(signal, 0) == -1)
        {
            throw LinuxException.FromLastError($"restore {Name(signal)}");
        }
    }

    /// <summary>kill(2). False where there is no such process. Negative numbers are process groups.</summary>
    public static bool Send(int pid, int signal) =>
        LibC.kill(pid, signal) == 0
        || (Marshal.GetLastPInvokeError() == (int)Errno.ESRCH ? false : throw LinuxException.FromLastError($"send {Name(signal)} to {pid}"));
}

internal static partial class LibC
{
    [LibraryImport(Name, SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport(Name, SetLastError = true)]
    internal static partial nint signal(int number, nint handler);
}
