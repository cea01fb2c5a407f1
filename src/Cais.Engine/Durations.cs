using System.Globalization;

namespace Cais.Engine;

/// <summary>Go's durations: <c>1h30m</c>, <c>1.5s</c>, <c>300ms</c>.</summary>
public static class Durations
{
    /// <summary>Reads a duration. A number needs its unit, but for 0.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out TimeSpan duration)
    {
        duration = default;
        var negative = text is ['-', ..];
        if (text is ['-' or '+', ..])
        {
            text = text[1..];
        }

        if (text.SequenceEqual("0"))
        {
            return true;
        }

        if (text.IsEmpty)
        {
            return false;
        }

        var ticks = 0.0;
        while (!text.IsEmpty)
        {
            var end = text.IndexOfAnyExcept("0123456789.");
            if (end <= 0 || !double.TryParse(text[..end], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            text = text[end..];
            var unitEnd = text.IndexOfAny("0123456789.");
            var unit = unitEnd < 0 ? text : text[..unitEnd];
            text = text[unit.Length..];
            var scale = unit switch
            {
                "ns" => 0.01,
                "us" or "µs" or "μs" => 10,
                "ms" => TimeSpan.TicksPerMillisecond,
                "s" => TimeSpan.TicksPerSecond,
                "m" => TimeSpan.TicksPerMinute,
                "h" => (double)TimeSpan.TicksPerHour,
                _ => 0.0,
            };
            if (scale == 0)
            {
                return false;
            }

            ticks += number * scale;
        }

        if (ticks > long.MaxValue / 2)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)(negative ? -ticks : ticks));
        return true;
    }

    /// <summary>As Go writes a duration: <c>1m30s</c>, <c>1.5s</c>, <c>20ms</c>.</summary>
    public static string Go(TimeSpan span)
    {
        if (span < TimeSpan.FromSeconds(1))
        {
            return string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0.######}ms");
        }

        var hours = (long)span.TotalHours;
        var seconds = span.TotalSeconds % 60;
        return (hours > 0 ? $"{hours}h" : "")
            + (span.TotalMinutes >= 1 ? $"{span.Minutes}m" : "")
            + string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{seconds:0.######}s");
    }

    /// <summary>How docker says a span in <c>Up 5 minutes</c>.</summary>
    public static string Human(TimeSpan span)
    {
        var seconds = (long)span.TotalSeconds;
        var minutes = (long)span.TotalMinutes;
        var hours = (long)Math.Round(span.TotalHours, MidpointRounding.AwayFromZero);
        return seconds switch
        {
            < 1 => "Less than a second",
            1 => "1 second",
            < 60 => $"{seconds} seconds",
            _ when minutes == 1 => "About a minute",
            _ when minutes < 60 => $"{minutes} minutes",
            _ when hours == 1 => "About an hour",
            _ when hours < 48 => $"{hours} hours",
            _ when hours < 24 * 7 * 2 => $"{hours / 24} days",
            _ when hours < 24 * 30 * 2 => $"{hours / 24 / 7} weeks",
            _ when hours < 24 * 365 * 2 => $"{hours / 24 / 30} months",
            _ => $"{(long)(span.TotalHours / 24 / 365)} years",
        };
    }
}
