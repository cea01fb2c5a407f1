using System.Globalization;

namespace Cais.Engine;

/// <summary>Times as the API writes and reads them.</summary>
public static class Timestamps
{
    /// <summary>Go's zero time: what "never" looks like in the API.</summary>
    public const string Never = "0001-01-01T00:00:00Z";

    /// <summary>RFC 3339 in UTC with the fraction's trailing zeros left off, as Go's RFC3339Nano.</summary>
    public static string Format(DateTimeOffset time)
    {
        var text = time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.fffffff", CultureInfo.InvariantCulture).TrimEnd('0').TrimEnd('.');
        return text + "Z";
    }

    public static string Format(DateTimeOffset? time) => time is { } known ? Format(known) : Never;

    /// <summary>
    /// Reads what clients send for since and until: seconds since 1970 with an optional fraction, RFC 3339 in full or in part (in UTC where no zone is
    /// given), or a Go duration before <paramref name="now"/>. Null when it is none of them.
    /// </summary>
    public static DateTimeOffset? Parse(string text, DateTimeOffset now)
    {
        // Before durations, to which 0 would be none at all.
        if (TryParseSeconds(text, out var seconds))
        {
            return seconds;
        }

        if (Durations.TryParse(text, out var ago))
        {
            return now - ago;
        }

        return DateTimeOffset.TryParseExact(text, Formats, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? time : null;
    }

    private static readonly string[] Formats =
    [
        "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-dd'T'HHK", "yyyy-MM-dd'T'HH", "yyyy-MM-dd'T'HH:mm",
        "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", "yyyy-MM-ddK", "yyyy-MM-dd",
    ];

    private static bool TryParseSeconds(string text, out DateTimeOffset time)
    {
        time = default;
        var dot = text.IndexOf('.');
        var whole = dot < 0 ? text : text[..dot];
        if (!long.TryParse(whole, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var seconds) || seconds is < -62135596800 or > 253402300799)
        {
            return false;
        }

        time = DateTimeOffset.FromUnixTimeSeconds(seconds);
        if (dot < 0)
        {
            return true;
        }

        var fraction = text[(dot + 1)..].PadRight(9, '0')[..9];
        if (!long.TryParse(fraction, NumberStyles.None, CultureInfo.InvariantCulture, out var nanoseconds))
        {
            return false;
        }

        time = time.AddTicks(nanoseconds / 100);
        return true;
    }
}
