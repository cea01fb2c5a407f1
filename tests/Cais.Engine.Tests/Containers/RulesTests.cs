using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Oci.Images;

namespace Cais.Engine.Tests.Containers;

public sealed class RulesTests
{
    public static TheoryData<string, HostConfig> Wrong => new()
    {
        { "Minimum memory limit allowed is 6MB", new HostConfig { Memory = 1 << 20 } },
        { "Minimum memoryswap limit should be larger than memory limit, see usage", new HostConfig { Memory = 64 << 20, MemorySwap = 32 << 20 } },
        { "You should always set the Memory limit when using Memoryswap limit, see usage", new HostConfig { MemorySwap = 32 << 20 } },
        { "Invalid value: 101, valid memory swappiness range is 0-100", new HostConfig { MemorySwappiness = 101 } },
        { "Conflicting options: Nano CPUs and CPU Quota cannot both be set", new HostConfig { NanoCpus = 1, CpuQuota = 5000 } },
        { "range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available", new HostConfig { NanoCpus = 3_000_000_000 } },
        { "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)", new HostConfig { CpuPeriod = 1 } },
        { "Invalid value 1,x for cpuset cpus: invalid format: 1,x", new HostConfig { CpusetCpus = "1,x" } },
        { "Range of blkio weight is from 10 to 1000", new HostConfig { BlkioWeight = 5 } },
        { "Invalid value 2000, range for oom score adj is [-1000, 1000]", new HostConfig { OomScoreAdj = 2000 } },
        { "SHM size can not be less than 0", new HostConfig { ShmSize = -1 } },
        { "can't create 'AutoRemove' container with restart policy", new HostConfig { AutoRemove = true, RestartPolicy = new() { Name = "always" } } },
        { "invalid restart policy: unknown policy 'often'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'", new HostConfig { RestartPolicy = new() { Name = "often" } } },
        { "invalid restart policy: maximum retry count can only be used with 'on-failure'", new HostConfig { RestartPolicy = new() { Name = "always", MaximumRetryCount = 3 } } },
        { "invalid IPC mode: what", new HostConfig { IpcMode = "what" } },
        { "invalid PID mode: what", new HostConfig { PidMode = "what" } },
        { "invalid UTS mode: what", new HostConfig { UTSMode = "what" } },
        { "invalid cgroup namespace mode: what", new HostConfig { CgroupnsMode = "what" } },
        { "invalid CapAdd: unknown capability: \"CAP_FLY\"", new HostConfig { CapAdd = ["CAP_FLY"] } },
        { "unknown or invalid runtime name: nosuch", new HostConfig { Runtime = "nosuch" } },
        { "logger: no log driver named 'nosuch' is registered", new HostConfig { LogConfig = new() { Type = "nosuch" } } },
        { "bad format for add-host: \"x\"", new HostConfig { ExtraHosts = ["x"] } },
        { "invalid IP address in add-host: \"y\"", new HostConfig { ExtraHosts = ["x:y"] } },
        { "invalid port specification: \"99999/tcp\"", new HostConfig { PortBindings = new Dictionary<string, IReadOnlyList<PortBinding>?> { ["99999/tcp"] = null } } },
        { "invalid --security-opt 2: \"what=ever\"", new HostConfig { SecurityOpt = ["what=ever"] } },
        { "sysctl 'vm.swappiness' is not allowed", new HostConfig { Sysctls = new Dictionary<string, string> { ["vm.swappiness"] = "1" } } },
        { "invalid device cgroup rule format: 'x 1:1 r'", new HostConfig { DeviceCgroupRules = ["x 1:1 r"] } },
        { "invalid ulimit type: nofiles", new HostConfig { Ulimits = [new() { Name = "nofiles", Soft = 1, Hard = 1 }] } },
        { "invalid isolation (hyperv): linux only supports 'default'", new HostConfig { Isolation = "hyperv" } },
        { "invalid Annotations: the empty string is not permitted as an annotation key", new HostConfig { Annotations = new Dictionary<string, string> { [""] = "x" } } },
        { "Requested CPUs are not available - requested 0-5, available: 0-1", new HostConfig { CpusetCpus = "0-5" } },
        { "Range of blkio weight is from 10 to 1000", new HostConfig { BlkioWeightDevice = [new() { Path = "/dev/vda", Weight = 1 }] } },
        { "kernel does not support CPU real-time scheduler", new HostConfig { CpuRealtimeRuntime = 5 } },
        { "unknown or invalid runtime name: /no/such/containerd-shim-x-v1", new HostConfig { Runtime = "/no/such/containerd-shim-x-v1" } },
        { "unknown or invalid runtime name: io.containerd.nosuch.v9", new HostConfig { Runtime = "io.containerd.nosuch.v9" } },
        { "conflicting options: port publishing and the container type network mode", new HostConfig { NetworkMode = "container:x", PublishAllPorts = true } },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void What_the_host_cannot_give_is_refused_in_dockers_words(string message, HostConfig host)
    {
        var e = Assert.Throws<EngineException>(() => HostConfigRules.Check(new ContainerConfig(), host, TestHost.Options, TestHost.Facts));
        Assert.Equal(message, e.Message);
        Assert.Equal(ErrorKind.InvalidParameter, e.Kind);
    }

    [Fact]
    public void Nothing_asked_for_is_nothing_wrong() => HostConfigRules.Check(new ContainerConfig(), new HostConfig(), TestHost.Options, TestHost.Facts);

    [Theory]
    [InlineData("")]
    [InlineData("-web")]
    [InlineData("we b")]
    [InlineData("a")]
    [InlineData("../x")]
    public void A_name_that_is_none_is_refused(string name) => Assert.Throws<EngineException>(() => ConfigRules.CheckName(name));

    [Theory]
    [InlineData("web.example.net")]
    [InlineData("-web-")]
    [InlineData("we_b")]
    public void A_hostname_is_what_the_kernel_takes(string name) => ConfigRules.Check(new ContainerConfig { Hostname = name });

    [Theory]
    [InlineData("a\n127.0.0.1 bank.example")]
    [InlineData("a b")]
    public void A_hostname_cannot_write_lines_of_its_own_into_hosts(string name) =>
        Assert.Throws<EngineException>(() => ConfigRules.Check(new ContainerConfig { Hostname = name }));

    [Fact]
    public void Labels_are_off_for_who_sees_the_hosts_processes_or_memory()
    {
        static IReadOnlyList<string>? Security(HostConfig host) => HostConfigRules.Complete(host, TestHost.Options, TestHost.Facts).SecurityOpt;
        Assert.Null(Security(new HostConfig()));
        Assert.Equal(["label=disable"], Security(new HostConfig { PidMode = "host" }));
        Assert.Equal(["label=disable"], Security(new HostConfig { IpcMode = "host" }));
        Assert.Equal(["seccomp=unconfined", "label=disable"], Security(new HostConfig { Privileged = true, SecurityOpt = ["seccomp=unconfined"] }));
        Assert.Equal(["label=level:s0"], Security(new HostConfig { Privileged = true, SecurityOpt = ["label=level:s0"] }));
    }

    [Theory]
    [InlineData(null, null)]
    [InlineData(0L, null)]
    [InlineData(-1L, null)]
    [InlineData(7L, 7L)]
    public void As_many_processes_as_one_likes_is_no_limit(long? asked, long? kept) =>
        Assert.Equal(kept, HostConfigRules.Complete(new HostConfig { PidsLimit = asked }, TestHost.Options, TestHost.Facts).PidsLimit);

    [Fact]
    public void Weights_of_single_devices_are_left_away_where_the_kernel_has_none()
    {
        var asked = new HostConfig { BlkioWeightDevice = [new() { Path = "/dev/vda", Weight = 200 }] };
        var facts = TestHost.Facts with { CgroupVersion = 1 };
        var (host, warnings) = HostConfigRules.Discard(asked, facts with { HasBlkioWeightDevice = false });
        Assert.Empty(host.BlkioWeightDevice!);
        Assert.Equal(["Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded."], warnings);
        (host, warnings) = HostConfigRules.Discard(asked, facts with { HasBlkioWeightDevice = true });
        Assert.Equal(200, (int)host.BlkioWeightDevice![0].Weight!);
        Assert.Empty(warnings);
    }

    [Fact]
    public void Everything_wrong_with_an_endpoint_is_told_at_once()
    {
        static string Wrong(string network, EndpointSettings settings) => Assert.Throws<EngineException>(() => HostConfigRules.Endpoint(network, settings)).Message;
        Assert.Equal(
            "invalid config for network mine: invalid endpoint settings:\ninvalid IPv4 address: x",
            Wrong("mine", new() { IPAMConfig = new() { IPv4Address = "x" } }));
        Assert.Equal(
            "invalid config for network bridge: invalid endpoint settings:\n* user specified IP address is supported on user defined networks only\n* user specified IP address is supported only when connecting to networks with user configured subnets\n* invalid link-local IP address: y",
            Wrong("default", new() { IPAMConfig = new() { IPv4Address = "172.17.0.9", LinkLocalIPs = ["y"] } }));
        HostConfigRules.Endpoint("mine", new() { IPAMConfig = new() { IPv4Address = "10.0.0.9", LinkLocalIPs = ["169.254.1.1"] } });
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-1")]
    [InlineData("FOO")]
    [InlineData("99")]
    public void A_signal_that_is_none_is_refused(string text) =>
        Assert.Equal($"cannot kill container: web: invalid signal: {text}", Assert.Throws<EngineException>(() => ContainerLifecycle.SignalOf(text, 15, "cannot kill container: web: ")).Message);

    [Theory]
    [InlineData("mine", "/mine")]
    [InlineData("/a/../mine/", "/mine")]
    [InlineData("../../a/b", "/a/b")]
    [InlineData("/", "")]
    public void A_parent_cgroup_is_a_clean_path(string asked, string path) => Assert.Equal(path, SpecGenerator.CleanParent(asked));

    [Fact]
    public void The_request_goes_over_the_image()
    {
        var image = new ContainerDefaults
        {
            User = "app",
            Env = ["A=image", "B=image"],
            Entrypoint = ["/entry"],
            Cmd = ["serve"],
            WorkingDir = "/srv",
            Labels = new Dictionary<string, string> { ["l"] = "image" },
        };
        var merged = ConfigRules.Merge(new ContainerConfig { Env = ["A=request"], Cmd = ["other"] }, image, new string('a', 64));
        Assert.Equal(["A=request", "B=image"], merged.Env);
        Assert.Equal(["/entry"], merged.Entrypoint);
        Assert.Equal(["other"], merged.Cmd);
        Assert.Equal(("app", "/srv", "image", new string('a', 12)), (merged.User, merged.WorkingDir, merged.Labels!["l"], merged.Hostname));
    }

    [Fact]
    public void Who_replaces_the_entry_point_does_not_get_the_images_command()
    {
        var image = new ContainerDefaults { Entrypoint = ["/entry"], Cmd = ["serve"] };
        var merged = ConfigRules.Merge(new ContainerConfig { Entrypoint = ["/mine"] }, image, new string('a', 64));
        Assert.Equal(["/mine"], merged.Entrypoint);
        Assert.Null(merged.Cmd);
    }

    [Fact]
    public void An_empty_entry_point_takes_the_images_away()
    {
        var merged = ConfigRules.Merge(new ContainerConfig { Entrypoint = [""], Cmd = ["sh"] }, new ContainerDefaults { Entrypoint = ["/entry"] }, new string('a', 64));
        Assert.Null(merged.Entrypoint);
        Assert.Equal(["sh"], merged.Cmd);
    }

    [Theory]
    [InlineData(Phase.Created, "Created")]
    [InlineData(Phase.Running, "Up 5 minutes")]
    [InlineData(Phase.Paused, "Up 5 minutes (Paused)")]
    [InlineData(Phase.Restarting, "Restarting (7) 2 minutes ago")]
    [InlineData(Phase.Exited, "Exited (7) 2 minutes ago")]
    [InlineData(Phase.Dead, "Dead")]
    public void A_status_is_told_as_docker_tells_it(Phase phase, string text)
    {
        var now = DateTimeOffset.UnixEpoch.AddDays(1);
        var status = new ContainerStatus { Phase = phase, ExitCode = 7, StartedAt = now.AddMinutes(-5), FinishedAt = now.AddMinutes(-2) };
        Assert.Equal(text, status.Describe(now));
    }
}
