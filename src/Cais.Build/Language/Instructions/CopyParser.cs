using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>COPY and ADD: flags, sources, heredocs, destination.</summary>
internal static class CopyParser
{
    public static CopyInstruction Parse(RawInstruction raw, FlagSet flags, char escape)
    {
        var isAdd = raw.Name == "ADD";
        var words = Words(raw);
        if (words.Count < 2)
        {
            throw new DockerfileException(
                words.Count == 0
                    ? $"{raw.Name} requires at least two arguments: <source>... <destination>"
                    : $"{raw.Name} requires at least two arguments, but only one was provided. Destination could not be determined",
                words.Count == 0 ? raw.Range : words[0].Range);
        }

        var sources = new List<Text>();
        var inline = new List<Heredoc>();
        foreach (var word in words.SkipLast(1))
        {
            if (raw.Heredocs.Count > inline.Count && HeredocReader.TryRead(word.Value, escape, out _))
            {
                inline.Add(raw.Heredocs[inline.Count]);
            }
            else
            {
                sources.Add(word);
            }
        }

        if (HeredocReader.TryRead(words[^1].Value, escape, out _) && raw.Heredocs.Count > inline.Count)
        {
            throw new DockerfileException($"{raw.Name} cannot accept a heredoc as a destination", words[^1].Range);
        }

        return new CopyInstruction
        {
            IsAdd = isAdd,
            Sources = sources,
            Inline = inline,
            Destination = words[^1],
            From = isAdd ? null : flags.One("from"),
            Owner = flags.One("chown"),
            Mode = flags.One("chmod"),
            IsLink = flags.Boolean("link") ?? false,
            KeepsParents = !isAdd && (flags.Boolean("parents") ?? false),
            Exclude = flags.Many("exclude"),
            Checksum = isAdd ? flags.One("checksum") : null,
            Unpack = isAdd ? flags.Boolean("unpack") : null,
            KeepGitDirectory = isAdd ? flags.Boolean("keep-git-dir") : null,
        };
    }

    private static List<Text> Words(RawInstruction raw) => WordReader.JsonStrings(raw.Arguments) is { } json
        ? [.. json.Select(j => new Text(j, raw.Arguments.Whole))]
        : [.. InstructionParser.Texts(HeredocReader.Joined(WordReader.AtBlanks(raw.Arguments)))];
}
