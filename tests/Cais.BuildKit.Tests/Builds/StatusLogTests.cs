using Cais.BuildKit.Builds;
using Moby.Buildkit.V1;

namespace Cais.BuildKit.Tests.Builds;

public sealed class StatusLogTests
{
    [Fact]
    public async Task Everyone_hears_all_from_the_beginning()
    {
        var log = new StatusLog(TimeProvider.System);
        log.Begin("d", "step", []);
        var early = ReadAll(log);
        log.Output("d", false, "hello"u8);
        log.End("d", isCached: false, null);
        log.Complete();
        foreach (var heard in new[] { await early, await ReadAll(log) })
        {
            Assert.Equal("hello", string.Concat(heard.Logs.Select(l => l.Msg.ToStringUtf8())));
            Assert.NotNull(heard.Vertexes[^1].Completed);
        }
    }

    [Fact]
    public async Task What_was_not_ended_is_canceled_at_the_end()
    {
        var log = new StatusLog(TimeProvider.System);
        log.Begin("d", "step", []);
        log.Complete();
        Assert.Equal("context canceled", (await ReadAll(log)).Vertexes[^1].Error);
    }

    [Fact]
    public async Task Output_beyond_the_limit_is_dropped_and_said_to_be()
    {
        var log = new StatusLog(TimeProvider.System);
        log.Begin("d", "step", []);
        var part = new byte[64 << 10];
        for (var i = 0; i < 100; i++)
        {
            log.Output("d", false, part);
        }

        log.Complete();
        var all = await ReadAll(log);
        Assert.InRange(all.Logs.Sum(l => l.Msg.Length), 2 << 20, (2 << 20) + (128 << 10));
        Assert.Contains("output clipped", all.Logs[^1].Msg.ToStringUtf8(), StringComparison.Ordinal);
    }

    private static async Task<StatusResponse> ReadAll(StatusLog log)
    {
        var all = new StatusResponse();
        await foreach (var part in log.ReadAsync(TestContext.Current.CancellationToken))
        {
            all.MergeFrom(part);
        }

        return all;
    }
}
