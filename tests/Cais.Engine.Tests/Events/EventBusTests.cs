using Cais.Api;
using Cais.Engine.Events;
using Cais.Testing;

namespace Cais.Engine.Tests.Events;

public sealed class EventBusTests
{
    private readonly EventBus _bus = new(TimeProvider.System);

    [Fact]
    public async Task Past_events_are_told_and_then_the_listening_ends()
    {
        _bus.Publish("container", "create", "c1");
        _bus.Publish("container", "start", "c1");
        var seen = await Collect(DateTimeOffset.UnixEpoch, DateTimeOffset.UtcNow.AddSeconds(1));
        Assert.Equal(["create", "start"], seen.Select(e => e.Action));
        Assert.True(seen[0].TimeNano < seen[1].TimeNano);
    }

    [Fact]
    public async Task Without_since_only_what_happens_from_now_on_is_told()
    {
        _bus.Publish("container", "create", "c1");
        using var stop = new CancellationTokenSource();
        var seen = new List<EventMessage>();
        var listening = Task.Run(async () =>
        {
            await foreach (var message in _bus.Listen(null, null, stop.Token))
            {
                seen.Add(message);
                await stop.CancelAsync();
            }
        }, TestContext.Current.CancellationToken);
        await Eventually.Holds(() => _bus.Listeners == 1, "the listener listens");
        _bus.Publish("container", "start", "c1");
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => listening);
        Assert.Equal("start", Assert.Single(seen).Action);
        Assert.Equal(0, _bus.Listeners);
    }

    [Theory]
    [InlineData("type", "container", true)]
    [InlineData("type", "image", false)]
    [InlineData("event", "exec_create", true)]
    [InlineData("event", "exec_create: sh", true)]
    [InlineData("event", "die", false)]
    [InlineData("container", "web", true)]
    [InlineData("container", "c0ffee", true)]
    [InlineData("container", "db", false)]
    [InlineData("image", "busybox", true)]
    [InlineData("label", "tier=front", true)]
    [InlineData("label", "tier=back", false)]
    public void Filters_choose(string key, string value, bool matches)
    {
        var message = new EventMessage
        {
            Type = "container",
            Action = "exec_create: sh",
            Actor = new EventActor
            {
                ID = "c0ffee11",
                Attributes = new Dictionary<string, string> { ["name"] = "web", ["image"] = "busybox", ["tier"] = "front" },
            },
            Scope = "local",
        };
        Assert.Equal(matches, EventBus.Matches(message, Filters.Of((key, value))));
    }

    private async Task<List<EventMessage>> Collect(DateTimeOffset since, DateTimeOffset until)
    {
        var seen = new List<EventMessage>();
        await foreach (var message in _bus.Listen(since, until, TestContext.Current.CancellationToken))
        {
            seen.Add(message);
        }

        return seen;
    }
}
