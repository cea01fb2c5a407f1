using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Linux;
using Cais.Linux.Io;

namespace Cais.Engine.Tests.Io;

/// <summary>An engine that is killed between taking output and logging it: the next one logs every line once.</summary>
public sealed class OutputJournalTests : IDisposable
{
    private readonly string _path = Path.Combine(Directory.CreateTempSubdirectory("journal-").FullName, "taken");
    private readonly List<(DateTimeOffset Time, string Line)> _log = [];

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_path)!, recursive: true);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(int.MaxValue)]
    public void What_was_taken_is_logged_once_however_much_of_it_was_logged_before_the_end(int logged)
    {
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using (reader)
        using (writer)
        {
            Write(writer, "one\ntwo\n");
            var clock = new LogClock(TimeProvider.System);
            var journal = OutputJournal.Create(_path, clock);
            Take(reader, journal, clock, int.MaxValue);
            Write(writer, "three\nfour\nfive\nunfinis");
            Take(reader, journal, clock, logged);

            // The engine is dead here: its descriptors close, what it held in memory is gone. Meanwhile the process goes on.
            Write(writer, "hed\nlast\n");
            Recover(reader);
        }

        Assert.Equal(["one", "two", "three", "four", "five", "unfinished", "last"], _log.Select(l => l.Line));
        Assert.Equal(_log.Select(l => l.Time).Distinct().Order(), _log.Select(l => l.Time));
    }

    [Fact]
    public void A_line_without_end_does_not_make_the_file_grow_for_ever()
    {
        var (reader, writer) = Pipe.Create(nonBlocking: true);
        using (reader)
        using (writer)
        {
            var clock = new LogClock(TimeProvider.System);
            using var journal = OutputJournal.Create(_path, clock);
            var buffer = new byte[64 << 10];
            var piece = new string('.', 9000);
            for (var i = 0; i < 1000; i++)
            {
                Write(writer, piece);
                Assert.Equal(piece.Length, journal.Read(reader, buffer));
                Assert.Equal(piece, Encoding.ASCII.GetString(buffer, 0, piece.Length));
            }

            Assert.True(new FileInfo(_path).Length < 2 << 20);
            Assert.Equal(Descriptors.WouldBlock, journal.Read(reader, buffer));
            writer.Dispose();
            Assert.Equal(0, journal.Read(reader, buffer));
        }

        Assert.False(File.Exists(_path));
    }

    private void Take(FileDescriptor reader, OutputJournal journal, LogClock clock, int most)
    {
        var buffer = new byte[64 << 10];
        var splitter = new LineSplitter(line =>
        {
            var time = clock.GetUtcNow();
            if (most-- > 0)
            {
                Log(time, line);
            }
        });
        splitter.Push(buffer.AsSpan(0, journal.Read(reader, buffer)));
    }

    private void Recover(FileDescriptor reader)
    {
        var clock = new LogClock(TimeProvider.System);
        var last = _log.Count > 0 ? _log[^1].Time : DateTimeOffset.MinValue;
        var splitter = new LineSplitter(line =>
        {
            var time = clock.GetUtcNow();
            if (time > last)
            {
                Log(time, line);
            }
        });
        using var journal = OutputJournal.Reopen(_path, clock, splitter.Push);
        clock.After(last);
        last = DateTimeOffset.MinValue;
        var buffer = new byte[64 << 10];
        splitter.Push(buffer.AsSpan(0, journal.Read(reader, buffer)));
    }

    private void Log(DateTimeOffset time, ReadOnlySpan<byte> line) => _log.Add((time, Encoding.ASCII.GetString(line).TrimEnd('\n')));

    private static void Write(FileDescriptor pipe, string text) => Files.Write(pipe, Encoding.ASCII.GetBytes(text));
}
