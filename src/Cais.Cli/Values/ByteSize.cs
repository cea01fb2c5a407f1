using System.Globalization;

namespace Cais.Cli.Values;

/// <summary>Sizes in bytes as docker's flags take them: a number and an optional binary unit (<c>512m</c>, <c>1.5GiB</c>, <c>64 kb</c>).</summary>
internal static class ByteSize
{
    private const string Units = "kmgtp";

    /// <exception cref="FormatException">Not a size.</exception>
    public static long Parse(string text)
    {
        var last = text.LastIndexOfAny([.. "0123456789. "]);
        if (last < 0)
        {
            throw new FormatException($"invalid size: '{text}'");
        }

        var number = text[last] == ' ' ? text[..last] : text[..(last + 1)];
        var suffix = text[(last + 1)..].ToLowerInvariant();
        if (!double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out var size))
        {
            throw new FormatException($"strconv.ParseFloat: parsing {GoQuote.Quote(number)}: invalid syntax");
        }

        if (size < 0)
        {
            throw new FormatException($"invalid size: '{text}'");
        }

        if (suffix is "" or "b")
        {
            return (long)size;
        }

        var unit = Units.IndexOf(suffix[0]);
        return unit >= 0 && suffix[1..] is "" or "b" or "ib"
            ? (long)(size * Math.Pow(1024, unit + 1))
            : throw new FormatException($"invalid suffix: '{suffix}'");
    }
}
