using System.Text.RegularExpressions;

namespace Cais.Build.Language.Syntax;

/// <summary>The <c># name=value</c> lines at the very top of a Dockerfile.</summary>
public sealed record ParserDirectives
{
    /// <summary>The frontend the author asks for, as written (<c>docker/dockerfile:1</c>), or null.</summary>
    public string? Syntax { get; init; }

    /// <summary>The escape and continuation character: <c>\</c> or <c>`</c>.</summary>
    public char Escape { get; init; } = '\\';

    /// <summary>Options of the build checks as written, or null.</summary>
    public string? Check { get; init; }

    public SourceRange SyntaxRange { get; init; }

    public SourceRange CheckRange { get; init; }
}

/// <summary>Reads the directives. They come before everything else, each once; the first line that is none ends them.</summary>
internal static partial class DirectiveReader
{
    public static ParserDirectives Read(DockerfileSource source)
    {
        var directives = new ParserDirectives();
        var seen = new HashSet<string>();
        for (var n = 1; n <= source.LineCount; n++)
        {
            var line = source.Line(n);
            var match = DirectivePattern().Match(line);
            var name = match.Groups[1].Value.ToLowerInvariant();
            if (!match.Success || name is not ("syntax" or "escape" or "check"))
            {
                break;
            }

            var range = new SourceRange(new Position(n, match.Groups[2].Index + 1), new Position(n, match.Groups[2].Index + match.Groups[2].Length + 1));
            if (!seen.Add(name))
            {
                throw new DockerfileException($"only one {name} parser directive can be used", range, source);
            }

            var value = match.Groups[2].Value;
            directives = name switch
            {
                "syntax" => directives with { Syntax = value, SyntaxRange = range },
                "check" => directives with { Check = value, CheckRange = range },
                _ when value is "\\" or "`" => directives with { Escape = value[0] },
                _ => throw new DockerfileException($"invalid ESCAPE \"{value}\": must be ` or \\", range, source),
            };
        }

        return directives.Syntax is null ? directives with { Syntax = FindForeignSyntax(source) } : directives;
    }

    /// <summary>
    /// A file in another frontend's language says so in that language's comments: <c>//</c> lines, or a JSON object's <c>syntax</c> member; a <c>#!</c> line may come first.
    /// </summary>
    private static string? FindForeignSyntax(DockerfileSource source)
    {
        var first = source.LineCount > 0 && source.Line(1).StartsWith("#!", StringComparison.Ordinal) ? 2 : 1;
        for (var n = first; n <= source.LineCount; n++)
        {
            var line = source.Line(n);
            if (ForeignPattern().Match(line) is { Success: true } match)
            {
                return match.Groups[1].Value;
            }

            if (!line.StartsWith("//", StringComparison.Ordinal) && !(first == 2 && n == 2 && line.StartsWith('#')))
            {
                break;
            }
        }

        return source.LineCount > 0 && source.Line(1).TrimStart().StartsWith('{') && JsonPattern().Match(WholeText(source)) is { Success: true } json ? json.Groups[1].Value : null;
    }

    private static string WholeText(DockerfileSource source) => string.Concat(Enumerable.Range(1, Math.Min(source.LineCount, 1000)).Select(source.RawLine));

    [GeneratedRegex(@"^#[ \t]*([A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(\S.*?)[ \t]*$")]
    private static partial Regex DirectivePattern();

    [GeneratedRegex(@"^(?://|#)[ \t]*(?i:syntax)[ \t]*=[ \t]*(\S+)[ \t]*$")]
    private static partial Regex ForeignPattern();

    [GeneratedRegex("""^\s*\{\s*"syntax"\s*:\s*"([^"\\]+)"\s*[,}]""")]
    private static partial Regex JsonPattern();
}
