using System.Reflection;
using System.Text;
using System.Text.Json;
using Cais.Api;
using Cais.Engine.Containers;
using Cais.Engine.Specs;
using Cais.Oci.Runtime;
using DeviceMapping = Cais.Api.DeviceMapping;
using ThrottleDevice = Cais.Api.ThrottleDevice;
using WeightDevice = Cais.Api.WeightDevice;

namespace Cais.Engine.Tests.Containers;

/// <summary>
/// Every member of HostConfig and of a container's own configuration, and what comes of it: docs/host-config.md. What is said to change the runtime's
/// specification is tried here; of the rest the page names the tests, which must exist.
/// </summary>
public sealed class HostConfigPageTests
{
    private static readonly Dictionary<string, HostConfig> InSpec = new()
    {
        ["CpuShares"] = new() { CpuShares = 512 },
        ["Memory"] = new() { Memory = 64 << 20 },
        ["CgroupParent"] = new() { CgroupParent = "/other" },
        ["BlkioWeight"] = new() { BlkioWeight = 300 },
        ["BlkioWeightDevice"] = new() { BlkioWeightDevice = [new WeightDevice { Path = "/dev/null", Weight = 300 }] },
        ["BlkioDeviceReadBps"] = new() { BlkioDeviceReadBps = [new ThrottleDevice { Path = "/dev/null", Rate = 1 << 20 }] },
        ["BlkioDeviceWriteBps"] = new() { BlkioDeviceWriteBps = [new ThrottleDevice { Path = "/dev/null", Rate = 1 << 20 }] },
        ["BlkioDeviceReadIOps"] = new() { BlkioDeviceReadIOps = [new ThrottleDevice { Path = "/dev/null", Rate = 100 }] },
        ["BlkioDeviceWriteIOps"] = new() { BlkioDeviceWriteIOps = [new ThrottleDevice { Path = "/dev/null", Rate = 100 }] },
        ["CpuPeriod"] = new() { CpuPeriod = 50_000 },
        ["CpuQuota"] = new() { CpuQuota = 25_000 },
        ["CpuRealtimePeriod"] = new() { CpuRealtimePeriod = 1_000_000 },
        ["CpuRealtimeRuntime"] = new() { CpuRealtimeRuntime = 500_000 },
        ["CpusetCpus"] = new() { CpusetCpus = "1" },
        ["CpusetMems"] = new() { CpusetMems = "0" },
        ["Devices"] = new() { Devices = [new DeviceMapping { PathOnHost = "/dev/null", PathInContainer = "/dev/other", CgroupPermissions = "r" }] },
        ["DeviceCgroupRules"] = new() { DeviceCgroupRules = ["c 42:* rmw"] },
        ["MemoryReservation"] = new() { MemoryReservation = 32 << 20 },
        ["MemorySwap"] = new() { MemorySwap = -1 },
        ["MemorySwappiness"] = new() { MemorySwappiness = 10 },
        ["NanoCpus"] = new() { NanoCpus = 1_500_000_000 },
        ["OomKillDisable"] = new() { OomKillDisable = true },
        ["PidsLimit"] = new() { PidsLimit = 9 },
        ["Ulimits"] = new() { Ulimits = [new Ulimit { Name = "nofile", Soft = 7, Hard = 8 }] },
        ["ConsoleSize"] = new() { ConsoleSize = [30, 90] },
        ["Annotations"] = new() { Annotations = new Dictionary<string, string> { ["a"] = "b" } },
        ["CapAdd"] = new() { CapAdd = ["NET_ADMIN"] },
        ["CapDrop"] = new() { CapDrop = ["CHOWN"] },
        ["CgroupnsMode"] = new() { CgroupnsMode = "host" },
        ["IpcMode"] = new() { IpcMode = "host" },
        ["OomScoreAdj"] = new() { OomScoreAdj = 100 },
        ["PidMode"] = new() { PidMode = "host" },
        ["Privileged"] = new() { Privileged = true },
        ["ReadonlyRootfs"] = new() { ReadonlyRootfs = true },
        ["SecurityOpt"] = new() { SecurityOpt = ["no-new-privileges"] },
        ["UTSMode"] = new() { UTSMode = "host" },
        ["ShmSize"] = new() { ShmSize = 1 << 20 },
        ["Sysctls"] = new() { Sysctls = new Dictionary<string, string> { ["net.ipv4.ip_forward"] = "1" } },
        ["MaskedPaths"] = new() { MaskedPaths = ["/proc/mine"] },
        ["ReadonlyPaths"] = new() { ReadonlyPaths = ["/proc/mine"] },
    };

    /// <summary>Done by the engine: the test that sees it, as Class.Method.</summary>
    private static readonly Dictionary<string, string> InEngine = new()
    {
        ["DeviceRequests"] = "CdiTests.*",
        ["Init"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["Binds"] = "MountParserTests.*",
        ["LogConfig"] = "LoggingTests.*",
        ["NetworkMode"] = "NetworkTests.*",
        ["PortBindings"] = "NetworkTests.*",
        ["RestartPolicy"] = "RestartPolicyRuleTests.*",
        ["AutoRemove"] = "RunTests.*",
        ["VolumeDriver"] = "MountParserTests.*",
        ["VolumesFrom"] = "MountParserTests.*",
        ["Mounts"] = "MountParserTests.*",
        ["Dns"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["DnsOptions"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["DnsSearch"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["ExtraHosts"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["GroupAdd"] = "SpecGeneratorTests.Further_groups_come_from_the_image_and_the_user",
        ["Links"] = "LinkTests.A_linked_container_is_known_by_name_and_by_variables",
        ["PublishAllPorts"] = "NetworkTests.*",
        ["Tmpfs"] = "MountParserTests.*",
        ["UsernsMode"] = "UserNamespaceTests.A_container_may_stay_in_the_hosts_namespace_and_only_there_have_what_is_the_hosts",
        ["Runtime"] = "HostConfigTests.Another_runtime_and_another_shim_run_containers_too",
    };

    private static readonly Dictionary<string, (HostConfig Sample, string Why)> Refused = new()
    {
        ["StorageOpt"] = (new() { StorageOpt = new Dictionary<string, string> { ["size"] = "1g" } }, "overlayfs has no quotas for containers"),
        ["Isolation"] = (new() { Isolation = "hyperv" }, "for Windows; `default` is how it is"),
    };

    private static readonly Dictionary<string, string> Harmless = new()
    {
        ["ContainerIDFile"] = "the client writes that file; shown by inspect",
        ["Cgroup"] = "obsolete in docker too; shown by inspect",
        ["CpuCount"] = "for Windows; shown by inspect, as docker does on Linux",
        ["CpuPercent"] = "for Windows; shown by inspect, as docker does on Linux",
        ["IOMaximumIOps"] = "for Windows; shown by inspect, as docker does on Linux",
        ["IOMaximumBandwidth"] = "for Windows; shown by inspect, as docker does on Linux",
    };

    /// <summary>What older clients send, and the newest description does not have any more.</summary>
    private static readonly string[] Undescribed = ["MacAddress"];

    private static readonly Dictionary<string, string> OfConfig = new()
    {
        ["Hostname"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["Domainname"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["User"] = "SpecGeneratorTests.Users_are_looked_up_in_the_image",
        ["AttachStdin"] = "told to clients, as in docker",
        ["AttachStdout"] = "told to clients, as in docker",
        ["AttachStderr"] = "told to clients, as in docker",
        ["ExposedPorts"] = "NetworkTests.*",
        ["Tty"] = "TerminalTests.*",
        ["OpenStdin"] = "ContainerApiTests.*",
        ["StdinOnce"] = "HijackTests.The_body_of_an_attach_is_no_input_of_the_container",
        ["Env"] = "SpecGeneratorTests.The_last_word_of_a_variable_counts_and_a_bare_name_takes_it_away",
        ["Cmd"] = "RunTests.*",
        ["Healthcheck"] = "HealthStateTests.*",
        ["ArgsEscaped"] = "for Windows; kept in commits",
        ["Image"] = "RunTests.*",
        ["Volumes"] = "MountParserTests.*",
        ["WorkingDir"] = "HostConfigTests.The_container_sees_what_was_asked_for",
        ["Entrypoint"] = "RulesTests.*",
        ["NetworkDisabled"] = "HostConfigTests.A_container_without_network_has_loopback_alone",
        ["MacAddress"] = "API before 1.52: the first network's; refused later",
        ["OnBuild"] = "kept in commits",
        ["Labels"] = "RulesTests.*",
        ["StopSignal"] = "RulesTests.*",
        ["StopTimeout"] = "RulesTests.*",
        ["Shell"] = "used by health checks in shell form; kept in commits",
    };

    public static TheoryData<string> Specified => [.. InSpec.Keys];

    [Theory]
    [MemberData(nameof(Specified))]
    public void What_is_said_to_reach_the_runtime_does(string member) => Assert.NotEqual(SpecOf(new HostConfig()), SpecOf(InSpec[member]));

    [Fact]
    public void What_is_said_to_be_refused_is() => Assert.All(
        Refused.Values,
        r => Assert.Equal(ErrorKind.InvalidParameter, Assert.Throws<EngineException>(() => HostConfigRules.Check(new ContainerConfig(), r.Sample, TestHost.Options, TestHost.Facts)).Kind));

    [Fact]
    public void Every_member_has_its_row_and_no_row_is_without_member()
    {
        Assert.Equal(Names(typeof(HostConfig)), InSpec.Keys.Concat(InEngine.Keys).Concat(Refused.Keys).Concat(Harmless.Keys).Order(StringComparer.Ordinal));
        Assert.Equal(Names(typeof(ContainerConfig)), OfConfig.Keys.Order(StringComparer.Ordinal));
    }

    /// <summary>The lists above must not be of our own making: what docker's description has and we do not must fail.</summary>
    [Fact]
    public void Every_member_that_docker_describes_has_its_row()
    {
        var rows = InSpec.Keys.Concat(InEngine.Keys).Concat(Refused.Keys).Concat(Harmless.Keys).ToHashSet();
        var described = Described("Resources").Concat(Described("HostConfig")).ToList();
        Assert.Contains("UsernsMode", described);
        Assert.Empty(described.Except(rows));
        Assert.Empty(rows.Except(described).Except(Undescribed));
        var config = Described("ContainerConfig");
        Assert.Contains("StopTimeout", config);
        Assert.Empty(config.Except(OfConfig.Keys));
        Assert.Empty(OfConfig.Keys.Except(config).Except(Undescribed));
    }

    [Fact]
    public void The_tests_that_the_page_names_exist()
    {
        var sources = Directory.EnumerateFiles(Path.Combine(Root, "tests"), "*Tests.cs", SearchOption.AllDirectories).ToLookup(f => Path.GetFileNameWithoutExtension(f));
        Assert.All(InEngine.Values.Concat(OfConfig.Values).Where(IsTest), name =>
        {
            var (type, method) = (name.Split('.')[0], name.Split('.')[1]);
            Assert.Contains(sources[type], f => method == "*" || File.ReadAllText(f).Contains($" {method}(", StringComparison.Ordinal));
        });
    }

    [Fact]
    public void The_page_is_true()
    {
        var page = new StringBuilder("""
            # What a container may ask for, member by member

            Every member of `HostConfig` and of the container's own configuration in `POST /containers/create`, and what comes of it. *runtime*: it changes the runtime's
            specification, which `HostConfigPageTests` tries. *engine*: the engine does it; the test that sees it is named. *refused*: an error says why. *shown*: taken, and
            shown by inspect.

            This page is written by the test suite: `CAIS_WRITE_DOCS=1 ./test.sh Engine`.

            | member | effect | test, or why |
            |---|---|---|

            """.Replace("\r", "", StringComparison.Ordinal));
        foreach (var name in Names(typeof(HostConfig)))
        {
            page.Append(InSpec.ContainsKey(name) ? $"| `HostConfig.{name}` | runtime |  |\n"
                : InEngine.TryGetValue(name, out var test) ? $"| `HostConfig.{name}` | engine | {test.Replace(".*", "", StringComparison.Ordinal)} |\n"
                : Refused.TryGetValue(name, out var refused) ? $"| `HostConfig.{name}` | refused | {refused.Why} |\n"
                : $"| `HostConfig.{name}` | shown | {Harmless.GetValueOrDefault(name)} |\n");
        }

        foreach (var name in Names(typeof(ContainerConfig)))
        {
            var what = OfConfig.GetValueOrDefault(name, "");
            page.Append($"| `{name}` | {(IsTest(what) ? "engine" : "shown")} | {what.Replace(".*", "", StringComparison.Ordinal)} |\n");
        }

        var path = Path.Combine(Root, "docs", "host-config.md");
        if (Environment.GetEnvironmentVariable("CAIS_WRITE_DOCS") is { Length: > 0 })
        {
            File.WriteAllText(path, page.ToString());
        }

        Assert.Equal(page.ToString(), File.Exists(path) ? File.ReadAllText(path) : "");
    }

    /// <summary>The members of one definition in docker's swagger file, told by how far its lines are indented.</summary>
    private static List<string> Described(string definition)
    {
        var members = new List<string>();
        var lines = File.ReadLines(Path.Combine(Root, "tests", "Cais.Daemon.Tests", "Data", "engine-api-swagger.yaml"))
            .SkipWhile(l => l != $"  {definition}:").Skip(1).TakeWhile(l => l.Length < 3 || l[2] == ' ');
        var depth = -1;
        foreach (var line in lines)
        {
            var indent = line.Length - line.TrimStart().Length;
            if (depth < 0)
            {
                depth = line.Trim() == "properties:" ? indent + 2 : -1;
            }
            else if (indent == depth && line.TrimEnd().EndsWith(':') && !line.TrimStart().StartsWith('#'))
            {
                members.Add(line.Trim().TrimEnd(':'));
            }
        }

        return members;
    }

    private static string Root
    {
        get
        {
            var directory = new DirectoryInfo(AppContext.BaseDirectory);
            while (!File.Exists(Path.Combine(directory!.FullName, "Cais.slnx")))
            {
                directory = directory.Parent;
            }

            return directory.FullName;
        }
    }

    private static bool IsTest(string text) => text.Split('.') is [var type, _] && type.EndsWith("Tests", StringComparison.Ordinal);

    private static List<string> Names(Type type) =>
        [.. type.GetProperties(BindingFlags.Public | BindingFlags.Instance).Where(p => p.PropertyType != typeof(StringOrList)).Select(p => p.Name).Order(StringComparer.Ordinal)];

    private static string SpecOf(HostConfig host) => JsonSerializer.Serialize(
        SpecGenerator.Generate(
            new ContainerRecord
            {
                Id = new string('c', 64),
                Name = "test",
                Created = DateTimeOffset.UnixEpoch,
                ImageId = "sha256:0",
                Config = new ContainerConfig { Hostname = "host1", Cmd = ["sh"] },
                HostConfig = HostConfigRules.Complete(host, TestHost.Options, TestHost.Facts),
                Runtime = "cais",
                LogDriver = "json-file",
            },
            new SpecOptions { Host = TestHost.Facts, User = new ProcessUser(0, 0, [0], "/root"), Directory = "/c", NetworkNamespace = "/n", Hostname = "host1" }),
        SpecJson.Default.Spec);
}
