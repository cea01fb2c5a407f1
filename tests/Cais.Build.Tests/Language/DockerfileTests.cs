using Cais.Build.Language;

namespace Cais.Build.Tests.Language;

public sealed class DockerfileTests
{
    internal static Dockerfile Parse(string text) => Dockerfile.Parse(new DockerfileSource("Dockerfile", text));

    private static T Only<T>(string instruction)
        where T : Instruction => Assert.IsType<T>(Assert.Single(Parse("FROM scratch\n" + instruction).Stages[0].Instructions));

    private static DockerfileException Fails(string text) => Assert.Throws<DockerfileException>(() => Parse(text));

    [Fact]
    public void Stages_have_base_platform_and_name()
    {
        var file = Parse("ARG V=1\nFROM --platform=linux/arm64 busybox:$V AS Builder\nRUN true\nFROM builder\n");
        Assert.Equal("V", file.GlobalArguments[0].Arguments[0].Name.Value);
        Assert.Equal(2, file.Stages.Count);
        var from = file.Stages[0].From;
        Assert.Equal(("busybox:$V", "linux/arm64", "builder"), (from.Base.Value, from.Platform!.Value.Value, from.StageName));
        Assert.Equal("builder", file.Stages[1].From.Base.Value);
        Assert.Null(file.Stages[1].Name);
    }

    [Theory]
    [InlineData("", "no instructions")]
    [InlineData("# only a comment\n", "no instructions")]
    [InlineData("ARG a=1\n", "no stages")]
    [InlineData("RUN true\n", "no build stage")]
    [InlineData("FROM a b\n", "either one or three")]
    [InlineData("FROM a of b\n", "either one or three")]
    [InlineData("FROM a AS 1b\n", "invalid name for build stage")]
    [InlineData("FROM a\nRNU true\n", "unknown instruction: RNU (did you mean RUN?)")]
    [InlineData("FROM a\nENV a=1 b\n", "can't find = in \"b\"")]
    [InlineData("FROM a\nENV a\n", "must have two arguments")]
    [InlineData("FROM a\nENV\n", "at least one argument")]
    [InlineData("FROM a\nENV =x\n", "can not be blank")]
    [InlineData("FROM a\nARG =x\n", "can not be blank")]
    [InlineData("FROM a\nCOPY x\n", "only one was provided")]
    [InlineData("FROM a\nCOPY --frm=x a b\n", "unknown flag: --frm (did you mean --from?)")]
    [InlineData("FROM a\nCOPY --from=x --from=y a b\n", "duplicate flag")]
    [InlineData("FROM a\nCOPY --from a b\n", "missing a value")]
    [InlineData("FROM a\nCOPY --link=maybe a b\n", "expecting boolean value")]
    [InlineData("FROM a\nCOPY --checksum=sha256:1 a b\n", "unknown flag")]
    [InlineData("FROM a\nADD --from=x a b\n", "unknown flag")]
    [InlineData("FROM a\nSHELL bash\n", "JSON form")]
    [InlineData("FROM a\nSHELL []\n", "at least one")]
    [InlineData("FROM a\nRUN [1]\n", "strings only")]
    [InlineData("FROM a\nRUN\n", "at least one argument")]
    [InlineData("FROM a\nRUN --network=some true\n", "invalid network mode")]
    [InlineData("FROM a\nRUN --security=none true\n", "security")]
    [InlineData("FROM a\nVOLUME [\"\"]\n", "can not be an empty string")]
    [InlineData("FROM a\nONBUILD ONBUILD RUN a\n", "Chaining ONBUILD")]
    [InlineData("FROM a\nONBUILD FROM b\n", "FROM isn't allowed as an ONBUILD trigger")]
    [InlineData("FROM a\nONBUILD MAINTAINER b\n", "MAINTAINER isn't allowed as an ONBUILD trigger")]
    [InlineData("FROM a\nHEALTHCHECK FOO\n", "unknown type \"FOO\" in HEALTHCHECK")]
    [InlineData("FROM a\nHEALTHCHECK NONE x\n", "takes no arguments")]
    [InlineData("FROM a\nHEALTHCHECK CMD\n", "missing command")]
    [InlineData("FROM a\nHEALTHCHECK --interval=1us CMD x\n", "cannot be less than 1ms")]
    [InlineData("FROM a\nHEALTHCHECK --interval=5 CMD x\n", "invalid duration")]
    [InlineData("FROM a\nHEALTHCHECK --retries=-1 CMD x\n", "--retries")]
    [InlineData("FROM a\nRUN <<EOF\nx\n", "unterminated heredoc")]
    [InlineData("FROM a\nRUN --mount=type=bin,target=/x true\n", "unsupported mount type")]
    [InlineData("FROM a\nRUN --mount=type=cache true\n", "requires a target")]
    [InlineData("FROM a\nRUN --mount=type=cache,size=1,target=/x true\n", "unexpected key 'size'")]
    [InlineData("FROM a\nRUN --mount=type=cache,sharing=all,target=/x true\n", "unsupported sharing")]
    [InlineData("FROM a\nRUN --mount=targt=/x true\n", "unexpected key 'targt' in 'targt=/x' (did you mean target?)")]
    [InlineData("FROM a\nRUN --mount=type=secret,id=a,src=b true\n", "both id and source")]
    [InlineData("# escape=x\nFROM a\n", "invalid ESCAPE")]
    [InlineData("# escape=\\\n# escape=`\nFROM a\n", "only one escape parser directive")]
    public void Mistakes_are_named(string text, string message) => Assert.Contains(message, Fails(text).Message, StringComparison.Ordinal);

    [Fact]
    public void An_error_points_at_the_word_in_a_continued_line_and_shows_it()
    {
        var error = Fails("FROM a\n\nRUN true\nENV a=1 \\\n  # comment\n  b=2 \\\n  oops\nRUN x\n");
        Assert.Equal(new SourceRange(new Position(7, 3), new Position(7, 7)), error.Range);
        Assert.StartsWith("dockerfile parse error on line 7: ", error.Message, StringComparison.Ordinal);
        Assert.Contains("   7 | >>>   oops\n     |       ^^^^\n", error.Excerpt.Replace("     |       ", "     |       ", StringComparison.Ordinal), StringComparison.Ordinal);
    }

    [Fact]
    public void Directives_are_read_until_the_first_other_line()
    {
        var file = Parse("#Syntax = docker/dockerfile:1 \n# ESCAPE=`\n# check=skip=all\n#other=1\n# syntax=late\nFROM a\nRUN a `\n b\n");
        Assert.Equal(("docker/dockerfile:1", '`', "skip=all"), (file.Directives.Syntax, file.Directives.Escape, file.Directives.Check));
        Assert.Equal("a  b", Assert.IsType<RunInstruction>(file.Stages[0].Instructions[0]).Command.Words[0]);
        Assert.Null(Parse("# a comment\n# syntax=late\nFROM a\n").Directives.Syntax);
    }

    [Fact]
    public void Lines_continue_over_comments_and_empty_lines()
    {
        var run = Only<RunInstruction>("RUN a \\  \n# comment\n\n  b \\\n  && c\n");
        Assert.Equal("a   b   && c", run.Command.Words[0]);
        Assert.Equal([4], run.EmptyLines);
        Assert.Equal(new Position(2, 1), run.Range.Start);
        Assert.Equal(6, run.Range.End.Line);
        Assert.Equal(@"echo \\", Only<RunInstruction>("RUN echo \\\\\n").Command.Words[0]);
    }

    [Fact]
    public void Byte_order_mark_and_carriage_returns_are_no_content()
    {
        var file = Dockerfile.Parse(DockerfileSource.FromBytes("Dockerfile", [0xEF, 0xBB, 0xBF, .. "FROM a\r\nRUN b \\\r\n c\r\n"u8]));
        Assert.Equal("b  c", Assert.IsType<RunInstruction>(file.Stages[0].Instructions[0]).Command.Words[0]);
    }

    [Theory]
    [InlineData("CMD [\"a\", \"b\"]", false, new[] { "a", "b" })]
    [InlineData("CMD [\"a\", b]", true, new[] { "[\"a\", b]" })]
    [InlineData("CMD echo hi", true, new[] { "echo hi" })]
    [InlineData("CMD []", false, new string[0])]
    public void A_command_is_JSON_or_shell(string text, bool isShell, string[] words)
    {
        var command = Only<CmdInstruction>(text).Command;
        Assert.Equal(isShell, command.IsShell);
        Assert.Equal(words, command.Words);
    }

    [Fact]
    public void Env_keeps_quotes_for_expansion()
    {
        var env = Only<EnvInstruction>("ENV a=\"x y\" b='$z' c=p\\ q");
        Assert.Equal(["\"x y\"", "'$z'", "p\\ q"], env.Variables.Select(v => v.Value.Value));
        var legacy = Only<EnvInstruction>("ENV a  b c ");
        Assert.True(legacy.IsLegacy);
        Assert.Equal("b c", legacy.Variables[0].Value.Value);
    }

    [Fact]
    public void Heredocs_belong_to_run_copy_and_add()
    {
        var run = Only<RunInstruction>("RUN <<EOF\necho $a\n  # no comment\nEOF\n");
        Assert.Equal("echo $a\n  # no comment\n", Assert.Single(run.Heredocs).Content);
        var copy = Only<CopyInstruction>("COPY <<-\"A\" b <<C /dest/\n\tone\n\tA\n$two\nC\n");
        Assert.Equal(["b"], copy.Sources.Select(s => s.Value));
        Assert.Equal([("A", "one\n", false), ("C", "$two\n", true)], copy.Inline.Select(h => (h.Name, h.Content, h.Expands)));
        Assert.Equal("/dest/", copy.Destination.Value);
        Assert.Empty(Only<RunInstruction>("RUN echo \"a << b\" $((1<<2))").Heredocs);
        Assert.Equal("EOF", Only<RunInstruction>("RUN cat << EOF\nx\nEOF\n").Heredocs[0].Name);
        Assert.Equal(3, Only<RunInstruction>("RUN cat 3<<EOF\nx\nEOF\n").Heredocs[0].Descriptor);
    }

    [Fact]
    public void A_trigger_with_a_heredoc_is_stored_whole_and_read_again()
    {
        var onbuild = Only<OnbuildInstruction>("ONBUILD RUN <<EOF\necho a\nEOF\n");
        Assert.Equal("RUN <<EOF\necho a\nEOF", onbuild.TriggerWithHeredocs);
        var again = Assert.IsType<RunInstruction>(Assert.Single(Dockerfile.ParseTrigger(onbuild.TriggerWithHeredocs)));
        Assert.Equal("echo a\n", again.Heredocs[0].Content);
    }

    [Fact]
    public void Copy_takes_its_flags()
    {
        var copy = Only<CopyInstruction>("COPY --from=x --chown=1:2 --chmod=u=rwX --link --parents --exclude=*.md --exclude=b [\"a b\", \"/c\"]");
        Assert.Equal(("x", "1:2", "u=rwX", true, true), (copy.From!.Value.Value, copy.Owner!.Value.Value, copy.Mode!.Value.Value, copy.IsLink, copy.KeepsParents));
        Assert.Equal(["*.md", "b"], copy.Exclude.Select(e => e.Value));
        Assert.Equal("a b", copy.Sources[0].Value);
        Assert.Equal("--x", Only<CopyInstruction>("COPY -- --x /d").Sources[0].Value);
    }

    [Fact]
    public void Healthcheck_takes_durations()
    {
        var check = Only<HealthcheckInstruction>("HEALTHCHECK --interval=1m30s --timeout=1.5s --start-period=0s --start-interval=2ms --retries=3 CMD curl -f http://localhost");
        Assert.Equal((TimeSpan.FromSeconds(90), TimeSpan.FromSeconds(1.5), null, TimeSpan.FromMilliseconds(2), 3), (check.Interval, check.Timeout, check.StartPeriod, check.StartInterval, check.Retries));
        Assert.Equal("curl -f http://localhost", check.Command!.Words[0]);
        Assert.Null(Only<HealthcheckInstruction>("HEALTHCHECK none").Command);
    }

    [Fact]
    public void Keywords_have_no_case_and_comments_stay_with_what_follows()
    {
        var file = Parse("from a\n# gone\n\n# kept\n# too\nrun x # not a comment\n");
        var run = Assert.IsType<RunInstruction>(file.Stages[0].Instructions[0]);
        Assert.Equal("x # not a comment", run.Command.Words[0]);
        Assert.Equal(["kept", "too"], run.Comments.Select(c => c.Text));
        Assert.Equal("run", run.Keyword);
    }

    [Theory]
    [InlineData("// a\n// syntax=x/y:1\n{}", "x/y:1")]
    [InlineData("#!/usr/bin/env x\n# syntax=x/y\nFROM a", "x/y")]
    [InlineData("{\"syntax\": \"x/z\", \"a\": 1}", "x/z")]
    public void Another_frontends_file_names_it_in_its_own_comments(string text, string syntax) =>
        Assert.Equal(syntax, Cais.Build.Language.Syntax.DirectiveReader.Read(new DockerfileSource("f", text)).Syntax);
}
