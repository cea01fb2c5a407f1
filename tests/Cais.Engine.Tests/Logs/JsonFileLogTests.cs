using System.Text;
using Cais.Engine.Io;
using Cais.Engine.Logs;
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
        Write(new LogOptions(), "hi \"<you>\"\n");
        Assert.Equal("""{"log":"hi \"\u003cyou\u003e\"\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}""" + "\n", File.ReadAllText(LogFile));
    }

    [Fact]
    public void Bytes_that_are_not_utf8_and_control_characters_survive_as_json()
    {
        using (var log = new JsonFileLog(LogFile, new LogOptions()))
        {
            log.Append(StreamKind.Stderr, Time, [0xff, (byte)'a', 0x01, 0xc3, 0xa9, (byte)'\n']);
        }

        Assert.Contains("""{"log":"\ufffda\u0001é\n","stream":"stderr""", File.ReadAllText(LogFile), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_was_written_is_read()
    {
        Write(new LogOptions { Attributes = new Dictionary<string, string> { ["tier"] = "web" } }, "one\n", "two\n");
        var entries = await Read(new LogQuery());
        Assert.Equal(["one\n", "two\n"], entries.Select(e => e.Text));
        Assert.Equal("tier=web", entries[0].Attributes);
    }

    [Fact]
    public async Task Files_are_set_aside_when_full_and_the_oldest_is_dropped()
    {
        Write(new LogOptions { MaxSize = 200, MaxFiles = 3 }, [.. Enumerable.Range(0, 20).Select(i => $"line {i}\n")]);
        Assert.Equal(3, Directory.GetFiles(_directory).Length);
        var lines = (await Read(new LogQuery())).Select(e => e.Text).ToList();
        Assert.Equal("line 19\n", lines[^1]);
        Assert.Equal(lines, Enumerable.Range(20 - lines.Count, lines.Count).Select(i => $"line {i}\n"));
    }

    [Fact]
    public async Task Files_that_are_set_aside_can_be_compressed_and_are_still_read()
    {
        Write(new LogOptions { MaxSize = 200, MaxFiles = 10, Compress = true }, [.. Enumerable.Range(0, 12).Select(i => $"line {i}\n")]);
        Assert.Contains(Directory.GetFiles(_directory), f => f.EndsWith(".1.gz", StringComparison.Ordinal));
        Assert.Equal(Enumerable.Range(0, 12).Select(i => $"line {i}\n"), (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Fact]
    public async Task A_line_torn_by_a_crash_is_cut_off_and_what_follows_is_whole()
    {
        Write(new LogOptions(), "before\n");
        File.AppendAllText(LogFile, """{"log":"half of a li""");
        Write(new LogOptions(), "after\n");
        Assert.Equal(["before\n", "after\n"], (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Fact]
    public async Task A_line_that_is_no_json_is_passed_over()
    {
        Write(new LogOptions(), "before\n");
        File.AppendAllText(LogFile, "\0\0\0\n[]\n{\"log\":1}\n");
        Write(new LogOptions(), "after\n");
        Assert.Equal(["before\n", "after\n"], (await Read(new LogQuery())).Select(e => e.Text));
    }

    [Theory]
    [InlineData(0, new string[0])]
    [InlineData(2, new[] { "3\n", "4\n" })]
    [InlineData(100, new[] { "0\n", "1\n", "2\n", "3\n", "4\n" })]
    public async Task The_tail_counts_lines_over_all_files(int tail, string[] expected)
    {
        Write(new LogOptions { MaxSize = 100, MaxFiles = 10 }, "0\n", "1\n", "2\n", "3\n", "4\n");
        Assert.Equal(expected, (await Read(new LogQuery { Tail = tail })).Select(e => e.Text));
    }

    [Fact]
    public async Task Since_and_until_bound_what_is_read()
    {
        using (var log = new JsonFileLog(LogFile, new LogOptions()))
        {
            for (var i = 0; i < 5; i++)
            {
                log.Append(StreamKind.Stdout, Time.AddSeconds(i), Encoding.UTF8.GetBytes($"{i}\n"));
            }
        }

        var entries = await Read(new LogQuery { Since = Time.AddSeconds(1), Until = Time.AddSeconds(3) });
        Assert.Equal(["1\n", "2\n", "3\n"], entries.Select(e => e.Text));
    }

    [Fact]
    public async Task One_stream_alone_can_be_asked_for()
    {
        using (var log = new JsonFileLog(LogFile, new LogOptions()))
        {
            log.Append(StreamKind.Stdout, Time, "out\n"u8);
            log.Append(StreamKind.Stderr, Time, "err\n"u8);
        }

        Assert.Equal(["err\n"], (await Read(new LogQuery { Stdout = false })).Select(e => e.Text));
    }

    [Fact]
    public async Task A_follower_sees_every_line_once_whatever_is_rotated_meanwhile()
    {
        const int lines = 2000;
        using var log = new JsonFileLog(LogFile, new LogOptions { MaxSize = 8_000, MaxFiles = 1000 });
        var seen = new List<string>();
        var following = Task.Run(async () =>
        {
            await foreach (var (entry, _) in JsonFileReader.Read(LogFile, log, new LogQuery { Follow = true }, TestContext.Current.CancellationToken))
            {
                seen.Add(Encoding.UTF8.GetString(entry.Line.Span));
            }
        }, TestContext.Current.CancellationToken);
        for (var i = 0; i < lines; i++)
        {
            log.Append(StreamKind.Stdout, Time, Encoding.UTF8.GetBytes($"{i}\n"));
            log.Flush();
        }

        log.Complete();
        await following.WaitAsync(Eventually.Deadline, TestContext.Current.CancellationToken);
        Assert.Equal(Enumerable.Range(0, lines).Select(i => $"{i}\n"), seen);
    }

    [Fact]
    public async Task Following_a_log_that_nobody_writes_ends_at_its_end()
    {
        Write(new LogOptions(), "only\n");
        Assert.Single(await Read(new LogQuery { Follow = true }));
    }

    [Theory]
    [InlineData("max-size", "1x", "invalid value for max-size: 1x: must be a positive number of bytes")]
    [InlineData("max-file", "0", "max-file cannot be less than 1")]
    [InlineData("colour", "red", "unknown log opt 'colour' for json-file log driver")]
    public void A_wrong_option_is_named(string name, string value, string message) =>
        Assert.Equal(message, Assert.Throws<EngineException>(() => LogOptions.Parse(new Dictionary<string, string> { [name] = value })).Message);

    [Fact]
    public void Logs_are_bounded_unless_the_user_says_otherwise()
    {
        Assert.Equal(LogOptions.DefaultMaxSize, LogOptions.Parse(null).MaxSize);
        Assert.Equal(-1, LogOptions.Parse(new Dictionary<string, string> { ["max-size"] = "-1" }).MaxSize);
        Assert.Equal(1, LogOptions.Parse(new Dictionary<string, string> { ["max-size"] = "1m" }).MaxFiles);
    }

    private void Write(LogOptions options, params string[] lines)
    {
        using var log = new JsonFileLog(LogFile, options);
        foreach (var line in lines)
        {
            log.Append(StreamKind.Stdout, Time, Encoding.UTF8.GetBytes(line));
            log.Flush();
        }
    }

    private async Task<List<(string Text, string? Attributes)>> Read(LogQuery query)
    {
        var entries = new List<(string, string?)>();
        await foreach (var (entry, attributes) in JsonFileReader.Read(LogFile, null, query, TestContext.Current.CancellationToken))
        {
            entries.Add((Encoding.UTF8.GetString(entry.Line.Span), attributes));
        }

        return entries;
    }
}
