using System.Text.Json;
using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Oci.Runtime;

namespace Cais.Engine.Tests.Specs;

public sealed class SpecGeneratorTests
{
    private static readonly string Id = new('c', 64);

    [Fact]
    public void A_plain_container_gives_the_specification_that_was_reviewed()
    {
        var spec = Generate(new HostConfig());

        // The filter has its own test, and would drown the rest.
        spec = spec with { Linux = spec.Linux! with { Seccomp = null } };
        var json = JsonSerializer.Serialize(spec, new SpecJson(new JsonSerializerOptions(SpecJson.Default.Options) { WriteIndented = true, NewLine = "\n" }).Spec) + "\n";
        var golden = Path.Combine(AppContext.BaseDirectory, "Specs", "plain.json");
        if (Environment.GetEnvironmentVariable("CAIS_WRITE_GOLDEN") is { Length: > 0 } directory)
        {
            File.WriteAllText(Path.Combine(directory, "plain.json"), json);
        }

        Assert.Equal(File.ReadAllText(golden), json);
    }

    [Fact]
    public void A_privileged_container_is_confined_by_nothing()
    {
        var spec = Generate(new HostConfig { Privileged = true });
        Assert.Null(spec.Linux!.Seccomp);
        Assert.Null(spec.Linux.MaskedPaths);
        Assert.Null(spec.Linux.ReadonlyPaths);
        Assert.Equal(41, spec.Process!.Capabilities!.Bounding!.Count);
        Assert.Contains(spec.Linux.Resources!.Devices!, d => d is { Allow: true, Type: null, Major: null });
        Assert.Contains("rw", spec.Mounts!.Single(m => m.Destination == "/sys").Options!);
    }

    [Theory]
    [InlineData(null, null, 14)]
    [InlineData("NET_ADMIN", null, 15)]
    [InlineData(null, "all", 0)]
    [InlineData("all", null, 41)]
    [InlineData("cap_sys_time", "ALL", 1)]
    [InlineData(null, "MKNOD", 13)]
    public void Capabilities_are_added_and_dropped(string? add, string? drop, int count) =>
        Assert.Equal(count, CapabilitySet.Of(add is null ? null : [add], drop is null ? null : [drop], false, TestHost.Facts).Count);

    [Fact]
    public void Namespaces_of_the_host_are_left_out()
    {
        var spec = Generate(new HostConfig { NetworkMode = "host", PidMode = "host", IpcMode = "host", UTSMode = "host", CgroupnsMode = "host" });
        Assert.Equal(["mount"], spec.Linux!.Namespaces!.Select(n => n.Type));
        Assert.Null(spec.Hostname);
    }

    [Fact]
    public void A_privileged_container_has_what_the_daemon_can_give_and_no_more()
    {
        var confined = TestHost.Facts with { BoundingSet = ~(1ul << CapabilitySet.All.ToList().IndexOf("CAP_SYS_RESOURCE")) };
        Assert.DoesNotContain("CAP_SYS_RESOURCE", CapabilitySet.Of(null, null, privileged: true, confined));
        Assert.Equal(40, CapabilitySet.Of(null, null, privileged: true, confined).Count);
    }

    [Fact]
    public void Another_containers_namespace_is_joined_by_its_process()
    {
        var other = new Container(Record(new HostConfig(), new ContainerConfig()), new ContainerStatus { Phase = Phase.Running, Pid = 4711 });
        var spec = Generate(new HostConfig { PidMode = "container:other" }, find: _ => other);
        Assert.Equal("/proc/4711/ns/pid", spec.Linux!.Namespaces!.Single(n => n.Type == "pid").Path);
    }

    [Fact]
    public void A_container_that_does_not_run_shares_nothing()
    {
        var other = new Container(Record(new HostConfig(), new ContainerConfig()), new ContainerStatus());
        Assert.Equal(ErrorKind.Conflict, Assert.Throws<EngineException>(() => Generate(new HostConfig { PidMode = "container:other" }, find: _ => other)).Kind);
    }

    [Fact]
    public void Limits_become_resources()
    {
        var resources = Generate(new HostConfig { Memory = 64 << 20, NanoCpus = 1_500_000_000, PidsLimit = 10, CpuShares = 512 }).Linux!.Resources!;
        Assert.Equal((64L << 20, 128L << 20), (resources.Memory!.Limit!.Value, resources.Memory.Swap!.Value));
        Assert.Equal((150_000L, 100_000UL, 512UL), (resources.Cpu!.Quota!.Value, resources.Cpu.Period!.Value, resources.Cpu.Shares!.Value));
        Assert.Equal(10, resources.Pids!.Limit);
    }

    [Fact]
    public void The_last_word_of_a_variable_counts_and_a_bare_name_takes_it_away()
    {
        var spec = Generate(new HostConfig(), new ContainerConfig { Env = ["PATH=/mine", "A=1", "A=2", "HOSTNAME"], Tty = true, Hostname = "h" });
        Assert.Equal(["PATH=/mine", "TERM=xterm", "A=2", "HOME=/root"], spec.Process!.Env);
    }

    [Fact]
    public void A_users_mount_replaces_the_engines_and_parents_come_first()
    {
        var mounts = new MountRecord[]
        {
            new() { Type = "bind", Source = "/s1", Destination = "/a/b/c" },
            new() { Type = "bind", Source = "/s2", Destination = "/a" },
            new() { Type = "bind", Source = "/s3", Destination = "/etc/hosts", ReadOnly = true },
            new() { Type = "tmpfs", Destination = "/dev/shm", TmpfsOptions = ["size=1m"] },
        };
        var spec = Generate(new HostConfig(), mounts: mounts);
        var destinations = spec.Mounts!.Select(m => m.Destination).ToList();
        Assert.Equal(destinations.Distinct(), destinations);
        Assert.True(destinations.IndexOf("/a") < destinations.IndexOf("/a/b/c"));
        Assert.Equal("/s3", spec.Mounts!.Single(m => m.Destination == "/etc/hosts").Source);
        Assert.Contains("size=1m", spec.Mounts!.Single(m => m.Destination == "/dev/shm").Options!);
    }

    [Fact]
    public void The_default_profile_depends_on_capabilities()
    {
        var profile = SeccompProfile.LoadDefault();
        var without = profile.Resolve(CapabilitySet.Default, TestHost.Facts);
        var with = profile.Resolve([.. CapabilitySet.Default, "CAP_SYS_ADMIN"], TestHost.Facts);
        Assert.Equal("SCMP_ACT_ERRNO", without.DefaultAction);
        Assert.Equal(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"], without.Architectures);
        Assert.DoesNotContain(without.Syscalls!, s => s.Names.Contains("mount"));
        Assert.Contains(with.Syscalls!, s => s.Names.Contains("mount"));
        Assert.Contains(without.Syscalls!, s => s.Names.Contains("clone3") && s.ErrnoRet == 38);
        Assert.DoesNotContain(without.Syscalls!, s => s.Names.Contains("s390_pci_mmio_read"));
    }

    [Theory]
    [InlineData("", 0u, 0u, "/root")]
    [InlineData("app", 1000u, 1001u, "/home/app")]
    [InlineData("1000", 1000u, 1001u, "/home/app")]
    [InlineData("app:staff", 1000u, 50u, "/home/app")]
    [InlineData("4242", 4242u, 0u, "/")]
    [InlineData("4242:77", 4242u, 77u, "/")]
    public void Users_are_looked_up_in_the_image(string text, uint uid, uint gid, string home)
    {
        var user = Users.Resolve(text, null);
        Assert.Equal((uid, gid, home), (user.Uid, user.Gid, user.Home));
    }

    [Theory]
    [InlineData("nobody", "unable to find user nobody: no matching entries in passwd file")]
    [InlineData("app:nogroup", "unable to find group nogroup: no matching entries in group file")]
    [InlineData("99999999999", "uids and gids must be in range 0-2147483647")]
    public void Who_is_unknown_is_said(string text, string message) => Assert.Equal(message, Assert.Throws<EngineException>(() => Users.Resolve(text, null)).Message);

    [Fact]
    public void Further_groups_come_from_the_image_and_the_user()
    {
        Assert.Equal([1001u, 50u], Users.Resolve("app", null).Groups);
        Assert.Equal([0u, 50u, 9u], Users.Resolve("", ["staff", "9"]).Groups);
    }

    private static UserDatabase Users => new(
        "root:x:0:0:root:/root:/bin/sh\n# comment\nbroken line\napp:x:1000:1001::/home/app:\nwild:x:-1:99999999999999:::\n"u8,
        "root:x:0:\nstaff:x:50:app,other\napp:x:1001:\n"u8);

    private static ContainerRecord Record(HostConfig host, ContainerConfig config, IReadOnlyList<MountRecord>? mounts = null) => new()
    {
        Id = Id,
        Name = "test",
        Created = DateTimeOffset.UnixEpoch,
        ImageId = "sha256:0",
        Config = config with { Hostname = config.Hostname ?? "host1", Cmd = ["sh"], Entrypoint = null },
        HostConfig = HostConfigRules.Complete(host, TestHost.Options, TestHost.Facts),
        Runtime = "cais",
        LogDriver = "json-file",
        Mounts = mounts ?? [],
    };

    private static Spec Generate(
        HostConfig host, ContainerConfig? config = null, IReadOnlyList<MountRecord>? mounts = null, Func<string, Container>? find = null) =>
        SpecGenerator.Generate(
            Record(host, config ?? new ContainerConfig(), mounts),
            new SpecOptions
            {
                Host = TestHost.Facts,
                User = new ProcessUser(0, 0, [0], "/root"),
                Directory = "/var/lib/cais/containers/c",
                NetworkNamespace = "/run/cais/netns/c",
                Hostname = "host1",
                Find = find ?? (_ => throw new InvalidOperationException()),
            });
}
