using System.Globalization;

namespace Cais.Build.Planning;

/// <summary>Which texts name a signal of Linux (signal(7)).</summary>
internal static class SignalNames
{
    private static readonly HashSet<string> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE", "POLL", "PROF", "PWR", "QUIT", "SEGV", "STKFLT",
        "STOP", "SYS", "TERM", "TRAP", "TSTP", "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ", "RTMIN", "RTMAX",
    };

    public static bool IsKnown(string text)
    {
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number is > 0 and <= 64;
        }

        var name = text.StartsWith("SIG", StringComparison.OrdinalIgnoreCase) ? text[3..] : text;
        return Names.Contains(name) || IsRealTime(name, "RTMIN+", 15) || IsRealTime(name, "RTMAX-", 14);
    }

    private static bool IsRealTime(string name, string prefix, int most) =>
        name.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
        && int.TryParse(name.AsSpan(prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var offset) && offset <= most;
}
