using System.Globalization;

namespace Cais.Build.Language;

/// <summary>Values as Go programs read them, which is what Dockerfiles were written against.</summary>
internal static class GoValues
{
    /// <summary>1, t, T, TRUE, true, True and their opposites.</summary>
    public static bool TryBoolean(string text, out bool value)
    {
        value = text is "1" or "t" or "T" or "TRUE" or "true" or "True";
        return value || text is "0" or "f" or "F" or "FALSE" or "false" or "False";
    }

    /// <summary>A duration: <c>1h30m</c>, <c>1.5s</c>, <c>300ms</c>; <c>0</c> needs no unit.</summary>
    public static bool TryDuration(string text, out TimeSpan value)
    {
        value = default;
        var rest = text.AsSpan();
        var negative = rest.StartsWith("-");
        if (negative || rest.StartsWith("+"))
        {
            rest = rest[1..];
        }

        if (rest.SequenceEqual("0"))
        {
            return true;
        }

        if (rest.IsEmpty)
        {
            return false;
        }

        decimal nanoseconds = 0;
        while (!rest.IsEmpty)
        {
            var digits = rest.IndexOfAnyExcept("0123456789.");
            if (digits <= 0 || digits > 28 || !decimal.TryParse(rest[..digits], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            rest = rest[digits..];
            var length = rest.IndexOfAny("0123456789.");
            var unit = length < 0 ? rest : rest[..length];
            decimal? factor = unit switch
            {
                "ns" => 1,
                "us" or "µs" or "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => null,
            };
            if (factor is null || number > long.MaxValue / factor)
            {
                return false;
            }

            nanoseconds += number * factor.Value;
            rest = rest[unit.Length..];
        }

        if (nanoseconds > long.MaxValue)
        {
            return false;
        }

        value = TimeSpan.FromTicks((long)(nanoseconds / 100)) * (negative ? -1 : 1);
        return true;
    }

    /// <summary>Bytes with a unit: <c>64m</c>, <c>1.5GiB</c>, <c>1024</c>. Units are powers of 1024.</summary>
    public static bool TryBytes(string text, out long value)
    {
        value = 0;
        var number = text.AsSpan().Trim();
        var end = number.IndexOfAnyExcept("0123456789.");
        var unit = end < 0 ? "" : number[end..].Trim().ToString().ToLowerInvariant();
        number = end < 0 ? number : number[..end];
        int? shift = unit switch
        {
            "" or "b" => 0,
            "k" or "kb" or "kib" => 10,
            "m" or "mb" or "mib" => 20,
            "g" or "gb" or "gib" => 30,
            "t" or "tb" or "tib" => 40,
            "p" or "pb" or "pib" => 50,
            _ => null,
        };
        if (shift is null || number.Length > 28 || !decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var parsed))
        {
            return false;
        }

        var bytes = parsed <= long.MaxValue ? parsed * (1L << shift.Value) : decimal.MaxValue;
        if (bytes > long.MaxValue)
        {
            return false;
        }

        value = (long)bytes;
        return true;
    }
}
