using System.Text;

namespace Cais.Build.Language.Syntax;

/// <summary>Words that start with <c>--</c> directly after the keyword. Quotes group and vanish; <c>--</c> alone ends the flags.</summary>
internal static class FlagReader
{
    public static List<RawFlag> Read(LogicalText text, out LogicalText rest)
    {
        var flags = new List<RawFlag>();
        var at = 0;
        while (true)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at]))
            {
                at++;
            }

            if (!text.Text.AsSpan(at).StartsWith("--"))
            {
                break;
            }

            var start = at;
            var word = ReadWord(text, ref at);
            if (word == "--")
            {
                break;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var range = text.Range(start, at - start);
            flags.Add(equals < 0 ? new RawFlag(word[2..], null, range) : new RawFlag(word[2..equals], word[(equals + 1)..], range));
        }

        rest = text.Slice(at);
        return flags;
    }

    private static string ReadWord(LogicalText text, ref int at)
    {
        var word = new StringBuilder();
        var quote = '\0';
        for (; at < text.Length; at++)
        {
            var c = text[at];
            if (c == '\\' && at + 1 < text.Length)
            {
                word.Append(text[++at]);
            }
            else if (quote != 0)
            {
                if (c == quote)
                {
                    quote = '\0';
                }
                else
                {
                    word.Append(c);
                }
            }
            else if (c is '"' or '\'')
            {
                quote = c;
            }
            else if (char.IsWhiteSpace(c))
            {
                break;
            }
            else
            {
                word.Append(c);
            }
        }

        return word.ToString();
    }
}
