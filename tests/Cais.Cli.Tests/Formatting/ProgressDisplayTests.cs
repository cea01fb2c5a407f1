using System.Text;
using Cais.Cli.Formatting;
using Cais.Client;

namespace Cais.Cli.Tests.Formatting;

/// <summary>What is seen on a terminal while images come and go.</summary>
public sealed class ProgressDisplayTests
{
    private sealed class Clock : TimeProvider
    {
        public DateTimeOffset Now { get; set; } = DateTimeOffset.UnixEpoch;

        public override DateTimeOffset GetUtcNow() => Now;
    }

    /// <summary>A stream that lets time pass before each line.</summary>
    private static async Task<string> Show(bool isTerminal, params (double Seconds, string Json)[] lines)
    {
        var clock = new Clock();
        var output = new StringWriter();
        var display = new ProgressDisplay(output, isTerminal, fd: -1, clock);
        foreach (var (seconds, json) in lines)
        {
            clock.Now += TimeSpan.FromSeconds(seconds);
            await display.ShowAsync(new JsonStream(new MemoryStream(Encoding.UTF8.GetBytes(json))));
        }

        return output.ToString();
    }

    private static string Line(string id, string status, long current, long total) =>
        $$$"""{"id":"{{{id}}}","status":"{{{status}}}","progressDetail":{"current":{{{current}}},"total":{{{total}}}}}""";

    [Fact]
    public async Task A_transfer_shows_its_bar_and_its_speed()
    {
        var text = await Show(true, (0, Line("abc", "Downloading", 0, 10_000_000)), (1, Line("abc", "Downloading", 2_000_000, 10_000_000)));

        Assert.Contains("abc: Downloading [==========>", text, StringComparison.Ordinal);
        Assert.Contains("2MB/10MB  2MB/s", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Total", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_transfers_show_their_sum_and_the_time_that_is_left()
    {
        var text = await Show(
            true,
            (0, Line("a", "Downloading", 0, 10_000_000)),
            (0, Line("b", "Downloading", 0, 10_000_000)),
            (1, Line("a", "Downloading", 2_000_000, 10_000_000)),
            (1, Line("b", "Downloading", 2_000_000, 10_000_000)));

        Assert.Contains("Total: 4MB/20MB  2MB/s  8 s left", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_complete_counts_as_all_of_it()
    {
        var text = await Show(
            true,
            (0, Line("a", "Downloading", 5, 1000)),
            (0, Line("b", "Downloading", 5, 1000)),
            (1, """{"id":"a","status":"Download complete","progressDetail":{}}"""),
            (1, """{"id":"b","status":"Pull complete","progressDetail":{}}"""));

        Assert.Contains("Total: 2kB/2kB\r", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Where_there_is_no_terminal_only_changes_of_state_are_printed()
    {
        var text = await Show(
            false,
            (0, """{"id":"a","status":"Pulling fs layer","progressDetail":{}}"""),
            (0, Line("a", "Downloading", 5, 1000)),
            (1, """{"id":"a","status":"Pull complete","progressDetail":{}}"""));

        Assert.Equal("a: Pulling fs layer\na: Pull complete\n", text);
    }
}
