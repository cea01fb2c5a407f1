using Cais.Build.Patterns;

namespace Cais.Build.Tests.Patterns;

public sealed class IgnoreFileTests
{
    [Theory]
    [InlineData("*.md", "a.md", true)]
    [InlineData("*.md", "d/a.md", false)]
    [InlineData("**/*.md", "a.md", true)]
    [InlineData("**/*.md", "d/e/a.md", true)]
    [InlineData("**", "any/thing", true)]
    [InlineData("a/**", "a/b/c", true)]
    [InlineData("a/**", "b", false)]
    [InlineData("a/**/z", "a/z", true)]
    [InlineData("a/**/z", "a/b/c/z", true)]
    [InlineData("a/**/z", "a/bz", false)]
    [InlineData("node_modules", "node_modules/x/y", true)]
    [InlineData("node_modules", "d/node_modules", false)]
    [InlineData("**/node_modules", "d/node_modules/x", true)]
    [InlineData("/a", "a", true)]
    [InlineData("a/", "a/b", true)]
    [InlineData("./a//b/../c", "a/c", true)]
    [InlineData("?.txt", "a.txt", true)]
    [InlineData("?.txt", "ab.txt", false)]
    [InlineData("?", "/", false)]
    [InlineData("[a-c].txt", "b.txt", true)]
    [InlineData("[^a-c].txt", "b.txt", false)]
    [InlineData("[^a-c].txt", "d.txt", true)]
    [InlineData("a\\*b", "a*b", true)]
    [InlineData("a\\*b", "axb", false)]
    [InlineData("a+b(c)", "a+b(c)", true)]
    [InlineData("*/*/x", "a/b/x", true)]
    [InlineData("*/*/x", "a/x", false)]
    [InlineData("a\n!a/b", "a/b", false)]
    [InlineData("a\n!a/b", "a/b/c", false)]
    [InlineData("a\n!a/b\na/b/c", "a/b/c", true)]
    [InlineData("!a\na", "a", true)]
    [InlineData("*\n!src", "src/x", false)]
    [InlineData("# a\n#b\n c ", "c", true)]
    [InlineData("\uFEFFa", "a", true)]
    [InlineData("a\r\nb\r\n", "b", true)]
    public void Decides(string content, string path, bool ignored) => Assert.Equal(ignored, IgnoreFile.Parse(content).IsIgnored(path));

    [Theory]
    [InlineData("!")]
    [InlineData("a[")]
    [InlineData("[]a]")]
    [InlineData("[a-]")]
    [InlineData("x\\")]
    public void Malformed_patterns_are_refused_with_their_line(string pattern) =>
        Assert.Contains("line 2", Assert.Throws<FormatException>(() => IgnoreFile.Parse("a\n" + pattern)).Message, StringComparison.Ordinal);

    [Fact]
    public void A_directory_is_skipped_only_if_no_exception_reaches_into_it()
    {
        var file = IgnoreFile.Parse("*\n!src/*.c\n!keep");
        Assert.True(file.MayHaveExceptionsBelow("src"));
        Assert.False(file.MayHaveExceptionsBelow("other"));
        Assert.True(IgnoreFile.Parse("*\n!**/x").MayHaveExceptionsBelow("other"));
    }

    [Fact]
    public void A_hostile_pattern_takes_no_longer_than_its_length_times_the_paths() =>
        Assert.False(PathPattern.Parse(string.Concat(Enumerable.Repeat("*a", 100)) + "b").IsMatch(new string('a', 10_000)));
}
