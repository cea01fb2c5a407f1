using Cais.Api;
using Cais.Engine.Health;

namespace Cais.Engine.Tests.Health;

public sealed class HealthStateTests
{
    private static readonly HealthConfig Config = new() { Test = ["CMD", "true"], Retries = 2 };
    private static readonly HealthState Starting = new() { Status = "starting", FailingStreak = 0, Log = [] };

    [Fact]
    public void One_success_is_health() => Assert.Equal("healthy", HealthMonitor.Next(Starting, Result(0), Config, false).Status);

    [Fact]
    public void It_is_ill_after_as_many_failures_in_a_row_as_are_allowed()
    {
        var once = HealthMonitor.Next(Starting, Result(1), Config, false);
        Assert.Equal(("starting", 1L), (once.Status, once.FailingStreak!.Value));
        Assert.Equal("unhealthy", HealthMonitor.Next(once, Result(1), Config, false).Status);
    }

    [Fact]
    public void Failures_of_the_start_period_do_not_count()
    {
        var state = HealthMonitor.Next(Starting, Result(1), Config, inStartPeriod: true);
        Assert.Equal(("starting", 0L), (state.Status, state.FailingStreak!.Value));
    }

    [Fact]
    public void The_last_five_results_are_kept()
    {
        var state = Starting;
        for (var i = 0; i < 9; i++)
        {
            state = HealthMonitor.Next(state, Result(i), Config, false);
        }

        Assert.Equal([4L, 5L, 6L, 7L, 8L], state.Log!.Select(l => l.ExitCode!.Value));
    }

    [Fact]
    public void The_test_is_a_command_or_a_shells_line()
    {
        Assert.Equal(["curl", "x"], HealthMonitor.CommandOf(new ContainerConfig { Healthcheck = new() { Test = ["CMD", "curl", "x"] } }));
        Assert.Equal(["/bin/sh", "-c", "curl x"], HealthMonitor.CommandOf(new ContainerConfig { Healthcheck = new() { Test = ["CMD-SHELL", "curl x"] } }));
        Assert.Null(HealthMonitor.CommandOf(new ContainerConfig { Healthcheck = new() { Test = ["NONE"] } }));
        Assert.Null(HealthMonitor.CommandOf(new ContainerConfig()));
    }

    private static HealthcheckResult Result(int exitCode) => new() { ExitCode = exitCode };
}
