using System.Globalization;
using System.Text;

namespace Cais.Templates;

/// <summary>Reads Go's string and character literals.</summary>
internal static class GoUnquote
{
    /// <param name="literal">With its quotes: double, single or back.</param>
    /// <param name="text">What it stands for.</param>
    /// <returns>False when an escape is not one of Go's.</returns>
    public static bool TryUnquote(string literal, out string text)
    {
        var body = literal[1..^1];
        if (literal[0] == '`')
        {
            text = body.Replace("\r", "", StringComparison.Ordinal);
            return true;
        }

        var result = new StringBuilder(body.Length);
        var bytes = new List<byte>();
        text = "";
        for (var i = 0; i < body.Length; i++)
        {
            if (body[i] != '\\')
            {
                Flush(result, bytes);
                result.Append(body[i]);
                continue;
            }

            if (++i >= body.Length)
            {
                return false;
            }

            switch (body[i])
            {
                case 'a' or 'b' or 'f' or 'n' or 'r' or 't' or 'v' or '\\' or '\'' or '"':
                    Flush(result, bytes);
                    result.Append("\a\b\f\n\r\t\v\\'\""["abfnrtv\\'\"".IndexOf(body[i])]);
                    break;
                case 'x' when Number(body, i + 1, 2, 16) is { } value:
                    bytes.Add((byte)value);
                    i += 2;
                    break;
                case 'u' when Number(body, i + 1, 4, 16) is { } value && Rune.IsValid(value):
                    Flush(result, bytes);
                    result.Append(new Rune(value).ToString());
                    i += 4;
                    break;
                case 'U' when Number(body, i + 1, 8, 16) is { } value && Rune.IsValid(value):
                    Flush(result, bytes);
                    result.Append(new Rune(value).ToString());
                    i += 8;
                    break;
                case >= '0' and <= '7' when Number(body, i, 3, 8) is { } value and < 256:
                    bytes.Add((byte)value);
                    i += 2;
                    break;
                default:
                    return false;
            }
        }

        Flush(result, bytes);
        text = result.ToString();
        return true;
    }

    private static void Flush(StringBuilder result, List<byte> bytes)
    {
        if (bytes.Count > 0)
        {
            result.Append(Encoding.UTF8.GetString([.. bytes]));
            bytes.Clear();
        }
    }

    private static int? Number(string text, int start, int length, int radix)
    {
        if (start + length > text.Length)
        {
            return null;
        }

        var value = 0;
        foreach (var c in text.AsSpan(start, length))
        {
            var digit = char.IsAsciiHexDigit(c) ? int.Parse([c], NumberStyles.HexNumber, CultureInfo.InvariantCulture) : radix;
            if (digit >= radix)
            {
                return null;
            }

            value = (value * radix) + digit;
        }

        return value;
    }
}
