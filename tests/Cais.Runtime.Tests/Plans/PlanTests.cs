using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Plans;

/// <summary>
/// Whole plans against files: every system call that makes a container, in order. Set CAIS_ACCEPT_PLANS=1 to write what is compiled now
/// into the source tree, and read the difference.
/// </summary>
public sealed class PlanTests
{
    private static readonly CgroupMountSource V1 = new(
        false,
        [
            new CgroupHierarchyMount("cpu,cpuacct", "cpu,cpuacct", "/sys/fs/cgroup/cpu,cpuacct/box"),
            new CgroupHierarchyMount("memory", "memory", "/sys/fs/cgroup/memory/box"),
        ],
        null);

    private static readonly string[] V1Paths = ["/sys/fs/cgroup/cpu,cpuacct/box", "/sys/fs/cgroup/memory/box"];

    private static readonly CgroupMountSource V2 = new(true, [], "/sys/fs/cgroup/box");

    private static Mount CgroupMount => new() { Destination = "/sys/fs/cgroup", Type = "cgroup", Source = "cgroup", Options = ["ro", "nosuid"] };

    private static Spec Default => TestSpec.Default("box", "sh", "-c", "true").WithMount(CgroupMount);

    [Fact]
    public void Default_container_on_cgroup_v1() => Check("default-v1", Default, V1Paths, V1);

    [Fact]
    public void Default_container_on_cgroup_v2() => Check("default-v2", Default, ["/sys/fs/cgroup/box"], V2);

    [Fact]
    public void Terminal_user_seccomp_and_read_only_root() => Check(
        "terminal",
        (Default with { Root = new Root { Path = "rootfs", Readonly = true } })
            .With(process => process with { Terminal = true, User = new User { Uid = 1000, Gid = 1000, AdditionalGids = [10] }, NoNewPrivileges = false })
            .With(linux => linux with { Seccomp = new Oci.Runtime.Seccomp { DefaultAction = "SCMP_ACT_ALLOW" } }),
        V1Paths,
        V1);

    [Fact]
    public void User_namespace_with_volumes_and_hooks() => Check(
        "userns",
        TestSpec.WithUserNamespace(Default).WithMount(
            new Mount { Source = "/data", Destination = "/srv/data", Type = "bind", Options = ["rbind", "rro", "rslave"] },
            new Mount { Source = "tmpfs", Destination = "/run", Type = "tmpfs", Options = ["nosuid", "size=1m"] }) with
        {
            Hooks = new Oci.Runtime.Hooks { CreateRuntime = [new Hook { Path = "/bin/hook" }] },
        },
        V1Paths,
        V1);

    /// <summary>The successor's first operation waits for the parent: whatever it said earlier could arrive before its name.</summary>
    [Fact]
    public void Joined_user_namespace() => Check(
        "joined-user",
        Default.With(linux => linux with { Namespaces = [.. linux.Namespaces!, new LinuxNamespace { Type = "user", Path = "/proc/1/ns/user" }] }),
        V1Paths,
        V1);

    [Fact]
    public void Joined_namespaces() => Check(
        "joined",
        Default.With(linux => linux with
        {
            Namespaces =
            [
                new LinuxNamespace { Type = "mount" }, new LinuxNamespace { Type = "uts" }, new LinuxNamespace { Type = "ipc" },
                new LinuxNamespace { Type = "network", Path = "/run/netns/blue" }, new LinuxNamespace { Type = "pid", Path = "/proc/1/ns/pid" },
            ],
        }),
        V1Paths,
        V1);

    [Fact]
    public void Planning_needs_no_root_and_touches_nothing()
    {
        // The bundle does not exist.
        var text = PlanText.Print("box", "/nonesuch/bundle", Default, [], V2);
        Assert.Contains("mount proc on /proc", text, StringComparison.Ordinal);
        Assert.Contains("pivot_root(\".\", \".\")", text, StringComparison.Ordinal);
        Assert.Contains("execve(", text, StringComparison.Ordinal);
    }

    private static void Check(string name, Spec spec, string[] cgroups, CgroupMountSource mounts)
    {
        var actual = PlanText.Print("box", "/bundle", spec, cgroups, mounts);
        if (Environment.GetEnvironmentVariable("CAIS_ACCEPT_PLANS") == "1")
        {
            File.WriteAllText(Path.Combine(SourceTree.Root, "tests/Cais.Runtime.Tests/Plans", name + ".plan"), actual);
        }

        var expected = File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Plans", name + ".plan"));
        Assert.Equal(expected, actual);
    }
}
