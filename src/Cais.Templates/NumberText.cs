using System.Globalization;

namespace Cais.Templates;

/// <summary>Number constants of templates: Go's notations for integers and floating point numbers.</summary>
internal static class NumberText
{
    /// <summary>The value as <see cref="long"/>, or as <see cref="double"/> when it is no integer.</summary>
    public static bool TryParse(string text, out object value)
    {
        try
        {
            value = GoNumber.ParseInt(text, 64);
            return true;
        }
        catch (FormatException)
        {
            // Perhaps with a fraction or an exponent.
        }

        if (double.TryParse(text.Replace("_", "", StringComparison.Ordinal), NumberStyles.Float, CultureInfo.InvariantCulture, out var real)
            && !text.Any(char.IsWhiteSpace) && text.Any(char.IsAsciiDigit))
        {
            value = real;
            return true;
        }

        value = 0L;
        return false;
    }
}
