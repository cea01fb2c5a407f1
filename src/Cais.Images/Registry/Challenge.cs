namespace Cais.Images.Registry;

/// <summary>A WWW-Authenticate challenge: the scheme in lower case and its parameters (RFC 9110 section 11.6.1).</summary>
internal sealed record Challenge(string Scheme, IReadOnlyDictionary<string, string> Parameters)
{
    public string? this[string name] => Parameters.TryGetValue(name, out var value) ? value : null;

    /// <summary>Reads one header's value, which has one challenge; null if it is none.</summary>
    public static Challenge? Parse(string header)
    {
        var text = header.AsSpan().Trim();
        var space = text.IndexOf(' ');
        var scheme = (space < 0 ? text : text[..space]).ToString().ToLowerInvariant();
        if (scheme.Length == 0)
        {
            return null;
        }

        var parameters = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
        var rest = space < 0 ? default : text[(space + 1)..];
        while (!rest.IsEmpty)
        {
            rest = rest.TrimStart(" ,\t");
            var equals = rest.IndexOf('=');
            if (equals <= 0)
            {
                break;
            }

            var key = rest[..equals].Trim().ToString();
            rest = rest[(equals + 1)..].TrimStart();
            parameters[key] = rest.StartsWith("\"") ? Quoted(ref rest) : Token(ref rest);
        }

        return new Challenge(scheme, parameters);
    }

    private static string Token(ref ReadOnlySpan<char> rest)
    {
        var end = rest.IndexOf(',');
        var token = (end < 0 ? rest : rest[..end]).Trim().ToString();
        rest = end < 0 ? default : rest[end..];
        return token;
    }

    private static string Quoted(ref ReadOnlySpan<char> rest)
    {
        var value = new System.Text.StringBuilder();
        var i = 1;
        for (; i < rest.Length && rest[i] != '"'; i++)
        {
            if (rest[i] == '\\' && i + 1 < rest.Length)
            {
                i++;
            }

            value.Append(rest[i]);
        }

        rest = i < rest.Length ? rest[(i + 1)..] : default;
        return value.ToString();
    }
}
