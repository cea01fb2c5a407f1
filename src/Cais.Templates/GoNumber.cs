using System.Globalization;
using System.Numerics;

namespace Cais.Templates;

/// <summary>Numbers and truth values as Go's strconv reads them, with its error sentences.</summary>
internal static class GoNumber
{
    public static bool ParseBool(string text) => text switch
    {
        "1" or "t" or "T" or "TRUE" or "true" or "True" => true,
        "0" or "f" or "F" or "FALSE" or "false" or "False" => false,
        _ => throw Syntax("ParseBool", text),
    };

    /// <summary>Signed, in base 10 or with one of the prefixes <c>0x</c>, <c>0o</c>, <c>0</c>, <c>0b</c>.</summary>
    public static long ParseInt(string text, int bits)
    {
        var negative = text.StartsWith('-');
        var magnitude = Magnitude(text.StartsWith('-') || text.StartsWith('+') ? text[1..] : text) ?? throw Syntax("ParseInt", text);
        var value = negative ? -magnitude : magnitude;
        var limit = BigInteger.One << (bits - 1);
        return value >= -limit && value < limit ? (long)value : throw Range("ParseInt", text);
    }

    public static ulong ParseUint(string text, int bits)
    {
        var value = Magnitude(text) ?? throw Syntax("ParseUint", text);
        return value < BigInteger.One << bits ? (ulong)value : throw Range("ParseUint", text);
    }

    private static FormatException Syntax(string function, string text) =>
        new($"strconv.{function}: parsing {GoQuote.Quote(text)}: invalid syntax");

    private static FormatException Range(string function, string text) =>
        new($"strconv.{function}: parsing {GoQuote.Quote(text)}: value out of range");

    private static BigInteger? Magnitude(string text)
    {
        var (digits, radix) = text switch
        {
            ['0', 'x' or 'X', .. var rest] => (rest, 16),
            ['0', 'o' or 'O', .. var rest] => (rest, 8),
            ['0', 'b' or 'B', .. var rest] => (rest, 2),
            ['0', .. var rest] when rest.Length > 0 => (rest, 8),
            _ => (text, 10),
        };
        if (digits.Length == 0)
        {
            return null;
        }

        BigInteger value = 0;
        var previous = text.Length == digits.Length ? '_' : '0';
        foreach (var c in digits)
        {
            if (c == '_' && previous != '_' && text.Length != digits.Length)
            {
                previous = c;
                continue;
            }

            var digit = char.IsAsciiHexDigit(c) ? int.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture) : radix;
            if (digit >= radix)
            {
                return null;
            }

            value = (value * radix) + digit;
            previous = c;
        }

        return previous == '_' ? null : value;
    }
}
