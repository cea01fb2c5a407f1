namespace Cais.Cli.Formatting;

/// <summary>Orders names as people do: <c>net2</c> before <c>net10</c>.</summary>
internal sealed class NaturalOrder : IComparer<string>
{
    public static readonly NaturalOrder Instance = new();

    public int Compare(string? x, string? y)
    {
        var left = x.AsSpan();
        var right = y.AsSpan();
        while (!left.IsEmpty && !right.IsEmpty)
        {
            var (leftDigits, rightDigits) = (DigitCount(left), DigitCount(right));
            if (leftDigits > 0 && rightDigits > 0)
            {
                var a = left[..leftDigits].TrimStart('0');
                var b = right[..rightDigits].TrimStart('0');
                var order = a.Length != b.Length ? a.Length.CompareTo(b.Length) : a.SequenceCompareTo(b);
                if (order != 0)
                {
                    return order;
                }

                left = left[leftDigits..];
                right = right[rightDigits..];
            }
            else if (left[0] != right[0])
            {
                return left[0].CompareTo(right[0]);
            }
            else
            {
                left = left[1..];
                right = right[1..];
            }
        }

        return left.Length != right.Length ? left.Length.CompareTo(right.Length) : string.CompareOrdinal(x, y);
    }

    private static int DigitCount(ReadOnlySpan<char> text)
    {
        var end = text.IndexOfAnyExceptInRange('0', '9');
        return end < 0 ? text.Length : end;
    }
}
