using System.Text;

namespace Cais.Build.Language.Syntax;

/// <summary>A word with its place.</summary>
internal readonly record struct Word(string Text, SourceRange Range)
{
    public override string ToString() => Text;
}

/// <summary>Ways to cut arguments into words.</summary>
internal static class WordReader
{
    /// <summary>At blanks, and nothing else has a meaning.</summary>
    public static List<Word> AtBlanks(LogicalText text) => Read(text, static (t, at) => at + 1);

    /// <summary>At blanks outside of quotes. Quotes and escapes stay: expansion takes them off later.</summary>
    public static List<Word> Quoted(LogicalText text, char escape) => Read(text, (t, at) =>
    {
        if (t[at] == escape)
        {
            return Math.Min(at + 2, t.Length);
        }

        var quote = t[at];
        if (quote is not ('"' or '\''))
        {
            return at + 1;
        }

        for (at++; at < t.Length && t[at] != quote; at++)
        {
            if (t[at] == escape && quote == '"')
            {
                at++;
            }
        }

        return Math.Min(at + 1, t.Length);
    });

    private static List<Word> Read(LogicalText text, Func<LogicalText, int, int> step)
    {
        var words = new List<Word>();
        var at = 0;
        while (true)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at]))
            {
                at++;
            }

            if (at == text.Length)
            {
                return words;
            }

            var start = at;
            while (at < text.Length && !char.IsWhiteSpace(text[at]))
            {
                at = step(text, at);
            }

            words.Add(new Word(text.Text[start..at], text.Range(start, at - start)));
        }
    }

    /// <summary>
    /// A JSON array of strings; null if the text is none (then it is shell form). Throws if it is an array with anything but strings in it.
    /// </summary>
    public static IReadOnlyList<string>? JsonStrings(LogicalText text)
    {
        if (text.Length == 0 || text[0] != '[')
        {
            return null;
        }

        var utf8 = Encoding.UTF8.GetBytes(text.Text);
        var reader = new System.Text.Json.Utf8JsonReader(utf8);
        var strings = new List<string>();
        var hasOther = false;
        try
        {
            reader.Read();
            while (reader.Read())
            {
                switch (reader.TokenType)
                {
                    case System.Text.Json.JsonTokenType.EndArray when reader.CurrentDepth == 0:
                        break;
                    case System.Text.Json.JsonTokenType.String when reader.CurrentDepth == 1:
                        strings.Add(reader.GetString()!);
                        break;
                    default:
                        hasOther = true;
                        break;
                }
            }
        }
        catch (Exception e) when (e is System.Text.Json.JsonException or InvalidOperationException)
        {
            return null;
        }

        return hasOther
            ? throw new DockerfileException("when using JSON array syntax, arrays must be comprised of strings only", text.Whole)
            : strings;
    }
}
