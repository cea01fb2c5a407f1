namespace Cais.Build.Language.Syntax;

/// <summary>Finds <c>[n]&lt;&lt;[-]WORD</c> among the words of an instruction that may have heredocs.</summary>
internal static class HeredocReader
{
    public readonly record struct Opening(string Name, int Descriptor, bool StripsTabs, bool Expands, SourceRange Range);

    public static List<Opening> Find(RawInstruction raw, char escape)
    {
        var (name, arguments) = (raw.Name, raw.Arguments);
        while (name == "ONBUILD")
        {
            var inner = DockerfileReader.Split(arguments);
            (name, arguments) = (inner.Name, inner.Arguments);
        }

        if (name is not ("RUN" or "COPY" or "ADD") || !arguments.Text.Contains("<<", StringComparison.Ordinal) || IsJson(arguments))
        {
            return [];
        }

        var openings = new List<Opening>();
        foreach (var word in Joined(WordReader.Quoted(arguments, escape)))
        {
            if (TryRead(word.Text, escape, out var opening))
            {
                openings.Add(opening with { Range = word.Range });
            }
        }

        return openings;
    }

    /// <summary>Words, with <c>&lt;&lt;</c> that stands alone joined to the end word after it.</summary>
    public static List<Word> Joined(List<Word> words)
    {
        for (var i = words.Count - 2; i >= 0; i--)
        {
            var operation = words[i].Text.AsSpan().TrimStart("0123456789");
            if (operation is "<<" or "<<-")
            {
                words[i] = new Word(words[i].Text + words[i + 1].Text, new SourceRange(words[i].Range.Start, words[i + 1].Range.End));
                words.RemoveAt(i + 1);
            }
        }

        return words;
    }

    /// <summary>Whether one word opens a heredoc.</summary>
    public static bool TryRead(string word, char escape, out Opening opening)
    {
        opening = default;
        var digits = 0;
        while (digits < word.Length && char.IsAsciiDigit(word[digits]))
        {
            digits++;
        }

        var rest = word.AsSpan(digits);
        if (!rest.StartsWith("<<") || digits > 4)
        {
            return false;
        }

        rest = rest[2..];
        var strips = rest.StartsWith("-");
        rest = strips ? rest[1..] : rest;
        if (rest.IsEmpty || rest.Contains('<'))
        {
            return false;
        }

        var name = Unquote(rest, escape, out var wasQuoted);
        if (name.Length == 0 || name.AsSpan().IndexOfAny(" \t") >= 0)
        {
            return false;
        }

        opening = new Opening(name, digits == 0 ? 0 : int.Parse(word.AsSpan(0, digits), System.Globalization.CultureInfo.InvariantCulture), strips, !wasQuoted, default);
        return true;
    }

    private static bool IsJson(LogicalText arguments)
    {
        try
        {
            return WordReader.JsonStrings(arguments) is not null;
        }
        catch (DockerfileException)
        {
            return true;
        }
    }

    private static string Unquote(ReadOnlySpan<char> text, char escape, out bool wasQuoted)
    {
        var result = new System.Text.StringBuilder();
        wasQuoted = false;
        var quote = '\0';
        for (var i = 0; i < text.Length; i++)
        {
            if (quote == 0 && text[i] is '"' or '\'')
            {
                (quote, wasQuoted) = (text[i], true);
            }
            else if (quote != 0 && text[i] == quote)
            {
                quote = '\0';
            }
            else if (text[i] == escape && quote != '\'' && i + 1 < text.Length)
            {
                wasQuoted = true;
                result.Append(text[++i]);
            }
            else
            {
                result.Append(text[i]);
            }
        }

        return result.ToString();
    }
}
