using System.Globalization;

namespace Cais.Engine;

/// <summary>Sizes as users write them, in powers of 1024: <c>64m</c>, <c>1.5GB</c>, <c>4096</c>.</summary>
public static class Sizes
{
    public static bool TryParse(ReadOnlySpan<char> text, out long bytes)
    {
        bytes = 0;
        text = text.Trim();
        var end = text.IndexOfAnyExcept("0123456789.");
        var digits = end < 0 ? text : text[..end];
        var unit = end < 0 ? [] : text[end..].Trim();
        if (!double.TryParse(digits, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
        {
            return false;
        }

        if (unit.Length > 0 && (unit[^1] is 'b' or 'B'))
        {
            unit = unit[..^1];
            if (unit.Length > 0 && unit[^1] is 'i')
            {
                unit = unit[..^1];
            }
        }

        var scale = unit.Length switch
        {
            0 => 1L,
            1 => char.ToLowerInvariant(unit[0]) switch
            {
                'k' => 1L << 10,
                'm' => 1L << 20,
                'g' => 1L << 30,
                't' => 1L << 40,
                'p' => 1L << 50,
                _ => 0,
            },
            _ => 0,
        };
        if (scale == 0 || number * scale > long.MaxValue)
        {
            return false;
        }

        bytes = (long)(number * scale);
        return true;
    }
}
