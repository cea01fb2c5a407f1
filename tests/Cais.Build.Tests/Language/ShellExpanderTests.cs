using Cais.Build.Language.Expansion;

namespace Cais.Build.Tests.Language;

public sealed class ShellExpanderTests
{
    private static readonly DictionaryVariables Variables = new(new Dictionary<string, string>
    {
        ["a"] = "value",
        ["e"] = "",
        ["path"] = "/usr/local/lib/x.tar.gz",
        ["s"] = "one two",
        ["v"] = "v1.2.3",
        ["q"] = "a*b",
    });

    [Theory]
    [InlineData("$a", "value")]
    [InlineData("${a}", "value")]
    [InlineData("$a-$e-$u", "value--")]
    [InlineData("${a}b$ab", "valueb")]
    [InlineData("\\$a", "$a")]
    [InlineData("'$a'", "$a")]
    [InlineData("\"$a\"", "value")]
    [InlineData("\"\\$a \\\" \\x\"", "$a \" \\x")]
    [InlineData("a\\ b", "a b")]
    [InlineData("$", "$")]
    [InlineData("$$", "")]
    [InlineData("x$1y", "xy")]
    [InlineData("${u:-d}", "d")]
    [InlineData("${e:-d}", "d")]
    [InlineData("${e-d}", "")]
    [InlineData("${u-d}", "d")]
    [InlineData("${a:+d}", "d")]
    [InlineData("${e:+d}", "")]
    [InlineData("${e+d}", "d")]
    [InlineData("${u+d}", "")]
    [InlineData("${u:-$a}", "value")]
    [InlineData("${u:-${e:-${a}}}", "value")]
    [InlineData("${u:-\"a}b\"}", "a}b")]
    [InlineData("${a:?no}", "value")]
    [InlineData("${path#*/}", "usr/local/lib/x.tar.gz")]
    [InlineData("${path##*/}", "x.tar.gz")]
    [InlineData("${path%.*}", "/usr/local/lib/x.tar")]
    [InlineData("${path%%.*}", "/usr/local/lib/x")]
    [InlineData("${path#nothing}", "/usr/local/lib/x.tar.gz")]
    [InlineData("${v#v}", "1.2.3")]
    [InlineData("${v#?}", "1.2.3")]
    [InlineData("${v%.${u:-3}}", "v1.2")]
    [InlineData("${path/usr/opt}", "/opt/local/lib/x.tar.gz")]
    [InlineData("${path//l/L}", "/usr/LocaL/Lib/x.tar.gz")]
    [InlineData("${path//\\//_}", "_usr_local_lib_x.tar.gz")]
    [InlineData("${path/l*/-}", "/usr/-")]
    [InlineData("${q#a\\*}", "b")]
    [InlineData("${q/\\*/+}", "a+b")]
    public void Expands(string word, string expected) => Assert.Equal(expected, new ShellExpander('\\').Expand(word, Variables));

    [Theory]
    [InlineData("${u:?must be set}", "u: must be set", 0)]
    [InlineData("${e:?}", "e: not allowed to be unset or empty", 0)]
    [InlineData("x${u?}", "u: not allowed to be unset", 1)]
    [InlineData("${a", "missing '}'", 0)]
    [InlineData("${}", "bad substitution", 0)]
    [InlineData("${a:x}", "unsupported modifier (:x)", 0)]
    [InlineData("${a!}", "unsupported modifier (!)", 0)]
    [InlineData("'x", "matching single-quote", 0)]
    [InlineData("a\"x", "matching double-quote", 1)]
    [InlineData("${a/x}", "missing '/'", 0)]
    public void Refuses(string word, string message, int offset)
    {
        var error = Assert.Throws<ExpansionException>(() => new ShellExpander('\\').Expand(word, Variables));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
        Assert.Equal(offset, error.Offset);
    }

    [Theory]
    [InlineData("$s", new[] { "one", "two" })]
    [InlineData("\"$s\" x", new[] { "one two", "x" })]
    [InlineData("a$s-b", new[] { "aone", "two-b" })]
    [InlineData("  ", new string[0])]
    [InlineData("'' $u", new[] { "" })]
    public void Splits_words_outside_of_quotes(string text, string[] expected) => Assert.Equal(expected, new ShellExpander('\\').ExpandToWords(text, Variables));

    [Fact]
    public void Names_without_default_that_are_unset_are_told()
    {
        var unset = new List<string>();
        new ShellExpander('\\').Expand("$a $u ${w} ${x:-1} ${y+1}", Variables, unset);
        Assert.Equal(["u", "w"], unset);
    }

    [Fact]
    public void In_heredocs_quotes_are_text() =>
        Assert.Equal("\"value\" 'value' $a", new ShellExpander('\\').ExpandKeepingQuotes("\"$a\" '$a' \\$a", Variables));

    [Fact]
    public void Other_escape_characters_work() => Assert.Equal(@"C:\value$a", new ShellExpander('`').Expand(@"C:\$a`$a", Variables));

    [Fact]
    public void Nesting_has_an_end()
    {
        var word = string.Concat(Enumerable.Repeat("${u:-", 5000)) + "x" + new string('}', 5000);
        Assert.Contains("deep", Assert.Throws<ExpansionException>(() => new ShellExpander('\\').Expand(word, Variables)).Message, StringComparison.Ordinal);
    }
}
