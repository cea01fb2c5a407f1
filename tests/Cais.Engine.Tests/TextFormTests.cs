namespace Cais.Engine.Tests;

public sealed class TextFormTests
{
    private static readonly DateTimeOffset Now = new(2026, 5, 6, 7, 8, 9, TimeSpan.Zero);

    [Theory]
    [InlineData("1h30m", 5400)]
    [InlineData("1.5s", 1.5)]
    [InlineData("300ms", 0.3)]
    [InlineData("0", 0)]
    [InlineData("-2m", -120)]
    public void A_go_duration_is_read(string text, double seconds)
    {
        Assert.True(Durations.TryParse(text, out var duration));
        Assert.Equal(seconds, duration.TotalSeconds, 6);
    }

    [Theory]
    [InlineData("")]
    [InlineData("5")]
    [InlineData("m")]
    [InlineData("1x")]
    [InlineData("99999999999h")]
    public void What_is_no_duration_is_refused(string text) => Assert.False(Durations.TryParse(text, out _));

    [Theory]
    [InlineData(0.2, "Less than a second")]
    [InlineData(1, "1 second")]
    [InlineData(59, "59 seconds")]
    [InlineData(61, "About a minute")]
    [InlineData(150, "2 minutes")]
    [InlineData(3700, "About an hour")]
    [InlineData(7300, "2 hours")]
    [InlineData(86400 * 3, "3 days")]
    [InlineData(86400 * 21, "3 weeks")]
    [InlineData(86400 * 100, "3 months")]
    [InlineData(86400 * 800, "2 years")]
    public void A_span_is_told_as_docker_tells_it(double seconds, string text) => Assert.Equal(text, Durations.Human(TimeSpan.FromSeconds(seconds)));

    [Theory]
    [InlineData("1778051289", "2026-05-06T07:08:09Z")]
    [InlineData("1778051289.25", "2026-05-06T07:08:09.25Z")]
    [InlineData("10m", "2026-05-06T06:58:09Z")]
    [InlineData("2026-05-06", "2026-05-06T00:00:00Z")]
    [InlineData("2026-05-06T07:00:00+02:00", "2026-05-06T05:00:00Z")]
    [InlineData("2026-05-06T07:00:00.123456789Z", null)]
    [InlineData("yesterday", null)]
    public void A_time_is_read_in_every_form_that_clients_send(string text, string? expected)
    {
        var time = Timestamps.Parse(text, Now);
        if (expected is not null)
        {
            Assert.Equal(expected, Timestamps.Format(time));
        }
    }

    [Theory]
    [InlineData("64m", 64L << 20)]
    [InlineData("1.5GB", 3L << 29)]
    [InlineData("4096", 4096)]
    [InlineData("10KiB", 10240)]
    [InlineData("1b", 1)]
    public void A_size_is_read(string text, long bytes)
    {
        Assert.True(Sizes.TryParse(text, out var parsed));
        Assert.Equal(bytes, parsed);
    }

    [Theory]
    [InlineData("")]
    [InlineData("m")]
    [InlineData("1zb")]
    [InlineData("-1")]
    public void What_is_no_size_is_refused(string text) => Assert.False(Sizes.TryParse(text, out _));
}
