using Cais.Build.Language;
using Cais.Build.Language.Expansion;
using Cais.Build.Patterns;
using Cais.Testing;
using FsCheck;
using FsCheck.Fluent;

namespace Cais.Build.Tests.Language;

/// <summary>Whatever the text, the answer is a result or the error that callers know, and it comes soon.</summary>
public sealed class FuzzTests
{
    private static readonly string[] Pieces =
    [
        "FROM", "RUN", "COPY", "ADD", "ENV", "ARG", "LABEL", "ONBUILD", "HEALTHCHECK", "SHELL", "EXPOSE", "VOLUME", " ", " ", " ", "\n", "\n", "\n", "\r\n", "\t", "\\", "\\\n",
        "`", "#", "# syntax=", "# escape=`", "# check=", "<<", "<<-", "EOF", "\"", "'", "[", "]", "[\"a\"]", "=", "$", "${", "}", ":-", "#", "%", "/", "--from=", "--mount=", "type=", "cache",
        "target=", ",", "AS", "a", "b", "/", "..", "*", "?", "!", "\0", "\uFEFF", "\U0001F600", "\uD800", "é",
    ];

    private static readonly Config Settings = Config.QuickThrowOnFailure.WithReplay((ulong)Seeds.Value, 1).WithMaxTest(3000).WithEndSize(80);

    private static Arbitrary<string> Texts => Gen.Elements(Pieces).ArrayOf().Select(string.Concat).ToArbitrary();

    [Fact]
    public void The_parser_answers_or_says_where_it_is_wrong() => Prop.ForAll(Texts, text =>
    {
        foreach (var full in new[] { text, "FROM a\n" + text })
        {
            var source = new DockerfileSource("Dockerfile", full);
            try
            {
                var file = Dockerfile.Parse(source);
                foreach (var instruction in file.Instructions)
                {
                    Assert.InRange(instruction.Range.Start.Line, 1, source.LineCount);
                    Assert.True(instruction.Range.Start <= instruction.Range.End);
                }
            }
            catch (DockerfileException e)
            {
                Assert.InRange(e.Range.Start.Line, 0, source.LineCount + 1);
                _ = e.Excerpt;
            }
        }
    }).Check(Settings);

    [Fact]
    public void Expansion_answers_or_refuses() => Prop.ForAll(Texts, text =>
    {
        var variables = new DictionaryVariables(new Dictionary<string, string> { ["a"] = "x y", ["b"] = "" });
        try
        {
            new ShellExpander('\\').Expand(text, variables);
            new ShellExpander('`').ExpandToWords(text, variables);
        }
        catch (ExpansionException e)
        {
            Assert.InRange(e.Offset, 0, text.Length);
        }
    }).Check(Settings);

    [Fact]
    public void Ignore_files_answer_or_refuse() => Prop.ForAll(Texts, Texts, (patterns, path) =>
    {
        try
        {
            var file = IgnoreFile.Parse(patterns);
            var ignored = file.IsIgnored(path);

            // What lies below an ignored directory is ignored too, unless an exception says otherwise.
            if (ignored && !file.HasExceptions && path.Length > 0)
            {
                Assert.True(file.IsIgnored(path + "/below"));
            }
        }
        catch (FormatException)
        {
            // Malformed patterns are refused.
        }
    }).Check(Settings);
}
