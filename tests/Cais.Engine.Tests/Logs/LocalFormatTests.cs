using System.Buffers.Binary;
using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Logs.Files;

namespace Cais.Engine.Tests.Logs;

public sealed class LocalFormatTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-local-").FullName;

    private string LogFile => Path.Combine(_directory, "container.log");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Bytes as docker 28's local driver writes them for this entry.</summary>
    [Fact]
    public void An_entry_is_written_as_docker_writes_it()
    {
        Write("hi\n");
        var time = (LogTest.Time - DateTimeOffset.UnixEpoch).Ticks * 100;
        var varint = new List<byte>();
        for (var rest = (ulong)time; ; rest >>= 7)
        {
            varint.Add((byte)(rest >= 0x80 ? rest | 0x80 : rest));
            if (rest < 0x80)
            {
                break;
            }
        }

        byte[] message = [0x0a, 6, .. "stdout"u8, 0x10, .. varint, 0x1a, 2, .. "hi"u8];
        var length = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(length, message.Length);
        Assert.Equal([.. length, .. message, .. length], File.ReadAllBytes(LogFile));
    }

    [Fact]
    public async Task What_was_written_is_read()
    {
        using (var log = Open(new Dictionary<string, string> { ["tier"] = "web", ["a"] = "b" }))
        {
            log.Append(new LogLine(StreamKind.Stderr, LogTest.Time, [0xff, 0, (byte)'x', (byte)'\n']));
            log.Append(new LogLine(StreamKind.Stdout, LogTest.Time, "long"u8, new LinePiece("id", 1, false)));
            log.Append(new LogLine(StreamKind.Stdout, LogTest.Time, "line\n"u8, new LinePiece("id", 2, true)));
        }

        var entries = await Read(new LogQuery());
        Assert.Equal((StreamKind.Stderr, LogTest.Time, "a=b,tier=web"), (entries[0].Entry.Stream, entries[0].Entry.Time, entries[0].Attributes));
        Assert.Equal([0xff, 0, (byte)'x', (byte)'\n'], entries[0].Entry.Line.ToArray());
        Assert.Equal("longline\n", string.Concat(entries.Skip(1).Select(e => Encoding.UTF8.GetString(e.Entry.Line.Span))));
    }

    [Fact]
    public async Task The_tail_counts_entries_over_compressed_files_too()
    {
        using (var log = new RotatedLog(LogFile, new LocalFormat(new Dictionary<string, string>()), new FileLogOptions { MaxSize = 100, MaxFiles = 10, Compress = true }))
        {
            for (var i = 0; i < 10; i++)
            {
                LogTest.Say(log, $"{i}\n");
            }

            await Testing.Eventually.Holds(() => File.Exists(LogFile + ".1.gz") && !File.Exists(LogFile + ".1"), "older files are compressed");
        }

        Assert.Equal("456789", string.Concat((await Read(new LogQuery { Tail = 6 })).Select(e => Encoding.UTF8.GetString(e.Entry.Line.Span).Trim())));
        Assert.Equal(10, (await Read(new LogQuery())).Count);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(20)]
    public async Task A_record_torn_by_a_crash_is_cut_off(int missing)
    {
        Write("before\n", "torn\n");
        using (var file = File.OpenWrite(LogFile))
        {
            file.SetLength(file.Length - missing);
        }

        Write("after\n");
        Assert.Equal(["before\n", "after\n"], (await Read(new LogQuery())).Select(e => Encoding.UTF8.GetString(e.Entry.Line.Span)));
    }

    [Fact]
    public async Task Damage_ends_a_file_and_not_the_reader()
    {
        Write("before\n");
        File.AppendAllText(LogFile, "this is no length and never was");
        Assert.Equal(["before\n"], (await Read(new LogQuery())).Select(e => Encoding.UTF8.GetString(e.Entry.Line.Span)));
    }

    private RotatedLog Open(IReadOnlyDictionary<string, string> attributes) => new(LogFile, new LocalFormat(attributes), FileLogOptions.Local);

    private void Write(params string[] lines)
    {
        using var log = Open(new Dictionary<string, string>());
        foreach (var line in lines)
        {
            LogTest.Say(log, line);
        }
    }

    private async Task<List<(LogEntry Entry, string? Attributes)>> Read(LogQuery query)
    {
        var entries = new List<(LogEntry, string?)>();
        await foreach (var entry in RotatedLogReader.Read(new LocalFormat(new Dictionary<string, string>()), LogFile, null, query, TestContext.Current.CancellationToken))
        {
            entries.Add(entry);
        }

        return entries;
    }
}
