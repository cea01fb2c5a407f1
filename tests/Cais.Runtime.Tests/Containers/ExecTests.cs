using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Further processes in a running container.</summary>
[Trait("Tier", "integration")]
public sealed class ExecTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    private Container Running(Func<Spec, Spec>? change = null)
    {
        var spec = _bundle.Spec("sleep", "1000");
        var container = _bundle.Create(change?.Invoke(spec) ?? spec);
        container.Start();
        return container;
    }

    [Fact]
    public void Sees_the_containers_processes_root_and_names()
    {
        using var container = Running();
        Assert.Equal("harbour\n", TestBundle.Exec(container, "hostname").Output);
        Assert.Contains("sleep 1000", TestBundle.Exec(container, "ps").Output, StringComparison.Ordinal);
        Assert.Equal("lo\n", TestBundle.Exec(container, "ls", "/sys/class/net").Output);
    }

    [Fact]
    public void Is_in_the_containers_cgroups_and_namespaces()
    {
        using var container = Running();
        var listed = TestBundle.Exec(container, "cat", "/proc/self/cgroup").Output;
        Assert.DoesNotContain("cais-rt-tests", listed, StringComparison.Ordinal); // The cgroup namespace starts there.
        Assert.Contains(CgroupLayout.Detect().IsUnified ? "0::/\n" : ":memory:/\n", listed, StringComparison.Ordinal);
        foreach (var space in new[] { "mnt", "pid", "net", "ipc", "uts", "cgroup" })
        {
            var inside = TestBundle.Exec(container, "readlink", $"/proc/self/ns/{space}").Output.Trim();
            Assert.Equal(new FileInfo($"/proc/{container.Pid}/ns/{space}").LinkTarget, inside);
        }
    }

    [Fact]
    public void The_exit_code_comes_back()
    {
        using var container = Running();
        Assert.Equal(3, TestBundle.Exec(container, "sh", "-c", "exit 3").Status.Code);
        Assert.Equal(Signals.Kill, TestBundle.Exec(container, "sh", "-c", "kill -9 $$").Status.Signal);
    }

    [Fact]
    public void A_program_that_is_missing_is_told()
    {
        using var container = Running();
        var error = Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, "nonesuch"));
        Assert.Equal("exec: \"nonesuch\": executable file not found in $PATH", error.Message);
        error = Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, TestSpec.Process("true") with { Cwd = "/nonesuch" }));
        Assert.Equal("go to the working directory /nonesuch: no such file or directory", error.Message);
    }

    [Fact]
    public void Has_its_own_user_capabilities_and_limits()
    {
        using var container = Running();
        var result = TestBundle.Exec(container, TestSpec.Process("sh", "-c", "id -u; grep CapEff /proc/self/status; ulimit -n") with
        {
            User = new User { Uid = 1000, Gid = 1000 },
            Capabilities = new Capabilities { Bounding = ["CAP_KILL"] },
            Rlimits = [new Rlimit { Type = "RLIMIT_NOFILE", Soft = 99, Hard = 99 }],
        });
        Assert.Equal("1000\nCapEff:\t0000000000000000\n99\n", result.Output);
    }

    [Fact]
    public void No_descriptor_of_the_host_leaks_in()
    {
        using var container = Running();
        using var host = Files.Open("/etc", OpenFlags.Path | OpenFlags.Directory);
        Assert.Equal("0\n1\n2\n3\n", TestBundle.Exec(container, "ls", "/proc/self/fd").Output);
    }

    [Fact]
    public void A_terminal_is_the_containers_own()
    {
        using var container = Running();
        using var handle = container.Exec(new ExecRequest
        {
            Process = TestSpec.Process("sh", "-c", "tty; stty size; exit 4") with { Terminal = true, ConsoleSize = new ConsoleSize { Height = 33, Width = 99 } },
        });
        Assert.Equal("/dev/pts/0\r\n33 99\r\n", Terminals.ReadAll(handle.Console!));
        Assert.Equal(4, handle.Wait().Code);
    }

    [Fact]
    public void Paused_containers_refuse_unless_told_otherwise()
    {
        using var container = Running();
        container.Pause();
        Assert.Equal(ContainerStatus.Paused, container.Status);
        Assert.Equal(RuntimeError.WrongState, Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, "true")).Error);
        container.Resume();
        Assert.Equal(ContainerStatus.Running, container.Status);
        Assert.Equal(0, TestBundle.Exec(container, "true").Status.Code);
    }

    [Fact]
    public void A_stopped_container_refuses()
    {
        using var container = Running();
        container.Kill(Signals.Kill);
        Pidfd.Wait(container.PidFd!);
        Assert.Equal("cannot exec in a stopped container", Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, "true")).Message);
    }

    [Fact]
    public void A_user_namespace_is_entered_too()
    {
        _bundle.MapRootfs(100_000);
        using var container = Running(TestSpec.WithUserNamespace);
        var result = TestBundle.Exec(container, "sh", "-c", "id -u; cat /proc/self/uid_map; cat /proc/1/cmdline");
        Assert.Contains("0\n", result.Output, StringComparison.Ordinal);
        Assert.Contains("100000", result.Output, StringComparison.Ordinal);
        Assert.Contains("sleep", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_on_the_chosen_cpus_in_the_end_or_on_the_containers()
    {
        Assert.SkipUnless(Environment.ProcessorCount > 1, "one CPU leaves no choice");
        using var container = Running();
        string Cpus(ExecCpuAffinity affinity) => TestBundle.Exec(
            container, TestSpec.Process("grep", "Cpus_allowed_list", "/proc/self/status") with { ExecCpuAffinity = affinity }).Output.Split('\t')[1].Trim();
        var all = TestBundle.Exec(container, "grep", "Cpus_allowed_list", "/proc/self/status").Output.Split('\t')[1].Trim();
        Assert.Equal("1", Cpus(new ExecCpuAffinity { Initial = "0", Final = "1" }));
        Assert.Equal("0", Cpus(new ExecCpuAffinity { Final = "0" }));
        Assert.Equal(all, Cpus(new ExecCpuAffinity { Initial = "0" }));

        // The thread that forked has its own CPUs back.
        Assert.DoesNotContain("Cpus_allowed_list:\t0\n", File.ReadAllText("/proc/thread-self/status"), StringComparison.Ordinal);
    }

    [Fact]
    public void Cpus_that_are_no_list_are_refused()
    {
        using var container = Running();
        var error = Assert.Throws<RuntimeException>(() => TestBundle.Exec(container, TestSpec.Process("true") with { ExecCpuAffinity = new ExecCpuAffinity { Initial = "0-" } }));
        Assert.Contains("not a list of numbers", error.Message, StringComparison.Ordinal);
    }
}
