namespace Cais.Build.Language;

/// <summary>"Did you mean …?"</summary>
internal static class Suggestions
{
    private const int FurthestEdits = 2;

    /// <summary>The nearest of <paramref name="known"/> in parentheses after a blank, or nothing if none is near.</summary>
    public static string For(string text, IEnumerable<string> known, string prefix = "")
    {
        if (text.Length is 0 or > 64)
        {
            return "";
        }

        var best = known
            .Select(k => (Name: k, Distance: Distance(text.ToUpperInvariant(), k.ToUpperInvariant())))
            .Where(c => c.Distance <= Math.Min(FurthestEdits, Math.Max(1, c.Name.Length / 2)) && c.Name != text)
            .OrderBy(c => c.Distance).ThenBy(c => c.Name, StringComparer.Ordinal)
            .FirstOrDefault();
        return best.Name is null ? "" : $" (did you mean {prefix}{best.Name}?)";
    }

    /// <summary>Edits (insert, delete, replace, swap of neighbours) between two words.</summary>
    private static int Distance(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++)
        {
            d[i, 0] = i;
        }

        for (var j = 0; j <= b.Length; j++)
        {
            d[0, j] = j;
        }

        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var cost = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + cost);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }
}
