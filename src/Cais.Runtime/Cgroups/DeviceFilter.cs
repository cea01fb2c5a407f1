using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Cgroups;

/// <summary>Device rules as an eBPF program, for cgroup v2. The last rule that matches decides, so they are tested from the last to the first.</summary>
internal static class DeviceFilter
{
    private const int Block = 1;
    private const int Character = 2;
    private const int Make = 1;
    private const int ReadAccess = 2;
    private const int WriteAccess = 4;
    private const int All = Make | ReadAccess | WriteAccess;

    public static void Attach(string cgroup, IEnumerable<DeviceRule> rules) => Bpf.SetDeviceProgram(cgroup, Compile([.. rules]));

    internal static BpfInstruction[] Compile(IReadOnlyList<DeviceRule> rules)
    {
        // struct bpf_cgroup_dev_ctx: access_type (type in the low half, access in the high one), major, minor.
        List<BpfInstruction> code =
        [
            BpfInstruction.Load32(2, 1, 0),
            BpfInstruction.MoveRegister32(3, 2),
            BpfInstruction.And32(2, 0xffff),
            BpfInstruction.ShiftRight32(3, 16),
            BpfInstruction.Load32(4, 1, 4),
            BpfInstruction.Load32(5, 1, 8),
        ];
        for (var i = rules.Count - 1; i >= 0; i--)
        {
            // What comes before a rule that always matches is never reached, and the kernel refuses programs with such parts.
            if (Add(code, rules[i]))
            {
                return [.. code];
            }
        }

        code.Add(BpfInstruction.Move(0, 0));
        code.Add(BpfInstruction.Exit());
        return [.. code];
    }

    /// <summary>True where the rule matches everything.</summary>
    private static bool Add(List<BpfInstruction> code, DeviceRule rule)
    {
        var access = Access(rule);
        var tests = new List<Func<short, BpfInstruction>>();
        if (rule.Type is "c" or "u")
        {
            tests.Add(skip => BpfInstruction.JumpIfNotEqual32(2, Character, skip));
        }
        else if (rule.Type == "b")
        {
            tests.Add(skip => BpfInstruction.JumpIfNotEqual32(2, Block, skip));
        }

        if (rule.Major is { } major and >= 0)
        {
            tests.Add(skip => BpfInstruction.JumpIfNotEqual32(4, (int)major, skip));
        }

        if (rule.Minor is { } minor and >= 0)
        {
            tests.Add(skip => BpfInstruction.JumpIfNotEqual32(5, (int)minor, skip));
        }

        var accessTests = access == All ? 0 : 3;
        var always = tests.Count + accessTests == 0;
        var skip = tests.Count + accessTests + 2;
        foreach (var test in tests)
        {
            code.Add(test((short)(--skip)));
        }

        if (access != All)
        {
            // Allowed if nothing is asked beyond the rule's accesses; a denial matches if anything asked is among them.
            code.Add(BpfInstruction.MoveRegister32(1, 3));
            code.Add(BpfInstruction.And32(1, access));
            code.Add(rule.Allow
                ? BpfInstruction.JumpIfNotEqualRegister32(1, 3, 2)
                : new BpfInstruction(0x16, 1, 2, 0));
        }

        code.Add(BpfInstruction.Move(0, rule.Allow ? 1 : 0));
        code.Add(BpfInstruction.Exit());
        return always;
    }

    private static int Access(DeviceRule rule)
    {
        if (string.IsNullOrEmpty(rule.Access))
        {
            return All;
        }

        var access = 0;
        foreach (var letter in rule.Access)
        {
            access |= letter switch
            {
                'r' => ReadAccess,
                'w' => WriteAccess,
                'm' => Make,
                _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"device access \"{rule.Access}\" may hold r, w and m"),
            };
        }

        return access;
    }
}
