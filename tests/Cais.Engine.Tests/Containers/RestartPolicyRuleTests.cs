using Cais.Api;
using Cais.Engine.Containers;

namespace Cais.Engine.Tests.Containers;

public sealed class RestartPolicyRuleTests
{
    private static readonly TimeSpan Short = TimeSpan.FromSeconds(1);

    [Fact]
    public void The_delay_doubles_up_to_a_minute_and_begins_again_after_ten_good_seconds()
    {
        var before = TimeSpan.Zero;
        var delays = Enumerable.Range(0, 12).Select(_ => (before = Decide("always", 1, before: before)!.Value).TotalMilliseconds).ToList();
        Assert.Equal([100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000], delays);
        Assert.Equal(100, Decide("always", 1, ranFor: TimeSpan.FromSeconds(10), before: before)!.Value.TotalMilliseconds);
    }

    [Theory]
    [InlineData("no", 1, false)]
    [InlineData("always", 0, true)]
    [InlineData("unless-stopped", 0, true)]
    [InlineData("on-failure", 0, false)]
    [InlineData("on-failure", 1, true)]
    public void Each_policy_decides_by_the_exit_code(string policy, int exitCode, bool restarts) =>
        Assert.Equal(restarts, Decide(policy, exitCode) is not null);

    [Fact]
    public void Who_was_stopped_on_request_stays_stopped() => Assert.Null(Decide("always", 137, stopped: true));

    [Theory]
    [InlineData(2, true)]
    [InlineData(3, false)]
    public void On_failure_gives_up_after_as_many_attempts_as_were_allowed(int restarts, bool again) =>
        Assert.Equal(again, RestartPolicyRule.Decide(new RestartPolicy { Name = "on-failure", MaximumRetryCount = 3 }, 1, false, restarts, Short, TimeSpan.Zero) is not null);

    [Theory]
    [InlineData("always", true, true)]
    [InlineData("unless-stopped", true, false)]
    [InlineData("unless-stopped", false, true)]
    [InlineData("no", false, false)]
    public void After_a_reboot_the_policy_says_who_is_started(string policy, bool stoppedByUser, bool starts)
    {
        var status = new ContainerStatus { Phase = Phase.Exited, StartedAt = DateTimeOffset.UnixEpoch, StoppedByUser = stoppedByUser };
        Assert.Equal(starts, RestartPolicyRule.StartsWithDaemon(new RestartPolicy { Name = policy }, status));
    }

    [Fact]
    public void Who_was_never_started_is_not_started_by_the_daemon() =>
        Assert.False(RestartPolicyRule.StartsWithDaemon(new RestartPolicy { Name = "always" }, new ContainerStatus()));

    private static TimeSpan? Decide(string policy, int exitCode, bool stopped = false, TimeSpan? ranFor = null, TimeSpan before = default) =>
        RestartPolicyRule.Decide(new RestartPolicy { Name = policy }, exitCode, stopped, 0, ranFor ?? Short, before);
}
