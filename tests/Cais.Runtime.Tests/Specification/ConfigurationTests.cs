using System.Text;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Specification;

/// <summary>What a configuration must not say, found before anything is made.</summary>
public sealed class ConfigurationTests
{
    private static Spec Good => TestSpec.Default("box", "true");

    private static string Refusal(Spec spec)
    {
        var error = Assert.Throws<RuntimeException>(() => SpecCheck.Validate(spec));
        Assert.Equal(RuntimeError.InvalidConfig, error.Error);
        return error.Message;
    }

    private static Spec Linux(Func<LinuxConfig, LinuxConfig> change) => Good.With(change);

    private static Spec Resources(LinuxResources resources) => Linux(linux => linux with { Resources = resources });

    [Theory]
    [InlineData("1.0.0")]
    [InlineData("1.0.2-dev")]
    [InlineData("1.3.0")]
    [InlineData("1.99.0+build")]
    [InlineData("1.1")]
    [Sentence("config.md", "version")]
    public void Every_version_1_is_accepted(string version) => SpecCheck.Validate(Good with { OciVersion = version });

    [Theory]
    [InlineData("")]
    [InlineData("banana")]
    [InlineData("0.2.0")]
    [InlineData("2.0.0")]
    [InlineData("1")]
    [InlineData("1.")]
    [InlineData("1.2.")]
    [InlineData("1.two")]
    [Sentence("config.md", "version")]
    [Sentence("config.md", "invalid-values")]
    public void Other_versions_are_refused(string version) => Assert.Contains("ociVersion", Refusal(Good with { OciVersion = version }), StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "root-required")]
    public void A_root_is_required() => Assert.Equal("root.path is missing", Refusal(Good with { Root = null }));

    [Theory]
    [InlineData("")]
    [InlineData("relative")]
    [Sentence("config.md", "cwd-absolute")]
    public void A_working_directory_is_absolute(string cwd) =>
        Assert.Contains("process.cwd", Refusal(Good.With(process => process with { Cwd = cwd })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "rlimit-twice")]
    public void A_limit_is_given_once() =>
        Assert.Equal("rlimit RLIMIT_CPU is given twice", Refusal(Good.With(process => process with
        {
            Rlimits = [new Rlimit { Type = "RLIMIT_CPU", Soft = 1, Hard = 1 }, new Rlimit { Type = "RLIMIT_CPU", Soft = 2, Hard = 2 }],
        })));

    [Theory]
    [InlineData(-1)]
    [InlineData(8)]
    [Sentence("config.md", "invalid-values")]
    public void An_io_priority_is_within_its_range(int priority) =>
        Assert.Contains("ioPriority", Refusal(Good.With(process => process with { IoPriority = new IoPriority { Class = "IOPRIO_CLASS_BE", Priority = priority } })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "hook-path-absolute")]
    public void A_hooks_path_is_absolute() =>
        Assert.Contains("must be absolute", Refusal(Good with { Hooks = new Oci.Runtime.Hooks { Poststop = [new Hook { Path = "true" }] } }), StringComparison.Ordinal);

    [Theory]
    [InlineData(0)]
    [InlineData(-3)]
    [Sentence("config.md", "hook-timeout")]
    public void A_hooks_timeout_is_above_zero(int seconds) =>
        Assert.Contains("timeout", Refusal(Good with { Hooks = new Oci.Runtime.Hooks { Prestart = [new Hook { Path = "/bin/true", Timeout = seconds }] } }), StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "annotation-keys")]
    public void Annotations_have_names() =>
        Assert.Contains("annotation", Refusal(Good with { Annotations = new Dictionary<string, string> { [""] = "x" } }), StringComparison.Ordinal);

    [Theory]
    [InlineData("""{"ociVersion":"1.0.0","annotations":{"a":1}}""")]
    [InlineData("""{"ociVersion":"1.0.0","annotations":["a"]}""")]
    [Sentence("config.md", "annotation-values")]
    [Sentence("config.md", "annotation-map")]
    public void Annotations_map_text_to_text(string json) =>
        Assert.Throws<RuntimeException>(() => OciRuntime.ParseConfiguration(Encoding.UTF8.GetBytes(json), "config.json"));

    [Fact]
    [Sentence("config.md", "unknown-properties")]
    [Sentence("config.md", "annotation-unknown")]
    public void Unknown_properties_and_annotations_are_ignored()
    {
        var spec = OciRuntime.ParseConfiguration(
            """{"ociVersion":"1.0.0","future":{"deep":[1,{"er":null}]},"root":{"path":"rootfs","shape":"round"},"process":{"cwd":"/","mood":"good"},"annotations":{"org.opencontainers.unknown":""},"linux":{"quantum":true}}"""u8.ToArray(),
            "config.json");
        SpecCheck.Validate(spec);
        Assert.Equal("", spec.Annotations!["org.opencontainers.unknown"]);
    }

    [Fact]
    [Sentence("config-linux.md", "namespace-twice")]
    public void A_namespace_is_listed_once() =>
        Assert.Equal("namespace uts is given twice", Refusal(Linux(linux => linux with { Namespaces = [new LinuxNamespace { Type = "uts" }, new LinuxNamespace { Type = "uts" }] })));

    [Fact]
    [Sentence("config-linux.md", "masked-absolute")]
    public void Masked_paths_are_absolute() =>
        Assert.Contains("maskedPaths", Refusal(Linux(linux => linux with { MaskedPaths = ["proc/kcore"] })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "readonly-absolute")]
    public void Read_only_paths_are_absolute() =>
        Assert.Contains("readonlyPaths", Refusal(Linux(linux => linux with { ReadonlyPaths = ["proc/sys"] })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "weight-device")]
    public void A_device_weight_says_something() =>
        Assert.Contains("neither weight nor leafWeight", Refusal(Resources(new LinuxResources { BlockIO = new BlockIoResources { WeightDevice = [new WeightDevice { Major = 8, Minor = 0 }] } })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "rdma-entry")]
    public void An_rdma_limit_says_something() =>
        Assert.Contains("neither hcaHandles nor hcaObjects", Refusal(Resources(new LinuxResources { Rdma = new Dictionary<string, RdmaLimit> { ["mlx"] = new RdmaLimit() } })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config-linux.md", "cpu-burst")]
    public void A_burst_is_not_above_the_quota() =>
        Assert.Contains("cpu.burst", Refusal(Resources(new LinuxResources { Cpu = new CpuResources { Quota = 1000, Burst = 1001 } })), StringComparison.Ordinal);

    [Fact]
    [Sentence("config.md", "invalid-values")]
    public void A_personality_has_no_flags() =>
        Assert.Contains("personality flag", Refusal(Linux(linux => linux with { Personality = new Personality { Domain = "LINUX", Flags = ["ADDR_NO_RANDOMIZE"] } })), StringComparison.Ordinal);

    [Fact]
    public void Names_need_a_namespace_of_their_own()
    {
        var bare = Linux(linux => linux with { Namespaces = [new LinuxNamespace { Type = "mount" }] });
        Assert.Equal("a hostname needs a uts namespace", Refusal(bare));
        Assert.Equal("a domainname needs a uts namespace", Refusal(bare with { Hostname = null, Domainname = "x" }));
    }

    [Theory]
    [InlineData("SCMP_ACT_ALLOW")]
    [InlineData("SCMP_ACT_KILL")]
    [InlineData("SCMP_ACT_LOG")]
    [InlineData("SCMP_ACT_NOTIFY")]
    [Sentence("config-linux.md", "seccomp-errno-default")]
    [Sentence("config-linux.md", "seccomp-errno-rule")]
    public void An_error_number_goes_only_with_actions_that_return_one(string action)
    {
        var byDefault = new Oci.Runtime.Seccomp { DefaultAction = action, DefaultErrnoRet = 1 };
        var byRule = new Oci.Runtime.Seccomp
        {
            DefaultAction = "SCMP_ACT_ALLOW",
            ListenerPath = "/agent",
            Syscalls = [new SeccompRule { Names = ["mkdir"], Action = action, ErrnoRet = 1 }],
        };
        foreach (var profile in new[] { byDefault, byRule })
        {
            Assert.Contains($"{action} has no errnoRet", Assert.Throws<RuntimeException>(() => SeccompCompiler.Compile(profile)).Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    [Sentence("config-linux.md", "seccomp-names")]
    public void A_seccomp_rule_names_a_call() =>
        Assert.Throws<RuntimeException>(() => SeccompCompiler.Compile(new Oci.Runtime.Seccomp
        {
            DefaultAction = "SCMP_ACT_ALLOW",
            Syscalls = [new SeccompRule { Names = [], Action = "SCMP_ACT_ERRNO" }],
        }));

    [Fact]
    [Sentence("config-linux.md", "seccomp-metadata")]
    public void Metadata_needs_a_listener() =>
        Assert.Contains("listenerMetadata", Assert.Throws<RuntimeException>(() => SeccompCompiler.Compile(new Oci.Runtime.Seccomp
        {
            DefaultAction = "SCMP_ACT_ALLOW",
            ListenerMetadata = "x",
        })).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("MPOL_NONE", null, "memory policy")]
    [InlineData("MPOL_BIND", "MPOL_F_NONE", "memory policy flag")]
    [Sentence("config.md", "invalid-values")]
    public void Unknown_memory_policies_are_refused(string mode, string? flag, string message)
    {
        var spec = Linux(linux => linux with { MemoryPolicy = new MemoryPolicy { Mode = mode, Nodes = "0", Flags = flag is null ? null : [flag] } });
        Assert.Contains(message, Assert.Throws<RuntimeException>(() => PlanText.Print("box", "/bundle", spec, [], new CgroupMountSource(true, [], null))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_mount_label_goes_to_the_filesystems_that_take_one()
    {
        var text = PlanText.Print(
            "box", "/bundle", Linux(linux => linux with { MountLabel = "system_u:object_r:container_file_t:s0:c1,c2" }), [], new CgroupMountSource(true, [], null));
        Assert.Contains("\"mode=755,size=65536k,context=\"system_u:object_r:container_file_t:s0:c1,c2\"\"", text, StringComparison.Ordinal);
        Assert.Contains("setxattr(\".\", \"security.selinux\", \"system_u:object_r:container_file_t:s0:c1,c2\"", text, StringComparison.Ordinal);
        Assert.DoesNotContain("\"proc\", \".\", \"proc\", 0xe, \"context", text, StringComparison.Ordinal);
    }

    [Fact]
    [Sentence("config.md", "mount-options")]
    public void Every_mount_option_that_must_be_known_is()
    {
        // The words marked "MUST" in the table of config.md, and those marked "SHOULD".
        var words = """
            async atime bind defaults dev diratime dirsync exec iversion lazytime loud noatime nodev nodiratime noexec noiversion nolazytime norelatime
            nostrictatime nosuid private rbind relatime remount ro rprivate rshared rslave runbindable rw shared silent slave strictatime suid sync unbindable
            nosymfollow ratime rdev rdiratime rexec rnoatime rnodiratime rnoexec rnorelatime rnostrictatime rnosuid rnosymfollow rrelatime rro rrw rstrictatime
            rsuid rsymfollow symfollow tmpcopyup idmap ridmap mand nomand
            """.Split((char[])[' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
        Assert.Empty(words.Except(MountOptions.KnownWords()));
        Assert.All(words, word => Assert.Equal("", MountOptions.Parse([word]).Data));
        Assert.Equal("size=1m,odd", MountOptions.Parse(["size=1m", "ro", "odd"]).Data);
    }
}
