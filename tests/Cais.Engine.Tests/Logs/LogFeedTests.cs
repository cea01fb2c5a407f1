using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;

namespace Cais.Engine.Tests.Logs;

public sealed class LogFeedTests
{
    [Fact]
    public void Pieces_of_a_long_line_are_numbered_and_share_an_id()
    {
        var sink = new Collected();
        var feed = new LogFeed(StreamKind.Stdout, sink, TimeProvider.System);
        feed.Push("short\n"u8);
        feed.Push(Encoding.ASCII.GetBytes(new string('x', 40_000) + "\nnext\n"));
        feed.Push("no end"u8);
        feed.Complete();
        Assert.Equal(new (int, bool)?[] { null, (1, false), (2, false), (3, true), null, (1, false) }, sink.Lines.Select(l => l.Piece is { } p ? (p.Ordinal, p.Last) : ((int, bool)?)null));
        Assert.Single(sink.Lines.Skip(1).Take(3).Select(l => l.Piece!.Id).Distinct());
        Assert.Equal("short\n" + new string('x', 40_000) + "\nnext\nno end", string.Concat(sink.Lines.Select(l => l.Text)));
    }

    [Fact]
    public void Non_blocking_files_get_everything_that_fits_before_they_close()
    {
        var sink = new Collected();
        using (var buffered = new Buffered(sink, 1 << 20))
        {
            for (var i = 0; i < 1000; i++)
            {
                LogTest.Say(buffered, $"{i}\n");
            }
        }

        Assert.Equal(Enumerable.Range(0, 1000).Select(i => $"{i}\n"), sink.Lines.Select(l => l.Text));
        Assert.True(sink.Closed);
    }

    [Fact]
    public void A_disk_that_stands_still_costs_lines_in_non_blocking_mode_and_nothing_else()
    {
        var sink = new Collected();
        var buffered = new Buffered(sink, 100);
        lock (sink.Lines)
        {
            for (var i = 0; i < 1000; i++)
            {
                LogTest.Say(buffered, $"{i}\n");
            }
        }

        buffered.Dispose();
        Assert.InRange(sink.Lines.Count, 1, 100);
        Assert.Equal("0\n", sink.Lines[0].Text);
    }

    private sealed class Collected : ILogSink
    {
        public List<(string Text, DateTimeOffset Time, LinePiece? Piece)> Lines { get; } = [];

        public bool Closed { get; private set; }

        public void Append(in LogLine line)
        {
            lock (Lines)
            {
                Lines.Add((Encoding.UTF8.GetString(line.Text), line.Time, line.Piece));
            }
        }

        public Task? Flush() => null;

        public void Dispose() => Closed = true;
    }
}
