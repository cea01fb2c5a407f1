using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Support;
using Cais.Testing;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Limits and what they count, on the kernel's cgroups as they are mounted here.</summary>
[Trait("Tier", "integration")]
public sealed class ResourceTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    private Container Running(LinuxResources resources, params string[] args)
    {
        var spec = _bundle.Spec(args.Length > 0 ? args : ["sleep", "1000"]).With(linux => linux with { Resources = resources });
        var container = _bundle.Create(spec);
        container.Start();
        return container;
    }

    private string V1(string controller, string file) => File.ReadAllText($"/sys/fs/cgroup/{controller}/cais-rt-tests/{_bundle.Id}/{file}").Trim();

    private static bool IsV1 => !CgroupLayout.Detect().IsUnified;

    [Fact]
    public void Limits_reach_the_kernel_and_can_be_changed()
    {
        Assert.SkipUnless(IsV1, "this machine has cgroup v2: CgroupV2Tests covers it");
        using var container = Running(new LinuxResources
        {
            Memory = new MemoryResources { Limit = 64 << 20, Reservation = 32 << 20 },
            Cpu = new CpuResources { Shares = 512, Quota = 50_000, Period = 100_000, Cpus = "0", Mems = "0" },
            Pids = new PidsResources { Limit = 77 },
        });
        Assert.Equal("67108864", V1("memory", "memory.limit_in_bytes"));
        Assert.Equal("33554432", V1("memory", "memory.soft_limit_in_bytes"));
        Assert.Equal("512", V1("cpu", "cpu.shares"));
        Assert.Equal("50000", V1("cpu", "cpu.cfs_quota_us"));
        Assert.Equal("0", V1("cpuset", "cpuset.cpus"));
        Assert.Equal("77", V1("pids", "pids.max"));
        container.Update(new LinuxResources
        {
            Memory = new MemoryResources { Limit = 128 << 20 },
            Cpu = new CpuResources { Quota = 200_000, Period = 200_000 },
            Pids = new PidsResources { Limit = -1 },
        });
        Assert.Equal("134217728", V1("memory", "memory.limit_in_bytes"));
        Assert.Equal("200000", V1("cpu", "cpu.cfs_quota_us"));
        Assert.Equal("max", V1("pids", "pids.max"));
        Assert.Equal("512", V1("cpu", "cpu.shares"));
    }

    [Fact]
    public void The_limit_of_processes_holds()
    {
        using var container = Running(new LinuxResources { Pids = new PidsResources { Limit = 3 } });
        var result = TestBundle.Exec(container, "sh", "-c", "sleep 5 & sleep 5 & sleep 5 & sleep 5; true");
        Assert.Contains("can't fork", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Memory_that_runs_out_is_told()
    {
        using var container = Running(
            new LinuxResources { Memory = new MemoryResources { Limit = 8 << 20, Swap = 8 << 20 } },
            "sh", "-c", "sleep 1000 & while true; do dd if=/dev/zero of=/dev/null bs=64M count=1; done");
        using var watch = container.WatchOom();
        Assert.NotNull(watch);
        await Eventually.Holds(() => Poll.Readable(watch.Descriptor, 100) && watch.Check(), "an out-of-memory kill is reported");
        Assert.True(container.Stats().Memory.OomKills > 0);
    }

    [Fact]
    public void Statistics_count_what_the_container_does()
    {
        using var container = Running(new LinuxResources { Memory = new MemoryResources { Limit = 64 << 20 }, Pids = new PidsResources { Limit = 9 } });
        TestBundle.Exec(container, "sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
        var stats = container.Stats();
        Assert.True(stats.Cpu.TotalUsage > 1_000_000);
        Assert.True(stats.Memory.Usage > 0);
        Assert.Equal(64ul << 20, stats.Memory.Limit);
        Assert.Equal(1ul, stats.Pids.Current);
        Assert.Equal(9ul, stats.Pids.Limit);
        Assert.Equal([container.Pid], container.Pids());
    }

    [Fact]
    public void A_limit_without_its_controller_is_an_error_with_its_name()
    {
        Assert.SkipUnless(IsV1 && CgroupLayout.Detect().Find("rdma") is null, "the rdma controller is mounted here");
        var error = Assert.Throws<RuntimeException>(() => Running(new LinuxResources
        {
            Rdma = new Dictionary<string, RdmaLimit> { ["mlx5_0"] = new RdmaLimit { HcaHandles = 3 } },
        }));
        Assert.Equal("cannot set rdma.max: the cgroup controller rdma is not mounted", error.Message);
    }

    [Fact]
    public void Pausing_stops_every_process_until_resumed()
    {
        using var output = new CapturedStream();
        using var input = Files.Open("/dev/null", OpenFlags.ReadOnly);
        using var container = _bundle.Create(
            _bundle.Spec("sh", "-c", "while true; do echo tick; done"), new StandardStreams(input, output.Writer, output.Writer));
        container.Start();
        Assert.Equal("tick", output.ReadLine());
        container.Pause();
        Assert.Equal("paused", container.State.Status);
        Assert.Equal(RuntimeError.WrongState, Assert.Throws<RuntimeException>(container.Pause).Error);
        container.Resume();
        Assert.Equal("running", container.State.Status);
        Assert.Equal(RuntimeError.WrongState, Assert.Throws<RuntimeException>(container.Resume).Error);
    }

    [Fact]
    public void A_paused_container_can_be_deleted_by_force()
    {
        using var container = Running(new LinuxResources());
        container.Pause();
        container.Delete(force: true);
        Assert.False(Directory.Exists($"/sys/fs/cgroup/freezer/cais-rt-tests/{_bundle.Id}"));
        Pidfd.Wait(container.PidFd!);
    }

    [Fact]
    public async Task Killing_all_reaches_processes_that_left_their_parents()
    {
        var spec = _bundle.Spec("sh", "-c", "(sleep 1000 &) ; (sleep 1000 &); exec sleep 1000");
        using var container = _bundle.Create(spec.With(linux => linux with { Namespaces = [.. linux.Namespaces!.Where(n => n.Type != "pid")] }));
        container.Start();
        await Eventually.Holds(() => container.Pids().Count == 3, "three processes");
        container.Kill(Signals.Kill, all: true);
        Pidfd.Wait(container.PidFd!);
        await Eventually.Holds(() => container.Pids().Count == 0, "none is left");
        container.Delete();
    }
}
