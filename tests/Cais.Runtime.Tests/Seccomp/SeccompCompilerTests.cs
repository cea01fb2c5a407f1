using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Seccomp;

/// <summary>What compiled profiles answer, found out by running them.</summary>
public sealed class SeccompCompilerTests
{
    private const uint X64 = 0xc000003e;
    private const uint X86 = 0x40000003;
    private const uint Arm64 = 0xc00000b7;
    private const uint Allow = 0x7fff0000;
    private const uint Kill = 0;
    private const uint Eperm = 0x00050001;
    private const uint Enosys = 0x00050000 | 38;

    private static uint Native => SeccompCompiler.NativeArchitecture == "SCMP_ARCH_AARCH64" ? Arm64 : X64;

    private static uint Number(string name) => (uint)SystemCallTable.Number(
        Native == X64 ? SystemCallArchitecture.X64 : SystemCallArchitecture.Arm64, SystemCallTable.Find(name));

    private static SeccompRule Rule(string action, params string[] names) => new() { Action = action, Names = names };

    private static Oci.Runtime.Seccomp Profile(string defaultAction, params SeccompRule[] rules) =>
        new() { DefaultAction = defaultAction, Syscalls = rules };

    private static uint Answer(Oci.Runtime.Seccomp profile, string name, params ulong[] arguments) =>
        BpfInterpreter.Run(SeccompCompiler.Compile(profile)!.Instructions, Number(name), Native, arguments);

    [Theory]
    [InlineData("SCMP_ACT_ALLOW", null, 0x7fff0000u)]
    [InlineData("SCMP_ACT_LOG", null, 0x7ffc0000u)]
    [InlineData("SCMP_ACT_TRACE", null, 0x7ff00001u)]
    [InlineData("SCMP_ACT_TRACE", 77u, 0x7ff0004du)]
    [InlineData("SCMP_ACT_ERRNO", null, 0x00050001u)]
    [InlineData("SCMP_ACT_ERRNO", 13u, 0x0005000du)]
    [InlineData("SCMP_ACT_TRAP", null, 0x00030000u)]
    [InlineData("SCMP_ACT_KILL", null, 0x00000000u)]
    [InlineData("SCMP_ACT_KILL_THREAD", null, 0x00000000u)]
    [InlineData("SCMP_ACT_KILL_PROCESS", null, 0x80000000u)]
    public void Every_action_has_its_value(string action, uint? data, uint expected)
    {
        Assert.Equal(expected, Answer(Profile("SCMP_ACT_ALLOW", Rule(action, "mkdirat") with { ErrnoRet = data }), "mkdirat"));
        Assert.Equal(expected, Answer(Profile(action) with { DefaultErrnoRet = data }, "mkdirat"));
    }

    [Theory]
    [InlineData("SCMP_CMP_EQ", 5ul, 0ul, new[] { 5ul }, new[] { 4ul, 6ul, 0x1_0000_0005ul })]
    [InlineData("SCMP_CMP_NE", 5ul, 0ul, new[] { 4ul, 0x1_0000_0005ul }, new[] { 5ul })]
    [InlineData("SCMP_CMP_LT", 0x2_0000_0005ul, 0ul, new[] { 0x2_0000_0004ul, 0x1_ffff_fffful, 0ul }, new[] { 0x2_0000_0005ul, 0x3_0000_0000ul })]
    [InlineData("SCMP_CMP_LE", 0x2_0000_0005ul, 0ul, new[] { 0x2_0000_0005ul, 0x1_ffff_fffful }, new[] { 0x2_0000_0006ul, 0x3_0000_0000ul })]
    [InlineData("SCMP_CMP_GE", 0x2_0000_0005ul, 0ul, new[] { 0x2_0000_0005ul, 0x3_0000_0000ul }, new[] { 0x2_0000_0004ul, 0x1_ffff_fffful })]
    [InlineData("SCMP_CMP_GT", 0x2_0000_0005ul, 0ul, new[] { 0x2_0000_0006ul, 0x3_0000_0000ul }, new[] { 0x2_0000_0005ul, 0x1_ffff_fffful })]
    [InlineData("SCMP_CMP_MASKED_EQ", 0xf_0000_00f0ul, 0x3_0000_0030ul, new[] { 0x3_0000_0030ul, 0xff3_0000_0f3ful }, new[] { 0x3_0000_0040ul, 0x4_0000_0030ul })]
    public void Conditions_compare_all_64_bits(string op, ulong value, ulong valueTwo, ulong[] holds, ulong[] fails)
    {
        var profile = Profile("SCMP_ACT_ERRNO", Rule("SCMP_ACT_ALLOW", "socket") with
        {
            Args = [new SeccompArgument { Index = 1, Value = value, ValueTwo = valueTwo, Op = op }],
        });
        Assert.All(holds, argument => Assert.Equal(Allow, Answer(profile, "socket", 99, argument)));
        Assert.All(fails, argument => Assert.Equal(Eperm, Answer(profile, "socket", 99, argument)));
    }

    [Fact]
    public void All_conditions_of_a_rule_must_hold_and_one_rule_of_many()
    {
        SeccompArgument Is(uint index, ulong value) => new() { Index = index, Value = value, Op = "SCMP_CMP_EQ" };
        var profile = Profile(
            "SCMP_ACT_ERRNO",
            Rule("SCMP_ACT_ALLOW", "socket") with { Args = [Is(0, 1), Is(1, 2)] },
            Rule("SCMP_ACT_ALLOW", "socket") with { Args = [Is(0, 7)] });
        Assert.Equal(Allow, Answer(profile, "socket", 1, 2));
        Assert.Equal(Allow, Answer(profile, "socket", 7, 9));
        Assert.Equal(Eperm, Answer(profile, "socket", 1, 9));
    }

    [Fact]
    public void A_rule_without_conditions_wins_over_those_with()
    {
        var conditional = Rule("SCMP_ACT_ERRNO", "socket") with { Args = [new SeccompArgument { Index = 0, Value = 1, Op = "SCMP_CMP_EQ" }] };
        Assert.Equal(Allow, Answer(Profile("SCMP_ACT_ERRNO", conditional, Rule("SCMP_ACT_ALLOW", "socket")), "socket", 1));
        Assert.Equal(Allow, Answer(Profile("SCMP_ACT_ERRNO", Rule("SCMP_ACT_ALLOW", "socket"), conditional), "socket", 1));
    }

    [Fact]
    public void Every_call_gets_its_own_answer_in_a_profile_of_all_calls()
    {
        // Each call its own errno: a search that goes astray anywhere shows.
        var names = Enumerable.Range(0, 500).Select(NameOf).OfType<string>().ToList();
        var rules = names.Select((name, i) => Rule("SCMP_ACT_ERRNO", name) with { ErrnoRet = (uint)(100 + i) }).ToArray();
        var program = SeccompCompiler.Compile(Profile("SCMP_ACT_ALLOW", rules))!.Instructions;
        for (var i = 0; i < names.Count; i++)
        {
            Assert.Equal(0x00050000u | (uint)(100 + i), BpfInterpreter.Run(program, Number(names[i]), Native));
        }

        Assert.Equal(Allow, BpfInterpreter.Run(program, 100_000, Native));
    }

    private static readonly string[] Known =
    [
        "read", "write", "openat", "close", "mmap", "mprotect", "munmap", "brk", "ioctl", "socket", "connect", "accept4", "sendto", "recvfrom",
        "clone", "clone3", "execve", "exit", "wait4", "kill", "uname", "fcntl", "ftruncate", "getcwd", "chdir", "mkdirat", "unlinkat",
        "symlinkat", "fchmod", "umask", "ptrace", "syslog", "setuid", "getpid", "mount", "umount2", "reboot", "sethostname", "init_module",
        "quotactl", "futex", "epoll_ctl", "openat2", "close_range", "landlock_create_ruleset", "bpf", "seccomp", "getrandom",
    ];

    private static string? NameOf(int index) => index < Known.Length && SystemCallTable.Find(Known[index]) >= 0
        && SystemCallTable.Number(Native == X64 ? SystemCallArchitecture.X64 : SystemCallArchitecture.Arm64, SystemCallTable.Find(Known[index])) >= 0
        ? Known[index] : null;

    [Fact]
    public void Calls_newer_than_the_profile_are_not_there_rather_than_forbidden()
    {
        var profile = Profile("SCMP_ACT_ERRNO", Rule("SCMP_ACT_ALLOW", "read", "openat2"));
        var program = SeccompCompiler.Compile(profile)!.Instructions;
        Assert.Equal(Eperm, BpfInterpreter.Run(program, Number("mount"), Native));
        Assert.Equal(Enosys, BpfInterpreter.Run(program, Number("openat2") + 1, Native));
        Assert.Equal(Enosys, BpfInterpreter.Run(program, 5000, Native));
        var strict = SeccompCompiler.Compile(profile with { DefaultAction = "SCMP_ACT_KILL_PROCESS" })!.Instructions;
        Assert.Equal(0x80000000u, BpfInterpreter.Run(strict, 5000, Native));
    }

    [Fact]
    public void Architectures_that_are_not_listed_are_killed()
    {
        var profile = Profile("SCMP_ACT_ALLOW") with { Architectures = ["SCMP_ARCH_X86_64"] };
        var program = SeccompCompiler.Compile(profile)!.Instructions;
        Assert.Equal(Allow, BpfInterpreter.Run(program, 0, X64));
        Assert.Equal(Kill, BpfInterpreter.Run(program, 0, X86));
        Assert.Equal(Kill, BpfInterpreter.Run(program, 0x40000000, X64));
        Assert.Equal(Kill, BpfInterpreter.Run(program, 0, 0x12345678));
    }

    [Fact]
    public void Each_architecture_has_its_own_numbers()
    {
        var profile = Profile("SCMP_ACT_ERRNO", Rule("SCMP_ACT_ALLOW", "getuid32", "getuid", "ioctl")) with
        {
            DefaultErrnoRet = 2,
            Architectures = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM", "SCMP_ARCH_S390X"],
        };
        var program = SeccompCompiler.Compile(profile)!.Instructions;
        Assert.Equal(Allow, BpfInterpreter.Run(program, 102, X64));
        Assert.Equal(Allow, BpfInterpreter.Run(program, 199, X86));
        Assert.Equal(Allow, BpfInterpreter.Run(program, 24, X86));
        Assert.Equal(Allow, BpfInterpreter.Run(program, 174, Arm64));
        Assert.Equal(Allow, BpfInterpreter.Run(program, 199, 0x40000028));
        Assert.Equal(Allow, BpfInterpreter.Run(program, 0x40000000 + 514, X64));
        Assert.Equal(0x00050002u, BpfInterpreter.Run(program, 0x40000000 + 16, X64));
        Assert.Equal(0x00050002u, BpfInterpreter.Run(program, 102, X86));
    }

    [Fact]
    public void Names_that_no_architecture_knows_are_left_out() =>
        Assert.Equal(Allow, Answer(Profile("SCMP_ACT_ERRNO", Rule("SCMP_ACT_ALLOW", "read", "future_call_of_2077")), "read"));

    [Theory]
    [InlineData("SCMP_ACT_NONE", "SCMP_CMP_EQ", "SCMP_ARCH_X86", "SECCOMP_FILTER_FLAG_LOG", "action")]
    [InlineData("SCMP_ACT_ERRNO", "SCMP_CMP_XX", "SCMP_ARCH_X86", "SECCOMP_FILTER_FLAG_LOG", "operator")]
    [InlineData("SCMP_ACT_ERRNO", "SCMP_CMP_EQ", "SCMP_ARCH_VAX", "SECCOMP_FILTER_FLAG_LOG", "architecture")]
    [InlineData("SCMP_ACT_ERRNO", "SCMP_CMP_EQ", "SCMP_ARCH_X86", "SECCOMP_FILTER_FLAG_X", "flag")]
    public void Unknown_words_are_refused_by_name(string action, string op, string architecture, string flag, string word)
    {
        var profile = Profile(action, Rule("SCMP_ACT_ALLOW", "socket") with { Args = [new SeccompArgument { Index = 0, Value = 0, Op = op }] }) with
        {
            Architectures = [architecture],
            Flags = [flag],
        };
        var error = Assert.Throws<RuntimeException>(() => SeccompCompiler.Compile(profile));
        Assert.Contains(word, error.Message, StringComparison.Ordinal);
        Assert.Equal(RuntimeError.InvalidConfig, error.Error);
    }

    [Fact]
    public void Notify_needs_somebody_to_notify() =>
        Assert.Throws<RuntimeException>(() => SeccompCompiler.Compile(Profile("SCMP_ACT_ALLOW", Rule("SCMP_ACT_NOTIFY", "mkdirat"))));
}

/// <summary>Filters at work in the kernel.</summary>
[Trait("Tier", "integration")]
public sealed class SeccompContainerTests : IDisposable
{
    private readonly TestBundle _bundle = new();

    public void Dispose() => _bundle.Dispose();

    private static readonly Oci.Runtime.Seccomp NoMkdir = new()
    {
        DefaultAction = "SCMP_ACT_ALLOW",
        Syscalls = [new SeccompRule { Names = ["mkdir", "mkdirat"], Action = "SCMP_ACT_ERRNO", ErrnoRet = 122 }],
    };

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void The_filter_is_loaded_with_and_without_no_new_privs(bool noNewPrivileges)
    {
        var spec = _bundle.Spec("sh", "-c", "mkdir /x; grep Seccomp: /proc/self/status; grep CapEff /proc/self/status")
            .With(process => process with { NoNewPrivileges = noNewPrivileges, Capabilities = new Capabilities { Bounding = ["CAP_KILL"], Permitted = ["CAP_KILL"], Effective = ["CAP_KILL"] } })
            .With(linux => linux with { Seccomp = NoMkdir });
        var output = _bundle.Run(spec).Output;
        Assert.Contains("exceeded", output, StringComparison.Ordinal); // EDQUOT: disk quota exceeded
        Assert.Contains("Seccomp:\t2", output, StringComparison.Ordinal);
        Assert.Contains("CapEff:\t0000000000000020", output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_filter_holds_for_exec_too()
    {
        using var container = _bundle.Create(_bundle.Spec("sleep", "100").With(linux => linux with { Seccomp = NoMkdir }));
        container.Start();
        Assert.Contains("exceeded", TestBundle.Exec(container, "mkdir", "/x").Output, StringComparison.Ordinal);
    }
}
