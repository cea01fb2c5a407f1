using System.Globalization;
using System.Text;

namespace Cais.Cli.Formatting;

/// <summary>Sizes, times and names as people read them, rounded as docker rounds.</summary>
internal static class Human
{
    private static readonly string[] DecimalUnits = ["B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    private static readonly string[] BinaryUnits = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

    /// <summary>"4.26MB": units of 1000.</summary>
    public static string Size(double bytes, int digits = 4) => Scale(bytes, 1000, DecimalUnits, digits);

    /// <summary>"1.952GiB": units of 1024.</summary>
    public static string BinarySize(double bytes) => Scale(bytes, 1024, BinaryUnits, 4);

    /// <summary>"About a minute", "3 hours", "5 weeks".</summary>
    public static string Duration(TimeSpan duration)
    {
        var seconds = (long)Math.Truncate(duration.TotalSeconds);
        if (seconds < 1)
        {
            return "Less than a second";
        }

        if (seconds < 60)
        {
            return seconds == 1 ? "1 second" : $"{seconds} seconds";
        }

        var minutes = (long)duration.TotalMinutes;
        if (minutes < 60)
        {
            return minutes == 1 ? "About a minute" : $"{minutes} minutes";
        }

        var hours = (long)(duration.TotalHours + 0.5);
        return hours switch
        {
            1 => "About an hour",
            < 48 => $"{hours} hours",
            < 24 * 7 * 2 => $"{hours / 24} days",
            < 24 * 30 * 2 => $"{hours / 24 / 7} weeks",
            < 24 * 365 * 2 => $"{hours / 24 / 30} months",
            _ => $"{(long)duration.TotalHours / 24 / 365} years",
        };
    }

    /// <summary>"2 minutes ago", from seconds since 1970.</summary>
    public static string Ago(long unixSeconds, DateTimeOffset now) => Duration(now - Unix(unixSeconds)) + " ago";

    /// <summary>Go's time.Time as text, in local time: "2026-11-23 23:05:01 +0000 UTC".</summary>
    public static string GoTime(DateTimeOffset time)
    {
        var local = TimeZoneInfo.ConvertTime(time, TimeZoneInfo.Local);
        var fraction = local.ToString(".fffffff", CultureInfo.InvariantCulture).TrimEnd('0').TrimEnd('.');
        var offset = local.Offset;
        var numeric = $"{(offset < TimeSpan.Zero ? '-' : '+')}{Math.Abs(offset.Hours):00}{Math.Abs(offset.Minutes):00}";
        return $"{local.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)}{fraction} {numeric} {ZoneName(local, numeric)}";
    }

    /// <summary>As the other, from a time in RFC 3339, whose nanoseconds .NET's own types do not hold. Empty for no time.</summary>
    public static string GoTime(string rfc3339)
    {
        if (!DateTimeOffset.TryParse(rfc3339, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            return "";
        }

        var text = GoTime(time.AddTicks(-(time.Ticks % TimeSpan.TicksPerSecond)));
        var dot = rfc3339.IndexOf('.');
        if (dot < 0)
        {
            return text;
        }

        var end = rfc3339.AsSpan(dot + 1).IndexOfAnyExceptInRange('0', '9');
        var fraction = rfc3339.AsSpan(dot, end < 0 ? rfc3339.Length - dot : end + 1).TrimEnd('0').TrimEnd('.');
        return text.Insert("yyyy-MM-dd HH:mm:ss".Length, fraction.ToString());
    }

    /// <summary>Far outside of what a date can be, a hostile number gives the nearest that can.</summary>
    public static DateTimeOffset Unix(long seconds) =>
        DateTimeOffset.FromUnixTimeSeconds(Math.Clamp(seconds, DateTimeOffset.MinValue.ToUnixTimeSeconds(), DateTimeOffset.MaxValue.ToUnixTimeSeconds()));

    /// <summary>At most <paramref name="width"/> columns, with an ellipsis in place of what did not fit.</summary>
    public static string Ellipsis(string text, int width)
    {
        if (width < 1)
        {
            return "";
        }

        if (DisplayWidth(text) <= width)
        {
            return text;
        }

        var result = new StringBuilder();
        var used = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            var columns = RuneWidth(rune);
            if (used + columns > width - 1)
            {
                break;
            }

            used += columns;
            result.Append(rune.ToString());
        }

        return width == 1 ? text.EnumerateRunes().First().ToString() : result.Append('…').ToString();
    }

    /// <summary>The first twelve digits of an id, without its algorithm.</summary>
    public static string ShortId(string id)
    {
        var hex = id.IndexOf(':') is >= 0 and var colon ? id[(colon + 1)..] : id;
        return hex.Length > 12 ? hex[..12] : hex;
    }

    private static int DisplayWidth(string text)
    {
        var width = 0;
        foreach (var rune in text.EnumerateRunes())
        {
            width += RuneWidth(rune);
        }

        return width;
    }

    /// <summary>East Asian wide characters and emoji take two columns.</summary>
    private static int RuneWidth(Rune rune) => rune.Value is
        (>= 0x1100 and <= 0x115F) or (>= 0x2E80 and <= 0x303E) or (>= 0x3041 and <= 0x33FF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x4E00 and <= 0x9FFF) or (>= 0xA000 and <= 0xA4CF) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF)
        or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60) or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x1F300 and <= 0x1FAFF)
        or (>= 0x20000 and <= 0x3FFFD)
        ? 2
        : 1;

    private static string Scale(double value, double step, string[] units, int digits)
    {
        var unit = 0;
        while (value >= step && unit < units.Length - 1)
        {
            value /= step;
            unit++;
        }

        return Significant(value, digits) + units[unit];
    }

    /// <summary>Go's <c>%.4g</c>: that many significant digits, without trailing zeros; an exponent where the digits do not suffice.</summary>
    private static string Significant(double value, int digits) => GoFormat.Format($"%.{digits}g", [value]);

    private static string ZoneName(DateTimeOffset local, string numeric)
    {
        if (local.Offset == TimeSpan.Zero)
        {
            return "UTC";
        }

        var zone = TimeZoneInfo.Local;
        var name = zone.IsDaylightSavingTime(local) ? zone.DaylightName : zone.StandardName;
        return name.Contains(' ') ? numeric : name;
    }
}
