using Cais.Linux.Io;

namespace Cais.Linux.Tests;

public sealed class DescriptorLimitTests
{
    [Fact]
    public void A_child_gets_a_limit_while_it_lives_and_none_after()
    {
        var limit = DescriptorLimit.OfThisProcess() with { Soft = 77 };
        using var child = ChildProcess.Start(new ChildCommand { Program = "/bin/sleep", Arguments = ["1000"] });
        Assert.True(limit.TryApplyTo(child.Pid));
        Assert.Contains("77 ", File.ReadAllLines($"/proc/{child.Pid}/limits").Single(line => line.StartsWith("Max open files", StringComparison.Ordinal)), StringComparison.Ordinal);
        Pidfd.Signal(child.PidFd, Signals.Kill);
        Pidfd.Wait(child.PidFd);
        Assert.False(limit.TryApplyTo(child.Pid));
        Assert.Equal(Errno.ESRCH, Assert.Throws<LinuxException>(() => limit.ApplyTo(child.Pid)).Errno);
    }
}
