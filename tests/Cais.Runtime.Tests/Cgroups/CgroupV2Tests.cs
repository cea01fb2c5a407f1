using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Cgroups;

/// <summary>What is written to which file of cgroup v2, on a directory that stands in for the kernel's; it needs neither root nor that version.</summary>
public sealed class CgroupV2Tests : IDisposable
{
    private readonly string _top = Directory.CreateTempSubdirectory("cais-rt-").FullName;

    public void Dispose() => Directory.Delete(_top, recursive: true);

    private string Box => Path.Combine(_top, "box");

    private CgroupV2 Cgroup(params string[] files)
    {
        Directory.CreateDirectory(Box);
        foreach (var file in files)
        {
            File.WriteAllText(Path.Combine(Box, file), "");
        }

        return new CgroupV2(new CgroupHierarchy(_top, [], "/", true), Box);
    }

    private string Text(string file) => File.ReadAllText(Path.Combine(Box, file));

    private static string Refusal(Action action) => Assert.Throws<RuntimeException>(action).Message;

    [Fact]
    public void Limits_of_v1_are_converted()
    {
        var cgroup = Cgroup("memory.max", "memory.low", "memory.swap.max", "cpu.weight", "cpu.max", "cpu.max.burst", "cpuset.cpus", "pids.max", "io.weight", "io.max", "rdma.max");
        cgroup.Apply(
            new LinuxResources
            {
                Memory = new MemoryResources { Limit = 1000, Reservation = 500, Swap = 1500 },
                Cpu = new CpuResources { Shares = 1024, Quota = 5000, Period = 10_000, Burst = 100, Cpus = "0" },
                Pids = new PidsResources { Limit = 7 },
                BlockIO = new BlockIoResources { Weight = 500, ThrottleReadBpsDevice = [new ThrottleDevice { Major = 8, Minor = 0, Rate = 77 }] },
                Rdma = new Dictionary<string, RdmaLimit> { ["mlx5_0"] = new RdmaLimit { HcaHandles = 3, HcaObjects = 4 } },
            },
            update: true);
        Assert.Equal("1000", Text("memory.max"));
        Assert.Equal("500", Text("memory.low"));
        Assert.Equal("500", Text("memory.swap.max"));
        Assert.Equal("39", Text("cpu.weight"));
        Assert.Equal("5000 10000", Text("cpu.max"));
        Assert.Equal("100", Text("cpu.max.burst"));
        Assert.Equal("0", Text("cpuset.cpus"));
        Assert.Equal("7", Text("pids.max"));
        Assert.Equal("4950", Text("io.weight"));
        Assert.Equal("8:0 rbps=77", Text("io.max"));
        Assert.Equal("mlx5_0 hca_handle=3 hca_object=4", Text("rdma.max"));
    }

    [Fact]
    [Sentence("config-linux.md", "hugepage-size")]
    public void Huge_pages_are_limited_by_reservation_and_by_use()
    {
        Cgroup("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max", "hugetlb.1GB.max").Apply(
            new LinuxResources
            {
                HugepageLimits = [new HugepageLimit { PageSize = "2MB", Limit = 5 }, new HugepageLimit { PageSize = "1GB", Limit = 6 }],
            },
            update: true);
        Assert.Equal(("5", "5", "6"), (Text("hugetlb.2MB.max"), Text("hugetlb.2MB.rsvd.max"), Text("hugetlb.1GB.max")));
        Assert.Contains("huge pages of 3MB", Refusal(() => Cgroup().Apply(new LinuxResources { HugepageLimits = [new HugepageLimit { PageSize = "3MB", Limit = 5 }] }, update: true)), StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config-linux.md", "unified-unknown")]
    public void Unified_settings_are_written_line_by_line_whatever_they_are()
    {
        Cgroup("io.max", "future.thing").Apply(
            new LinuxResources { Unified = new Dictionary<string, string> { ["future.thing"] = "42", ["io.max"] = "8:0 rbps=1\n" } }, update: true);
        Assert.Equal(("42", "8:0 rbps=1"), (Text("future.thing"), Text("io.max")));
    }

    [Fact]
    [Sentence("config-linux.md", "unified-missing")]
    public void A_unified_setting_without_its_controller_is_refused() =>
        Assert.Contains("the cgroup controller memory is not enabled", Refusal(() => Cgroup().Apply(new LinuxResources { Unified = new Dictionary<string, string> { ["memory.max"] = "1" } }, update: true)), StringComparison.Ordinal);

    [Fact]
    public void A_unified_setting_cannot_leave_the_cgroup() =>
        Assert.Contains("must be a file name", Refusal(() => Cgroup().Apply(new LinuxResources { Unified = new Dictionary<string, string> { ["../cgroup.procs"] = "1" } }, update: true)), StringComparison.Ordinal);

    [Fact]
    public void A_limit_without_its_controller_names_it() =>
        Assert.Contains("the cgroup controller pids is not enabled", Refusal(() => Cgroup().Apply(new LinuxResources { Pids = new PidsResources { Limit = 1 } }, update: true)), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "unified-controllers")]
    public void Controllers_are_handed_down_from_the_top()
    {
        File.WriteAllText(Path.Combine(_top, "cgroup.controllers"), "cpu memory\n");
        File.WriteAllText(Path.Combine(_top, "cgroup.subtree_control"), "");
        CgroupV2.EnableControllers(_top, Box);
        Assert.Equal("+cpu +memory", File.ReadAllText(Path.Combine(_top, "cgroup.subtree_control")));
    }

    public static TheoryData<string, LinuxResources> Inconvertible => new()
    {
        { "memory.swappiness", new LinuxResources { Memory = new MemoryResources { Swappiness = 1 } } },
        { "memory.disableOOMKiller", new LinuxResources { Memory = new MemoryResources { DisableOOMKiller = true } } },
        { "memory.kernelTCP", new LinuxResources { Memory = new MemoryResources { KernelTCP = 1 } } },
        { "cpu.realtimeRuntime", new LinuxResources { Cpu = new CpuResources { RealtimeRuntime = 1 } } },
        { "blockIO.leafWeight", new LinuxResources { BlockIO = new BlockIoResources { LeafWeight = 10 } } },
        { "network", new LinuxResources { Network = new NetworkResources { ClassID = 1 } } },
    };

    [Theory]
    [MemberData(nameof(Inconvertible), DisableDiscoveryEnumeration = true)]
    [Sentence("config-linux.md", "unified-conversion")]
    public void What_v2_has_nothing_for_is_refused(string name, LinuxResources resources) =>
        Assert.Contains($"{name}", Refusal(() => Cgroup().Apply(resources, update: true)), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "memory-check")]
    public void A_limit_below_what_is_used_is_refused_where_that_is_asked()
    {
        var cgroup = Cgroup("memory.max", "memory.current");
        File.WriteAllText(Path.Combine(Box, "memory.current"), "5000\n");
        Assert.Contains("below what the container uses", Refusal(() => cgroup.Apply(new LinuxResources { Memory = new MemoryResources { Limit = 4000, CheckBeforeUpdate = true } }, update: true)), StringComparison.Ordinal);
        Assert.Equal("", Text("memory.max"));
    }

    private static Spec WithCgroupMount(params string[] options) => TestSpec.WithUserNamespace(TestSpec.Default("box", "true"))
        .WithMount(new Mount { Destination = "/sys/fs/cgroup", Type = "cgroup", Source = "cgroup", Options = options });

    [Fact]
    public void A_writable_cgroup_belongs_to_the_containers_user()
    {
        Assert.Equal(101_000u, CgroupDelegation.OwnerOf(WithCgroupMount("rw").With(process => process with { User = new User { Uid = 1000 } })));
        Assert.Null(CgroupDelegation.OwnerOf(WithCgroupMount("ro")));
        Assert.Null(CgroupDelegation.OwnerOf(TestSpec.Default("box", "true")));
        Assert.Null(CgroupDelegation.OwnerOf(WithCgroupMount().With(linux => linux with { Namespaces = [new LinuxNamespace { Type = "user" }] })));
    }

    [Fact]
    [Trait("Tier", "integration")]
    [Sentence("config-linux.md", "delegate-missing")]
    [Sentence("config-linux.md", "delegate-fallback")]
    public void Delegation_gives_what_the_kernel_lists_or_the_usual_files_and_nothing_else()
    {
        Cgroup("cgroup.procs", "cgroup.threads", "memory.max", "memory.oom.group");
        CgroupDelegation.Give(Box, 1000, Path.Combine(_top, "nonesuch"));
        Assert.Equal((1000u, 1000u, 1000u, 0u, 0u), (Owner(""), Owner("cgroup.procs"), Owner("cgroup.threads"), Owner("memory.max"), Owner("memory.oom.group")));
        File.WriteAllText(Path.Combine(_top, "delegate"), "memory.oom.group\nnot.here\n");
        CgroupDelegation.Give(Box, 1001, Path.Combine(_top, "delegate"));
        Assert.Equal((1001u, 1000u, 1001u), (Owner(""), Owner("cgroup.procs"), Owner("memory.oom.group")));
    }

    private uint Owner(string file)
    {
        using var opened = Files.Open(Path.Combine(Box, file), OpenFlags.Path);
        return Files.Status(opened.Number).Uid;
    }
}
