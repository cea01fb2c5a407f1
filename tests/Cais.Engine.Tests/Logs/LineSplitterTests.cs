using System.Text;
using Cais.Engine.Logs;

namespace Cais.Engine.Tests.Logs;

public sealed class LineSplitterTests
{
    private readonly List<string> _lines = [];
    private readonly LineSplitter _splitter;

    public LineSplitterTests() => _splitter = new LineSplitter(line => _lines.Add(Encoding.ASCII.GetString(line)));

    [Fact]
    public void Lines_are_put_together_from_pieces()
    {
        Push("on", "e\ntw", "o\n", "three");
        Assert.Equal(["one\n", "two\n"], _lines);
        _splitter.Complete();
        Assert.Equal(["one\n", "two\n", "three"], _lines);
    }

    [Fact]
    public void An_empty_line_is_a_line()
    {
        Push("\n\n");
        Assert.Equal(["\n", "\n"], _lines);
    }

    [Theory]
    [InlineData(LineSplitter.LongestPiece, 1)]
    [InlineData(LineSplitter.LongestPiece + 1, 2)]
    [InlineData((2 * LineSplitter.LongestPiece) + 5, 3)]
    public void A_line_that_is_too_long_comes_in_pieces(int length, int pieces)
    {
        var line = new string('x', length) + "\n";
        Push(line);
        Assert.Equal(pieces, _lines.Count);
        Assert.Equal(line, string.Concat(_lines));
        Assert.All(_lines, l => Assert.True(l.TrimEnd('\n').Length <= LineSplitter.LongestPiece));
    }

    [Fact]
    public void However_it_is_cut_nothing_is_lost_or_added()
    {
        var random = new Random(7);
        var text = string.Concat(Enumerable.Range(0, 200).Select(_ => new string('a', random.Next(40_000)) + "\n"));
        for (var at = 0; at < text.Length;)
        {
            var take = Math.Min(random.Next(1, 70_000), text.Length - at);
            Push(text.Substring(at, take));
            at += take;
        }

        _splitter.Complete();
        Assert.Equal(text, string.Concat(_lines));
    }

    private void Push(params string[] pieces)
    {
        foreach (var piece in pieces)
        {
            _splitter.Push(Encoding.ASCII.GetBytes(piece));
        }
    }
}
