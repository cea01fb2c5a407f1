using System.Globalization;

namespace Cais.Cli.Values;

/// <summary>Lengths of time in Go's notation (<c>1h30m</c>, <c>1.5s</c>, <c>-200ms</c>), in nanoseconds.</summary>
internal static class GoDuration
{
    /// <exception cref="FormatException">Not a duration; the sentence is Go's.</exception>
    public static long Parse(string text)
    {
        var quoted = GoQuote.Quote(text);
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
        {
            rest = rest[1..];
        }

        if (rest is "0")
        {
            return 0;
        }

        if (rest.IsEmpty)
        {
            throw new FormatException($"time: invalid duration {quoted}");
        }

        decimal total = 0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept("0123456789.");
            digits = digits < 0 ? rest.Length : digits;
            if (digits == 0 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                throw new FormatException($"time: invalid duration {quoted}");
            }

            rest = rest[digits..];
            var letters = rest.IndexOfAny("0123456789.");
            letters = letters < 0 ? rest.Length : letters;
            if (letters == 0)
            {
                throw new FormatException($"time: missing unit in duration {quoted}");
            }

            decimal unit = rest[..letters] switch
            {
                "ns" => 1,
                "us" or "µs" or "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                var other => throw new FormatException($"time: unknown unit {GoQuote.Quote(other.ToString())} in duration {quoted}"),
            };
            total += number * unit;
            if (total > long.MaxValue)
            {
                throw new FormatException($"time: invalid duration {quoted}");
            }

            rest = rest[letters..];
        }

        return (long)(negative ? -total : total);
    }

    /// <summary>Go's own rendering: <c>1h30m0s</c>, <c>1.5s</c>, <c>200ms</c>, <c>0s</c>.</summary>
    public static string Format(long nanoseconds)
    {
        if (nanoseconds == 0)
        {
            return "0s";
        }

        var sign = nanoseconds < 0 ? "-" : "";
        decimal value = Math.Abs((decimal)nanoseconds);
        if (value < 1_000_000_000)
        {
            return sign + (value < 1_000 ? $"{Number(value)}ns" : value < 1_000_000 ? $"{Number(value / 1_000)}µs" : $"{Number(value / 1_000_000)}ms");
        }

        var seconds = value / 1_000_000_000;
        var hours = Math.Floor(seconds / 3600);
        var minutes = Math.Floor(seconds / 60) % 60;
        var text = $"{Number(seconds % 60)}s";
        if (hours > 0 || minutes > 0)
        {
            text = $"{Number(minutes)}m{text}";
        }

        return sign + (hours > 0 ? $"{Number(hours)}h{text}" : text);
    }

    private static string Number(decimal value) => value.ToString("0.#########", CultureInfo.InvariantCulture);
}
