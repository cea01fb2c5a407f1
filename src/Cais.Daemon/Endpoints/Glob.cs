namespace Cais.Daemon.Endpoints;

/// <summary>Shell patterns over names with slashes: <c>*</c> and <c>?</c> do not cross one.</summary>
internal static class Glob
{
    public static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        while (!pattern.IsEmpty)
        {
            switch (pattern[0])
            {
                case '*':
                    for (var i = 0; i <= text.Length; i++)
                    {
                        if (Matches(pattern[1..], text[i..]))
                        {
                            return true;
                        }

                        if (i < text.Length && text[i] == '/')
                        {
                            return false;
                        }
                    }

                    return false;
                case '?' when text.IsEmpty || text[0] == '/':
                    return false;
                case var c when c != '?' && (text.IsEmpty || text[0] != c):
                    return false;
            }

            pattern = pattern[1..];
            text = text[1..];
        }

        return text.IsEmpty;
    }
}
