using System.Globalization;
using System.Text;

namespace Cais.Templates;

/// <summary>Values as Go's fmt prints them with <c>%v</c>.</summary>
internal static class GoPrinter
{
    /// <summary>How a value appears inside of another: a missing one is <c>&lt;nil&gt;</c>.</summary>
    public static string Text(object? value) => value switch
    {
        null => "<nil>",
        string text => text,
        bool truth => truth ? "true" : "false",
        double real => Number(real),
        GoMap map => Map(map),
        GoStruct row => "{" + string.Join(' ', row.FieldNames.Select(n => row.TryGetField(n, out var v) ? Text(v) : "")) + "}",
        IReadOnlyList<object?> list => "[" + string.Join(' ', list.Select(Text)) + "]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    /// <summary>Go's name of a value's type.</summary>
    public static string TypeName(object? value) => value switch
    {
        null => "<nil>",
        string => "string",
        bool => "bool",
        long => "int",
        ulong => "uint64",
        double => "float64",
        GoMap => "map[string]interface {}",
        GoStruct row => row.TypeName,
        IReadOnlyList<object?> => "[]interface {}",
        _ => value.GetType().Name,
    };

    /// <summary>Shortest decimal form that reads back as the same number; an exponent below 1e-4 and from 1e6 on.</summary>
    public static string Number(double value) => Shortest(value, lowest: -4, highest: 6, twoDigitExponent: true);

    /// <summary>As encoding/json writes numbers: an exponent below 1e-6 and from 1e21 on.</summary>
    public static string JsonNumber(double value) => Shortest(value, lowest: -6, highest: 21, twoDigitExponent: false);

    private static string Shortest(double value, int lowest, int highest, bool twoDigitExponent)
    {
        if (double.IsNaN(value))
        {
            return "NaN";
        }

        if (double.IsInfinity(value))
        {
            return value > 0 ? "+Inf" : "-Inf";
        }

        if (value == 0)
        {
            return double.IsNegative(value) ? "-0" : "0";
        }

        // "R" digits in scientific notation, then laid out Go's way.
        var scientific = value.ToString("E16", CultureInfo.InvariantCulture);
        var shortest = value.ToString("R", CultureInfo.InvariantCulture);
        var exponent = int.Parse(scientific[(scientific.IndexOf('E') + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        var digits = Digits(shortest);
        var sign = value < 0 ? "-" : "";
        if (exponent < lowest || exponent >= highest)
        {
            var mantissa = digits.Length > 1 ? $"{digits[0]}.{digits[1..]}" : digits;
            var magnitude = Math.Abs(exponent).ToString(twoDigitExponent ? "00" : "0", CultureInfo.InvariantCulture);
            return $"{sign}{mantissa}e{(exponent < 0 ? '-' : '+')}{magnitude}";
        }

        if (exponent < 0)
        {
            return sign + "0." + new string('0', -exponent - 1) + digits;
        }

        return digits.Length <= exponent + 1
            ? sign + digits + new string('0', exponent + 1 - digits.Length)
            : $"{sign}{digits[..(exponent + 1)]}.{digits[(exponent + 1)..]}";
    }

    /// <summary>Significant digits of a number in any notation.</summary>
    private static string Digits(string number)
    {
        var digits = new StringBuilder();
        foreach (var c in number.TrimStart('-'))
        {
            if (c is 'E' or 'e')
            {
                break;
            }

            if (char.IsAsciiDigit(c))
            {
                digits.Append(c);
            }
        }

        return digits.ToString().TrimStart('0').TrimEnd('0');
    }

    private static string Map(GoMap map) =>
        "map[" + string.Join(' ', map.Keys.Select(key => $"{key}:{(map.TryGet(key, out var value) ? Text(value) : "")}")) + "]";
}
