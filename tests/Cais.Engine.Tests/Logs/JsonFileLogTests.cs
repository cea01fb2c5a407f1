using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;
using Cais.Engine.Logs.Files;
using Cais.Testing;

namespace Cais.Engine.Tests.Logs;

public sealed class JsonFileLogTests : IDisposable
{
    private static readonly DateTimeOffset Time = new(2026, 1, 2, 3, 4, 5, 600, TimeSpan.Zero);
    private readonly string _directory = Directory.CreateTempSubdirectory("cais-log-").FullName;

    private string LogFile => Path.Combine(_directory, "c-json.log");

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public void A_line_is_written_as_docker_writes_it()
    {
        Write(FileLogOptions.JsonFile, null, "hi \"<you>\"\n");
        Assert.Equal("""{"log":"hi \"\u003cyou\u003e\"\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}""" + "\n", File.ReadAllText(LogFile));
    }

    [Fact]
    public void Bytes_that_are_not_utf8_and_control_characters_survive_as_json()
    {
        using (var log = new RotatedLog(LogFile, new JsonFormat([]), FileLogOptions.JsonFile))
        {
            log.Append(new LogLine(StreamKind.Stderr, Time, [0xff, (byte)'a', 0x01, 0xc3, 0xa9, (byte)'\n']));
        }

        Assert.Contains("""{"log":"\ufffda\u0001é\n","stream":"stderr""", File.ReadAllText(LogFile), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_written_is_read()
    {
        Write(FileLogOptions.JsonFile, """{"tier":"web"}""", "one\n", "two\n");
        var entries = await Read(new LogQuery());
        Assert.Equal(["one\n", "two\n"], entries.Select(e => e.Text));
        Assert.Equal("tier=web", entries[0].Attributes);
    }

    [Fact]
    public async Task Files_are_set_aside_when_full_and_the_oldest_is_dropped()
    {
        Write(new FileLogOptions { MaxSize = 200, MaxFiles = 3 }, null, [.. Enumerable.Range(0, 20).Select(i => $"line {i}\n")]);
        Assert.Equal(3, Directory.GetFiles(_directory).Length);
        var lines = (await Read(new LogQuery())).Select(e => e.Text).ToList();
        Assert.Equal("line 19\n", lines[^1]);
        Assert.Equal(lines, Enumerable.Range(20 - lines.Count, lines.Count).Select(i => $"line {i}\n"));
    }

    [Fact]
    public async Task Files_that_are_set_aside_can_be_compressed_and_are_still_read()
    {
        using var log = new RotatedLog(LogFile, new JsonFormat([]), new FileLogOptions { MaxSize = 200, MaxFiles = 10, Compress = true });
        for (var i = 0; i < 12; i++)
        {
            log.Append(new LogLine(StreamKind.Stdout, Time, Encoding.UTF8.GetBytes($"line {i}\n")));
            _ = log.Flush();
        }

        await Eventually.Holds(() => Directory.GetFiles(_directory).Count(f => f.EndsWith(".gz", StringComparison.Ordinal)) == Directory.GetFiles(_directory).Length - 1, "all but the newest are compressed");
        Assert.Contains(LogFile + ".1.gz", Directory.GetFiles(_directory));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"line {i}\n"), (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Fact]
    public async Task A_compression_that_a_crash_broke_off_leaves_nothing_and_loses_nothing()
    {
        Write(new FileLogOptions { MaxSize = 1, MaxFiles = 3 }, null, "old\n", "new\n");
        File.WriteAllText(LogFile + ".7.tmp", "half");
        Write(FileLogOptions.JsonFile, null, "newer\n");
        Assert.DoesNotContain(Directory.GetFiles(_directory), f => f.EndsWith(".tmp", StringComparison.Ordinal));
        Assert.Equal(["old\n", "new\n", "newer\n"], (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Fact]
    public async Task A_line_torn_by_a_crash_is_cut_off_and_what_follows_is_whole()
    {
        Write(FileLogOptions.JsonFile, null, "before\n");
        File.AppendAllText(LogFile, """{"log":"half of a li""");
        Write(FileLogOptions.JsonFile, null, "after\n");
        Assert.Equal(["before\n", "after\n"], (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Fact]
    public async Task A_line_that_is_no_json_is_passed_over()
    {
        Write(FileLogOptions.JsonFile, null, "before\n");
        File.AppendAllText(LogFile, "\0\0\0\n[]\n{\"log\":1}\n");
        Write(FileLogOptions.JsonFile, null, "after\n");
        Assert.Equal(["before\n", "after\n"], (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Theory]
    [InlineData(0, new string[0])]
    [InlineData(2, new[] { "3\n", "4\n" })]
    [InlineData(100, new[] { "0\n", "1\n", "2\n", "3\n", "4\n" })]
    public async Task The_tail_counts_lines_over_all_files(int tail, string[] expected)
    {
        Write(new FileLogOptions { MaxSize = 100, MaxFiles = 10 }, null, "0\n", "1\n", "2\n", "3\n", "4\n");
        Assert.Equal(expected, (await Read(new LogQuery { Tail = tail })).Select(e => e.Text));
    }

    [Fact]
    public async Task Since_and_until_bound_what_is_read()
    {
        using (var log = new RotatedLog(LogFile, new JsonFormat([]), FileLogOptions.JsonFile))
        {
            for (var i = 0; i < 5; i++)
            {
                log.Append(new LogLine(StreamKind.Stdout, Time.AddSeconds(i), Encoding.UTF8.GetBytes($"{i}\n")));
            }
        }

        var entries = await Read(new LogQuery { Since = Time.AddSeconds(1), Until = Time.AddSeconds(3) });
        Assert.Equal(["1\n", "2\n", "3\n"], entries.Select(e => e.Text));
    }

    [Fact]
    public async Task One_stream_alone_can_be_asked_for()
    {
        using (var log = new RotatedLog(LogFile, new JsonFormat([]), FileLogOptions.JsonFile))
        {
            log.Append(new LogLine(StreamKind.Stdout, Time, "out\n"u8));
            log.Append(new LogLine(StreamKind.Stderr, Time, "err\n"u8));
        }

        Assert.Equal(["err\n"], (await Read(new LogQuery { Stdout = false })).Select(e => e.Text));
    }

    [Fact]
    public async Task A_follower_sees_every_line_once_whatever_is_rotated_meanwhile()
    {
        const int lines = 2000;
        using var log = new RotatedLog(LogFile, new JsonFormat([]), new FileLogOptions { MaxSize = 8_000, MaxFiles = 1000 });
        var seen = new List<string>();
        var following = Task.Run(async () =>
        {
            await foreach (var (entry, _) in RotatedLogReader.Read(new JsonFormat([]), LogFile, log, new LogQuery { Follow = true }, TestContext.Current.CancellationToken))
            {
                seen.Add(Encoding.UTF8.GetString(entry.Line.Span));
            }
        }, TestContext.Current.CancellationToken);
        for (var i = 0; i < lines; i++)
        {
            log.Append(new LogLine(StreamKind.Stdout, Time, Encoding.UTF8.GetBytes($"{i}\n")));
            _ = log.Flush();
        }

        log.Complete();
        await following.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, lines).Select(i => $"{i}\n"), seen);
    }

    [Fact]
    public async Task Following_a_log_that_nobody_writes_ends_at_its_end()
    {
        Write(FileLogOptions.JsonFile, null, "only\n");
        Assert.Single(await Read(new LogQuery { Follow = true }));
    }

    [Fact]
    public void Logs_are_bounded_unless_the_user_says_otherwise()
    {
        static FileLogOptions Parse(params (string Name, string Value)[] options) => FileLogOptions.ParseJsonFile(options.ToDictionary(o => o.Name, o => o.Value));
        Assert.Equal(FileLogOptions.JsonFile, Parse());
        Assert.Equal(-1, Parse(("max-size", "-1")).MaxSize);
        Assert.Equal(1, Parse(("max-size", "1m")).MaxFiles);
    }

    private void Write(FileLogOptions options, string? attributes, params string[] lines)
    {
        using var log = new RotatedLog(LogFile, new JsonFormat(attributes is null ? [] : Encoding.UTF8.GetBytes(attributes)), options);
        foreach (var line in lines)
        {
            log.Append(new LogLine(StreamKind.Stdout, Time, Encoding.UTF8.GetBytes(line)));
            log.Flush();
        }
    }

    private async Task<List<(string Text, string? Attributes)>> Read(LogQuery query)
    {
        var entries = new List<(string, string?)>();
        await foreach (var (entry, attributes) in RotatedLogReader.Read(new JsonFormat([]), LogFile, null, query, TestContext.Current.CancellationToken))
        {
            entries.Add((Encoding.UTF8.GetString(entry.Line.Span), attributes));
        }

        return entries;
    }
}
