using System.Globalization;

namespace Cais.Cli.Values;

/// <summary>Points in time as <c>--since</c> and <c>--until</c> take them: RFC 3339 and parts of it, seconds since 1970, or how long ago.</summary>
internal static class TimeOption
{
    private static readonly string[] Zoned = ["yyyy-MM-dd'T'HH:mm:ssK", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFK", "yyyy-MM-dd'T'HH:mmK", "yyyy-MM-ddK"];
    private static readonly string[] Local = ["yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFF", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd'T'HH", "yyyy-MM-dd"];

    /// <returns>Seconds since 1970 with nine decimals where there are any.</returns>
    /// <exception cref="FormatException">Not a point in time.</exception>
    public static string ToUnix(string text, DateTimeOffset now)
    {
        if (TryDuration(text) is { } nanoseconds)
        {
            return Render(now.AddTicks(-nanoseconds / 100));
        }

        if (DateTimeOffset.TryParseExact(text, Local, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out var time)
            || DateTimeOffset.TryParseExact(text, Zoned, CultureInfo.InvariantCulture, DateTimeStyles.AssumeLocal, out time))
        {
            return Render(time);
        }

        return decimal.TryParse(text, NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _)
            ? text
            : throw new FormatException($"failed to parse value as time or duration: {GoQuote.Quote(text)}");
    }

    private static long? TryDuration(string text)
    {
        try
        {
            return GoDuration.Parse(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    private static string Render(DateTimeOffset time)
    {
        var ticks = (time - DateTimeOffset.UnixEpoch).Ticks;
        return string.Create(CultureInfo.InvariantCulture, $"{ticks / TimeSpan.TicksPerSecond}.{Math.Abs(ticks % TimeSpan.TicksPerSecond) * 100:000000000}");
    }
}
