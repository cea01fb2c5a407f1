using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Compile;

/// <summary>
/// Compiles a seccomp profile to a BPF program. Calls are sorted into ranges of numbers with the same verdict, and found by a binary
/// search: some nine comparisons for the profile that engines use, whichever call it is.
/// </summary>
internal static class SeccompCompiler
{
    private const uint KillThread = 0x00000000;
    private const uint KillProcess = 0x80000000;
    private const uint Trap = 0x00030000;
    private const uint ErrnoAction = 0x00050000;
    private const uint Notify = 0x7fc00000;
    private const uint Trace = 0x7ff00000;
    private const uint Log = 0x7ffc0000;
    private const uint Allow = 0x7fff0000;
    private const uint DataMask = 0xffff;
    private const uint X32Bit = 0x40000000;
    private const int MostInstructions = 4096;
    private const uint FlagNewListener = 8;

    private static readonly (string Name, SystemCallArchitecture Architecture, uint Audit)[] Architectures =
    [
        ("SCMP_ARCH_X86_64", SystemCallArchitecture.X64, 0xc000003e),
        ("SCMP_ARCH_X86", SystemCallArchitecture.X86, 0x40000003),
        ("SCMP_ARCH_X32", SystemCallArchitecture.X32, 0xc000003e),
        ("SCMP_ARCH_AARCH64", SystemCallArchitecture.Arm64, 0xc00000b7),
        ("SCMP_ARCH_ARM", SystemCallArchitecture.Arm, 0x40000028),
    ];

    private static readonly string[] OtherArchitectures =
    [
        "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_MIPS", "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL",
        "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390",
        "SCMP_ARCH_S390X", "SCMP_ARCH_SH", "SCMP_ARCH_SHEB", "SCMP_ARCH_PARISC", "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64",
    ];

    private static readonly (string Name, uint Flag)[] FlagNames =
    [
        ("SECCOMP_FILTER_FLAG_TSYNC", 1), ("SECCOMP_FILTER_FLAG_LOG", 2), ("SECCOMP_FILTER_FLAG_SPEC_ALLOW", 4),
        ("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", 32),
    ];

    public static IReadOnlyList<string> ActionNames { get; } =
    [
        "SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_LOG",
        "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE", "SCMP_ACT_TRAP",
    ];

    public static IReadOnlyList<string> OperatorNames { get; } =
        ["SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ", "SCMP_CMP_NE"];

    public static IReadOnlyList<string> ArchitectureNames => [.. Names(Architectures)];

    public static IReadOnlyList<string> KnownFlags => [.. Names(FlagNames)];

    /// <summary>Null for no profile. Names of calls that no architecture knows are left out, as other runtimes do.</summary>
    public static SeccompProgram? Compile(Seccomp? profile)
    {
        if (profile is null)
        {
            return null;
        }

        uint flags = 0;
        foreach (var name in profile.Flags ?? [])
        {
            flags |= Find(FlagNames, name) is { } flag ? flag.Flag : throw Invalid($"seccomp flag {name} is not known");
        }

        var defaultAction = Action(profile.DefaultAction, profile.DefaultErrnoRet);
        var hasListener = defaultAction == Notify;
        foreach (var rule in profile.Syscalls ?? [])
        {
            hasListener |= Action(rule.Action, rule.ErrnoRet) == Notify;
            if (rule.Names.Count == 0)
            {
                throw Invalid("a seccomp rule names no system call");
            }
        }

        if (!string.IsNullOrEmpty(profile.ListenerMetadata) && string.IsNullOrEmpty(profile.ListenerPath))
        {
            throw Invalid("seccomp.listenerMetadata needs seccomp.listenerPath");
        }

        if (hasListener && string.IsNullOrEmpty(profile.ListenerPath))
        {
            throw Invalid("SCMP_ACT_NOTIFY needs seccomp.listenerPath");
        }

        var program = new BpfAssembler();
        WriteArchitectures(program, profile, defaultAction);
        if (program.Count > MostInstructions)
        {
            throw Invalid($"the seccomp profile needs {program.Count} instructions; the kernel takes {MostInstructions}");
        }

        // A listener is told by the kernel when a thread waits for it; synchronizing threads makes no sense for a single one.
        return new SeccompProgram(program.ToBytes(), (flags & ~1u) | (hasListener ? FlagNewListener : 0), hasListener);
    }

    private static void WriteArchitectures(BpfAssembler program, Seccomp profile, uint defaultAction)
    {
        var wanted = new List<(string Name, SystemCallArchitecture Architecture, uint Audit)>();
        foreach (var name in profile.Architectures is { Count: > 0 } listed ? listed : [NativeArchitecture])
        {
            if (Find(Architectures, name) is { } architecture)
            {
                wanted.Add(architecture);
            }
            else if (Array.IndexOf(OtherArchitectures, name) < 0)
            {
                throw Invalid($"seccomp architecture {name} is not known");
            }
        }

        // The kernel's own architecture is always meant.
        if (!wanted.Exists(a => a.Name == NativeArchitecture))
        {
            wanted.Insert(0, Find(Architectures, NativeArchitecture)!.Value);
        }

        var rules = LookUp(profile);
        var x32 = wanted.Exists(a => a.Architecture == SystemCallArchitecture.X32);
        program.LoadArchitecture();
        foreach (var (_, architecture, audit) in wanted)
        {
            if (architecture == SystemCallArchitecture.X32)
            {
                continue;
            }

            var next = program.JumpUnlessEqual(audit);
            program.LoadNumber();
            if (architecture == SystemCallArchitecture.X64)
            {
                var plain = program.JumpUnlessAtLeast(X32Bit);
                if (x32)
                {
                    WriteCalls(program, rules, defaultAction, SystemCallArchitecture.X32);
                }
                else
                {
                    program.Return(KillThread);
                }

                program.Mark(plain);
            }

            WriteCalls(program, rules, defaultAction, architecture);
            program.Mark(next);
        }

        // A call of an architecture that is not listed: what libseccomp's bad-architecture action is.
        program.Return(KillThread);
    }

    /// <summary>A rule with its names looked up, once for all architectures.</summary>
    private sealed record KnownRule(uint Action, IReadOnlyList<SeccompArgument>? Conditions, int[] Rows);

    private static List<KnownRule> LookUp(Seccomp profile)
    {
        var rules = new List<KnownRule>(profile.Syscalls?.Count ?? 0);
        foreach (var rule in profile.Syscalls ?? [])
        {
            var rows = new int[rule.Names.Count];
            for (var i = 0; i < rows.Length; i++)
            {
                rows[i] = SystemCallTable.Find(rule.Names[i]);
            }

            rules.Add(new KnownRule(Action(rule.Action, rule.ErrnoRet), rule.Args, rows));
        }

        return rules;
    }

    private static void WriteCalls(BpfAssembler program, List<KnownRule> rules, uint defaultAction, SystemCallArchitecture architecture)
    {
        var verdicts = new VerdictTable();
        foreach (var rule in rules)
        {
            Verdict? shared = null;
            foreach (var row in rule.Rows)
            {
                var number = row < 0 ? -1 : SystemCallTable.Number(architecture, row);
                if (number < 0)
                {
                    continue;
                }

                ref var verdict = ref verdicts[(uint)number];
                if (verdict is null && rule.Conditions is not { Count: > 0 })
                {
                    verdict = shared ??= Verdict.Always(rule.Action);
                }
                else
                {
                    verdict ??= new Verdict(defaultAction);
                    verdict.Add(rule.Action, rule.Conditions);
                }
            }
        }

        program.Search(Ranges(verdicts, defaultAction, architecture));
    }

    /// <summary>
    /// All numbers from 0 up as ranges with one verdict each. Calls newer than any the profile knows get ENOSYS instead of EPERM: C
    /// libraries take the former as "not there, use the old way", the latter as a failure.
    /// </summary>
    private static List<(uint From, Verdict Verdict)> Ranges(VerdictTable verdicts, uint defaultAction, SystemCallArchitecture architecture)
    {
        var mark = architecture == SystemCallArchitecture.X32 ? X32Bit : 0;
        var otherwise = new Verdict(defaultAction);
        var ranges = new List<(uint From, Verdict Verdict)>(128);
        void Add(uint from, Verdict verdict)
        {
            if (ranges.Count == 0 || !ranges[^1].Verdict.SameAs(verdict))
            {
                ranges.Add((from, verdict));
            }
        }

        uint next = 0;
        foreach (var (number, verdict) in verdicts.ToList())
        {
            var call = number | mark;
            if (call > next)
            {
                Add(next, otherwise);
            }

            Add(call, verdict);
            next = call + 1;
        }

        // ARM's private calls have numbers far above the ordinary ones.
        var tailIsNew = defaultAction == (ErrnoAction | (uint)Errno.EPERM) && next > 0 && architecture != SystemCallArchitecture.Arm;
        Add(next, tailIsNew ? new Verdict(ErrnoAction | (uint)Errno.ENOSYS) : otherwise);
        return ranges;
    }

    private static uint Action(string name, uint? data)
    {
        if (data > DataMask)
        {
            throw Invalid($"seccomp errnoRet {data} is too large");
        }

        if (data is not null && name is not ("SCMP_ACT_ERRNO" or "SCMP_ACT_TRACE"))
        {
            throw Invalid($"seccomp action {name} has no errnoRet: only SCMP_ACT_ERRNO and SCMP_ACT_TRACE do");
        }

        return name switch
        {
            "SCMP_ACT_KILL" or "SCMP_ACT_KILL_THREAD" => KillThread,
            "SCMP_ACT_KILL_PROCESS" => KillProcess,
            "SCMP_ACT_TRAP" => Trap,
            "SCMP_ACT_ERRNO" => ErrnoAction | (data ?? (uint)Errno.EPERM),
            "SCMP_ACT_TRACE" => Trace | (data ?? (uint)Errno.EPERM),
            "SCMP_ACT_ALLOW" => Allow,
            "SCMP_ACT_LOG" => Log,
            "SCMP_ACT_NOTIFY" => Notify,
            _ => throw Invalid($"seccomp action {name} is not known"),
        };
    }

    internal static string NativeArchitecture =>
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64
            ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64";

    private static (string Name, SystemCallArchitecture Architecture, uint Audit)? Find(
        (string Name, SystemCallArchitecture Architecture, uint Audit)[] table, string name)
    {
        foreach (var entry in table)
        {
            if (entry.Name == name)
            {
                return entry;
            }
        }

        return null;
    }

    private static (string Name, uint Flag)? Find((string Name, uint Flag)[] table, string name)
    {
        foreach (var entry in table)
        {
            if (entry.Name == name)
            {
                return entry;
            }
        }

        return null;
    }

    private static IEnumerable<string> Names((string Name, SystemCallArchitecture Architecture, uint Audit)[] table)
    {
        foreach (var entry in table)
        {
            yield return entry.Name;
        }
    }

    private static IEnumerable<string> Names((string Name, uint Flag)[] table)
    {
        foreach (var entry in table)
        {
            yield return entry.Name;
        }
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
