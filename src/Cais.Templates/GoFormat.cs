using System.Globalization;
using System.Text;

namespace Cais.Templates;

/// <summary>Go's Printf: verbs, flags, width, precision, and its way to show mistakes in the output rather than fail.</summary>
internal static class GoFormat
{
    public static string Format(string format, IReadOnlyList<object?> arguments)
    {
        var output = new StringBuilder();
        var next = 0;
        for (var i = 0; i < format.Length;)
        {
            var percent = format.IndexOf('%', i);
            if (percent < 0)
            {
                output.Append(format, i, format.Length - i);
                break;
            }

            output.Append(format, i, percent - i);
            i = percent + 1;
            var directive = default(Directive);
            while (i < format.Length && "+-# 0".Contains(format[i]))
            {
                directive = directive.WithFlag(format[i++]);
            }

            directive.Width = ReadNumber(format, ref i, arguments, ref next, output, "WIDTH");
            if (directive.Width < 0)
            {
                directive.Left = true;
                directive.Width = -directive.Width;
            }

            if (i < format.Length && format[i] == '.')
            {
                i++;
                directive.Precision = ReadNumber(format, ref i, arguments, ref next, output, "PREC") ?? 0;
            }

            if (i >= format.Length)
            {
                output.Append("%!(NOVERB)");
                break;
            }

            var verb = format[i++];
            if (verb == '%')
            {
                output.Append('%');
            }
            else if (next >= arguments.Count)
            {
                output.Append("%!").Append(verb).Append("(MISSING)");
            }
            else
            {
                output.Append(Render(verb, directive, arguments[next++]));
            }
        }

        if (next < arguments.Count)
        {
            output.Append("%!(EXTRA ")
                .AppendJoin(", ", arguments.Skip(next).Select(static a => a is null ? "<nil>" : $"{GoPrinter.TypeName(a)}={GoPrinter.Text(a)}"))
                .Append(')');
        }

        return output.ToString();
    }

    private struct Directive
    {
        public bool Plus;
        public bool Left;
        public bool Sharp;
        public bool Space;
        public bool Zero;
        public int? Width;
        public int? Precision;

        public readonly Directive WithFlag(char flag)
        {
            var copy = this;
            copy.Plus |= flag == '+';
            copy.Left |= flag == '-';
            copy.Sharp |= flag == '#';
            copy.Space |= flag == ' ';
            copy.Zero |= flag == '0';
            return copy;
        }
    }

    private static int? ReadNumber(string format, ref int i, IReadOnlyList<object?> arguments, ref int next, StringBuilder output, string what)
    {
        if (i < format.Length && format[i] == '*')
        {
            i++;
            if (next < arguments.Count && arguments[next] is long number and > -1_000_000 and < 1_000_000)
            {
                next++;
                return (int)number;
            }

            next++;
            output.Append("%!(BAD").Append(what).Append(')');
            return null;
        }

        var start = i;
        while (i < format.Length && char.IsAsciiDigit(format[i]))
        {
            i++;
        }

        return i > start && int.TryParse(format.AsSpan(start, i - start), CultureInfo.InvariantCulture, out var value) ? Math.Min(value, 1_000_000) : null;
    }

    private static string Render(char verb, Directive directive, object? value)
    {
        if (verb == 'T')
        {
            return Pad(GoPrinter.TypeName(value), directive);
        }

        if (value is IReadOnlyList<object?> list && verb is not ('v' or 'p'))
        {
            return "[" + string.Join(' ', list.Select(item => Render(verb, directive, item))) + "]";
        }

        var text = (verb, value) switch
        {
            ('v', string s) => directive.Sharp ? GoQuote.Quote(s) : s,
            ('v', long or ulong) => Integer('d', directive, value),
            ('v', double real) => Real('g', directive, real),
            ('v', null) => "<nil>",
            ('v', _) => GoPrinter.Text(value),
            ('t', bool truth) => truth ? "true" : "false",
            ('s', string s) => Cut(s, directive),
            ('q', string s) => directive.Sharp && !s.Contains('`') ? $"`{s}`" : GoQuote.Quote(Cut(s, directive)),
            ('x' or 'X', string s) => Hex(verb, Encoding.UTF8.GetBytes(Cut(s, directive)), directive),
            ('d' or 'b' or 'o' or 'O' or 'x' or 'X' or 'c' or 'q' or 'U', long or ulong) => Integer(verb, directive, value),
            ('e' or 'E' or 'f' or 'F' or 'g' or 'G', double real) => Real(verb, directive, real),
            ('s', GoMap or GoStruct) => GoPrinter.Text(value),
            (_, null) => $"%!{verb}(<nil>)",
            _ => $"%!{verb}({GoPrinter.TypeName(value)}={GoPrinter.Text(value)})",
        };
        return Pad(text, directive, numeric: value is long or ulong or double && verb is not ('c' or 'q' or 'U'));
    }

    private static string Cut(string text, Directive directive)
    {
        if (directive.Precision is not { } precision)
        {
            return text;
        }

        var result = new StringBuilder();
        foreach (var rune in text.EnumerateRunes().Take(precision))
        {
            result.Append(rune.ToString());
        }

        return result.ToString();
    }

    private static string Hex(char verb, byte[] bytes, Directive directive)
    {
        var hex = verb == 'x' ? Convert.ToHexStringLower(bytes) : Convert.ToHexString(bytes);
        if (directive.Space)
        {
            hex = string.Join(' ', hex.Chunk(2).Select(static pair => new string(pair)));
        }

        return directive.Sharp && hex.Length > 0 ? $"0{verb}{hex}" : hex;
    }

    private static string Integer(char verb, Directive directive, object value)
    {
        var negative = value is long and < 0;
        var magnitude = value is long l ? (ulong)Math.Abs((decimal)l) : (ulong)value;
        switch (verb)
        {
            case 'c':
                return magnitude <= int.MaxValue && Rune.IsValid((int)magnitude) ? new Rune((int)magnitude).ToString() : "\uFFFD";
            case 'q':
                return magnitude <= int.MaxValue && Rune.IsValid((int)magnitude) ? $"'{new Rune((int)magnitude)}'" : "'\uFFFD'";
            case 'U':
                return $"U+{magnitude:X4}";
        }

        var digits = verb switch
        {
            'b' => magnitude.ToString("b", CultureInfo.InvariantCulture),
            'o' or 'O' => Octal(magnitude),
            'x' => magnitude.ToString("x", CultureInfo.InvariantCulture),
            'X' => magnitude.ToString("X", CultureInfo.InvariantCulture),
            _ => magnitude.ToString(CultureInfo.InvariantCulture),
        };
        if (directive.Precision is { } precision)
        {
            digits = precision == 0 && magnitude == 0 ? "" : digits.PadLeft(precision, '0');
        }

        var prefix = verb switch
        {
            'O' => "0o",
            'x' when directive.Sharp => "0x",
            'X' when directive.Sharp => "0X",
            'b' when directive.Sharp => "0b",
            'o' when directive.Sharp => "0",
            _ => "",
        };
        return (negative ? "-" : directive.Plus ? "+" : directive.Space ? " " : "") + prefix + digits;
    }

    private static string Octal(ulong value)
    {
        var digits = new StringBuilder();
        do
        {
            digits.Insert(0, (char)('0' + (value & 7)));
            value >>= 3;
        }
        while (value > 0);

        return digits.ToString();
    }

    private static string Real(char verb, Directive directive, double value)
    {
        if (double.IsNaN(value) || double.IsInfinity(value))
        {
            return double.IsNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
        }

        var text = verb switch
        {
            'f' or 'F' => value.ToString($"F{directive.Precision ?? 6}", CultureInfo.InvariantCulture),
            'e' or 'E' => Exponent(value.ToString($"{verb}{directive.Precision ?? 6}", CultureInfo.InvariantCulture)),
            _ when directive.Precision is { } precision => General(value, Math.Max(precision, 1), verb),
            _ => GoPrinter.Number(value),
        };
        return !text.StartsWith('-') && directive.Plus ? "+" + text : !text.StartsWith('-') && directive.Space ? " " + text : text;
    }

    private static string General(double value, int precision, char verb)
    {
        var text = value.ToString($"G{precision}", CultureInfo.InvariantCulture);
        return text.Contains('E') ? Exponent(verb == 'G' ? text : text.Replace('E', 'e')) : text;
    }

    /// <summary>Two digits of exponent, where .NET writes three.</summary>
    private static string Exponent(string text)
    {
        var e = text.IndexOfAny(['e', 'E']);
        var digits = text[(e + 1)..].TrimStart('+', '-').TrimStart('0').PadLeft(2, '0');
        return $"{text[..(e + 1)]}{(text[e + 1] == '-' ? '-' : '+')}{digits}";
    }

    private static string Pad(string text, Directive directive, bool numeric = false)
    {
        var missing = (directive.Width ?? 0) - text.EnumerateRunes().Count();
        if (missing <= 0)
        {
            return text;
        }

        if (directive.Left)
        {
            return text + new string(' ', missing);
        }

        if (!directive.Zero || directive.Precision is not null && numeric && !text.Contains('.'))
        {
            return new string(' ', missing) + text;
        }

        var sign = numeric && text[0] is '-' or '+' or ' ' ? 1 : 0;
        return text[..sign] + new string('0', missing) + text[sign..];
    }
}
