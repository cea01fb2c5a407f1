using System.Text.RegularExpressions;
using Cais.Build.Language.Syntax;

namespace Cais.Build.Language;

/// <summary>Turns cut-up text into instructions. All errors say where and what was expected.</summary>
internal static partial class InstructionParser
{
    internal static readonly string[] Names =
    [
        "ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER",
        "ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR",
    ];

    public static Instruction Parse(RawInstruction raw, char escape)
    {
        var flags = new FlagSet(raw);
        Instruction parsed = raw.Name switch
        {
            "FROM" => ParseFrom(raw, flags),
            "RUN" => CommandParser.ParseRun(raw, flags),
            "CMD" => new CmdInstruction { Command = CommandParser.Parse(raw.Arguments) },
            "ENTRYPOINT" => new EntrypointInstruction { Command = CommandParser.Parse(raw.Arguments) },
            "ENV" => ParseEnv(raw, escape),
            "LABEL" => ParseLabel(raw, escape),
            "ARG" => ParseArg(raw, escape),
            "COPY" or "ADD" => CopyParser.Parse(raw, flags, escape),
            "EXPOSE" => new ExposeInstruction { Ports = Texts(WordReader.AtBlanks(AtLeastOne(raw))) },
            "VOLUME" => new VolumeInstruction { Paths = ParseVolumes(raw) },
            "USER" => new UserInstruction { User = ExactlyOne(raw) },
            "WORKDIR" => new WorkdirInstruction { Path = ExactlyOne(raw) },
            "STOPSIGNAL" => new StopSignalInstruction { Signal = ExactlyOne(raw) },
            "MAINTAINER" => new MaintainerInstruction { Author = ExactlyOne(raw).Value },
            "SHELL" => ParseShell(raw),
            "HEALTHCHECK" => HealthcheckParser.Parse(raw, flags),
            "ONBUILD" => ParseOnbuild(raw, escape),
            _ => throw new DockerfileException($"unknown instruction: {raw.Keyword}{Suggestions.For(raw.Keyword, Names)}", raw.KeywordRange),
        };
        flags.End();
        return parsed with
        {
            Keyword = raw.Keyword,
            KeywordRange = raw.KeywordRange,
            Range = raw.Range,
            Text = raw.Text,
            Comments = raw.Comments,
            EmptyLines = raw.EmptyLines,
        };
    }

    /// <summary>What may follow ONBUILD.</summary>
    public static Instruction ParseTrigger(RawInstruction raw, char escape) => raw.Name switch
    {
        "ONBUILD" => throw new DockerfileException("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed", raw.KeywordRange),
        "MAINTAINER" or "FROM" => throw new DockerfileException($"{raw.Name} isn't allowed as an ONBUILD trigger", raw.KeywordRange),
        _ => Parse(raw, escape),
    };

    public static LogicalText AtLeastOne(RawInstruction raw) => raw.Arguments.Length > 0
        ? raw.Arguments
        : throw new DockerfileException($"{raw.Name} requires at least one argument", raw.Range);

    public static IReadOnlyList<Text> Texts(IEnumerable<Word> words) => [.. words.Select(w => new Text(w.Text, w.Range))];

    private static Text ExactlyOne(RawInstruction raw) => raw.Arguments.Length > 0
        ? new Text(raw.Arguments.Text, raw.Arguments.Whole)
        : throw new DockerfileException($"{raw.Name} requires exactly one argument", raw.Range);

    private static FromInstruction ParseFrom(RawInstruction raw, FlagSet flags)
    {
        var platform = flags.One("platform");
        var words = Texts(WordReader.AtBlanks(raw.Arguments));
        if (words.Count is not (1 or 3) || (words.Count == 3 && !words[1].Value.Equals("as", StringComparison.OrdinalIgnoreCase)))
        {
            throw new DockerfileException("FROM requires either one or three arguments: FROM <image> [AS <name>]", words.Count > 1 ? words[1].Range : raw.Range);
        }

        var name = words.Count == 3 ? words[2] : (Text?)null;
        if (name is { } n && !StageName().IsMatch(n.Value))
        {
            throw new DockerfileException(
                $"invalid name for build stage: \"{n.Value}\", name can't start with a number or contain symbols other than - _ and .", n.Range);
        }

        return new FromInstruction
        {
            Base = words[0],
            Platform = platform,
            StageName = name?.Value.ToLowerInvariant(),
            StageNameText = name,
            As = words.Count == 3 ? words[1] : null,
        };
    }

    private static EnvInstruction ParseEnv(RawInstruction raw, char escape)
    {
        var pairs = ParsePairs(raw, escape, out var isLegacy);
        return new EnvInstruction { Variables = pairs, IsLegacy = isLegacy };
    }

    private static LabelInstruction ParseLabel(RawInstruction raw, char escape)
    {
        var pairs = ParsePairs(raw, escape, out var isLegacy);
        return new LabelInstruction { Labels = pairs, IsLegacy = isLegacy };
    }

    private static List<Pair> ParsePairs(RawInstruction raw, char escape, out bool isLegacy)
    {
        var text = AtLeastOne(raw);
        var words = WordReader.Quoted(text, escape);
        isLegacy = !words[0].Text.Contains('=', StringComparison.Ordinal);
        if (isLegacy)
        {
            var end = text.Text.AsSpan().IndexOfAny(" \t\v\f\r");
            if (end < 0)
            {
                throw new DockerfileException($"{raw.Name} must have two arguments: {raw.Name} <name>=<value>", text.Whole);
            }

            var value = text.Slice(end).Trim();
            return [new Pair(new Text(text.Text[..end], text.Range(0, end)), new Text(value.Text, value.Whole))];
        }

        return [.. words.Select(word =>
        {
            var equals = word.Text.IndexOf('=', StringComparison.Ordinal);
            if (equals < 0)
            {
                throw new DockerfileException($"can't find = in \"{word.Text}\": must be of the form name=value", word.Range);
            }

            if (equals == 0)
            {
                throw new DockerfileException($"{raw.Name} names can not be blank", word.Range);
            }

            var start = word.Range.Start;
            return new Pair(
                new Text(word.Text[..equals], new SourceRange(start, start with { Column = start.Column + equals })),
                new Text(word.Text[(equals + 1)..], new SourceRange(start with { Column = start.Column + equals + 1 }, word.Range.End)));
        })];
    }

    private static ArgInstruction ParseArg(RawInstruction raw, char escape) => new()
    {
        Arguments = [.. WordReader.Quoted(AtLeastOne(raw), escape).Select(word =>
        {
            var equals = word.Text.IndexOf('=', StringComparison.Ordinal);
            return equals switch
            {
                0 => throw new DockerfileException("ARG names can not be blank", word.Range),
                < 0 => new ArgDefinition(new Text(word.Text, word.Range), null),
                _ => new ArgDefinition(
                    new Text(word.Text[..equals], word.Range),
                    new Text(word.Text[(equals + 1)..], word.Range with { Start = word.Range.Start with { Column = word.Range.Start.Column + equals + 1 } })),
            };
        })],
    };

    private static IReadOnlyList<Text> ParseVolumes(RawInstruction raw)
    {
        var text = AtLeastOne(raw);
        IReadOnlyList<Text> paths = WordReader.JsonStrings(text) is { } json
            ? [.. json.Select(j => new Text(j, text.Whole))]
            : Texts(WordReader.AtBlanks(text));
        if (paths.Count == 0)
        {
            throw new DockerfileException("VOLUME requires at least one argument", raw.Range);
        }

        foreach (var path in paths.Where(p => string.IsNullOrWhiteSpace(p.Value)))
        {
            throw new DockerfileException("VOLUME specified can not be an empty string", path.Range);
        }

        return paths;
    }

    private static ShellInstruction ParseShell(RawInstruction raw)
    {
        var words = WordReader.JsonStrings(AtLeastOne(raw))
            ?? throw new DockerfileException("SHELL requires the arguments to be in JSON form: SHELL [\"executable\", \"parameter\"]", raw.Arguments.Whole);
        return words.Count == 0
            ? throw new DockerfileException("SHELL requires at least one argument", raw.Arguments.Whole)
            : new ShellInstruction { Shell = words };
    }

    private static OnbuildInstruction ParseOnbuild(RawInstruction raw, char escape)
    {
        var inner = DockerfileReader.Split(AtLeastOne(raw)) with { Heredocs = raw.Heredocs };
        var trigger = raw.Arguments.Text;
        var stored = new System.Text.StringBuilder(trigger);
        foreach (var heredoc in raw.Heredocs)
        {
            stored.Append('\n').Append(heredoc.Content).Append(heredoc.Content.Length > 0 && !heredoc.Content.EndsWith('\n') ? "\n" : "").Append(heredoc.Name);
        }

        // Content lines end themselves: only the first line break is ours.
        return new OnbuildInstruction { Trigger = trigger, TriggerWithHeredocs = stored.ToString(), Parsed = ParseTrigger(inner, escape) };
    }

    [GeneratedRegex("^[a-z][a-z0-9-_.]*$", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex StageName();
}
