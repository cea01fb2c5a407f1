namespace Cais.Oci.Images;

/// <summary>A digest, reference, manifest, index or configuration that somebody else wrote is not what its specification asks for.</summary>
public sealed class ImageFormatException : FormatException
{
    public ImageFormatException(string message) : base(message)
    {
    }

    public ImageFormatException(string message, Exception inner) : base(message, inner)
    {
    }
}

/// <summary>Text from outside, fit to be shown in a message: short and without control characters.</summary>
internal static class Shown
{
    private const int Longest = 128;

    public static string Of(string? text)
    {
        if (text is null)
        {
            return "";
        }

        var cut = text.Length > Longest ? string.Concat(text.AsSpan(0, Longest), "…") : text;
        return cut.AsSpan().IndexOfAnyInRange('\0', '\x1f') < 0 ? cut : string.Create(cut.Length, cut, static (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
            {
                span[i] = char.IsControl(from[i]) ? '?' : from[i];
            }
        });
    }
}
