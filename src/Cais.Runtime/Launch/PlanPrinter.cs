using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Cais.Linux;

namespace Cais.Runtime.Launch;

/// <summary>Writes a plan as text: every system call with its arguments, in order, and what it is for. Nothing is run.</summary>
internal static unsafe class PlanPrinter
{
    /// <summary>
    /// Name and one letter an argument: f descriptor, s string, d decimal, o octal, x hexadecimal (or an address), h struct open_how, a struct mount_attr,
    /// c struct clone_args, v list of strings, p address, b bytes whose number follows.
    /// </summary>
    private static readonly (int Number, string Name, string Arguments)[] Calls =
    [
        (SystemCall.Read, "read", "fpd"), (SystemCall.Write, "write", "fbd"), (SystemCall.Close, "close", "f"),
        (SystemCall.RtSigaction, "rt_sigaction", "dppd"), (SystemCall.RtSigprocmask, "rt_sigprocmask", "dppd"),
        (SystemCall.Ioctl, "ioctl", "fxx"), (SystemCall.SendMsg, "sendmsg", "fpx"), (SystemCall.Execve, "execve", "svp"),
        (SystemCall.ExitGroup, "exit_group", "d"), (SystemCall.Fchdir, "fchdir", "f"), (SystemCall.Chdir, "chdir", "s"),
        (SystemCall.Umask, "umask", "o"), (SystemCall.SetSid, "setsid", ""), (SystemCall.SetGroups, "setgroups", "dp"),
        (SystemCall.SetResUid, "setresuid", "ddd"), (SystemCall.SetResGid, "setresgid", "ddd"), (SystemCall.CapSet, "capset", "pp"),
        (SystemCall.Personality, "personality", "x"), (SystemCall.Fstatfs, "fstatfs", "fp"), (SystemCall.PivotRoot, "pivot_root", "ss"),
        (SystemCall.Prctl, "prctl", "dddd"), (SystemCall.Chroot, "chroot", "s"), (SystemCall.Mount, "mount", "sssxs"),
        (SystemCall.Umount2, "umount2", "sx"), (SystemCall.SetHostname, "sethostname", "sd"), (SystemCall.SetDomainname, "setdomainname", "sd"),
        (SystemCall.SchedSetAffinity, "sched_setaffinity", "ddp"), (SystemCall.SchedGetAffinity, "sched_getaffinity", "ddp"),
        (SystemCall.Setxattr, "setxattr", "sssdx"), (SystemCall.SetMempolicy, "set_mempolicy", "xpd"),
        (SystemCall.Keyctl, "keyctl", "ds"), (SystemCall.IoprioSet, "ioprio_set", "ddx"), (SystemCall.Openat, "openat", "fsxo"),
        (SystemCall.Mkdirat, "mkdirat", "fso"), (SystemCall.Mknodat, "mknodat", "fsox"), (SystemCall.Fchownat, "fchownat", "fsddx"),
        (SystemCall.Fchown, "fchown", "fdd"), (SystemCall.Unlinkat, "unlinkat", "fsx"), (SystemCall.Symlinkat, "symlinkat", "sfs"),
        (SystemCall.Fchmodat, "fchmodat", "fso"), (SystemCall.Unshare, "unshare", "x"), (SystemCall.Accept4, "accept4", "fppx"),
        (SystemCall.Dup3, "dup3", "fdx"), (SystemCall.Prlimit64, "prlimit64", "ddpp"), (SystemCall.Setns, "setns", "fx"),
        (SystemCall.SchedSetattr, "sched_setattr", "dpx"), (SystemCall.Seccomp, "seccomp", "dxp"), (SystemCall.Statx, "statx", "fsxxp"),
        (SystemCall.Fcntl, "fcntl", "fdd"), (SystemCall.OpenTree, "open_tree", "fsx"), (SystemCall.MoveMount, "move_mount", "fsfsx"),
        (SystemCall.Fsopen, "fsopen", "sx"), (SystemCall.Fsconfig, "fsconfig", "fdssd"), (SystemCall.Fsmount, "fsmount", "fxx"),
        (SystemCall.Clone3, "clone3", "cd"), (SystemCall.CloseRange, "close_range", "ddx"), (SystemCall.Openat2, "openat2", "fshd"),
        (SystemCall.Faccessat2, "faccessat2", "fsdx"), (SystemCall.MountSetattr, "mount_setattr", "fsxad"),
    ];

    /// <summary>Names of descriptors that the caller opened, by number.</summary>
    public static string Print(LaunchPlan plan, IReadOnlyDictionary<int, string> descriptors)
    {
        var text = new StringBuilder();
        var width = plan.Count.ToString(CultureInfo.InvariantCulture).Length;
        for (var i = 0; i < plan.Count; i++)
        {
            var start = text.Length;
            text.Append(i.ToString(CultureInfo.InvariantCulture).PadLeft(width)).Append("  ");
            Operation(text, plan, plan[i], descriptors);
            var note = plan.NoteAt(i).ToString();
            if (text.Length - start < 80)
            {
                text.Append(' ', 80 - (text.Length - start));
            }

            text.Append("  # ").Append(note).Append('\n');
        }

        return text.ToString();
    }

    private static void Operation(StringBuilder text, LaunchPlan plan, in Op op, IReadOnlyDictionary<int, string> descriptors)
    {
        if (op.Result != Op.NoRegister)
        {
            text.Append(CultureInfo.InvariantCulture, $"r{op.Result} = ");
        }

        if (op.Number < 0)
        {
            PseudoOperation(text, plan, op);
            return;
        }

        var (name, kinds) = Find(op.Number);
        text.Append(name).Append('(');
        ReadOnlySpan<nint> values = [op.A, op.B, op.C, op.D, op.E];
        for (var i = 0; i < kinds.Length; i++)
        {
            text.Append(i == 0 ? "" : ", ");
            if ((op.Registers & (1 << i)) != 0)
            {
                text.Append(CultureInfo.InvariantCulture, $"r{values[i]}");
            }
            else
            {
                Argument(text, kinds[i], values[i], i + 1 < kinds.Length ? values[i + 1] : 0, descriptors);
            }
        }

        text.Append(')');
        Branch(text, op.Errno1, op.Goto1);
        Branch(text, op.Errno2, op.Goto2);
        Branch(text, op.Errno3, op.Goto3);
    }

    private static void Branch(StringBuilder text, int errno, int target)
    {
        if (errno != 0)
        {
            text.Append(" | ").Append(errno == Op.AnyError ? "error" : ((Errno)errno).ToString())
                .Append(CultureInfo.InvariantCulture, $" -> {target}");
        }
    }

    private static void PseudoOperation(StringBuilder text, LaunchPlan plan, in Op op)
    {
        switch (op.Number)
        {
            case Pseudo.Jump:
                text.Append(CultureInfo.InvariantCulture, $"go to {op.A}");
                break;
            case Pseudo.Return:
                text.Append("return");
                break;
            case Pseudo.Set:
                text.Append(CultureInfo.InvariantCulture, $"r{op.A} = value");
                break;
            case Pseudo.Store:
                text.Append(CultureInfo.InvariantCulture, $"store r{op.B}");
                break;
            case Pseudo.Load16:
                text.Append(CultureInfo.InvariantCulture, $"r{op.A} = field & 0{Convert.ToString((int)op.C, 8)}");
                break;
            case Pseudo.JumpIfEqual:
                var register = (op.A - plan.Registers) / sizeof(nint);
                text.Append(register is >= 0 and < 256
                    ? string.Create(CultureInfo.InvariantCulture, $"if r{register} == {op.C} go to {op.D}")
                    : string.Create(CultureInfo.InvariantCulture, $"if field & 0x{op.B:x} == 0x{op.C:x} go to {op.D}"));
                break;
            default:
                text.Append(CultureInfo.InvariantCulture, $"fail with {(Errno)(int)op.A}");
                break;
        }
    }

    private static void Argument(StringBuilder text, char kind, nint value, nint next, IReadOnlyDictionary<int, string> descriptors)
    {
        switch (kind)
        {
            case 'f':
                text.Append(value == Files.CurrentDirectory ? "AT_FDCWD"
                    : descriptors.TryGetValue((int)value, out var name) ? name : ((int)value).ToString(CultureInfo.InvariantCulture));
                break;
            case 's':
                text.Append(value == 0 ? "NULL" : $"\"{Marshal.PtrToStringUTF8(value)}\"");
                break;
            case 'b':
                text.Append('"').Append(Printable(new ReadOnlySpan<byte>((void*)value, (int)Math.Min(next, 64)))).Append('"');
                break;
            case 'd':
                text.Append(((long)value).ToString(CultureInfo.InvariantCulture));
                break;
            case 'o':
                text.Append('0').Append(Convert.ToString((int)value, 8));
                break;
            case 'x':
                text.Append((ulong)value > uint.MaxValue ? "…" : string.Create(CultureInfo.InvariantCulture, $"0x{(ulong)value:x}"));
                break;
            case 'h':
                text.Append(CultureInfo.InvariantCulture, $"{{flags=0x{((long*)value)[0]:x}, resolve={(ResolveFlags)(ulong)((long*)value)[2]}}}");
                break;
            case 'a':
                var attributes = (long*)value;
                text.Append(
                    CultureInfo.InvariantCulture,
                    $"{{set={(MountAttributes)(ulong)attributes[0]}, clear={(MountAttributes)(ulong)attributes[1]}, propagation={(MountFlags)(ulong)attributes[2]}}}");
                break;
            case 'c':
                text.Append(CultureInfo.InvariantCulture, $"{{flags=0x{*(long*)value:x}}}");
                break;
            case 'v':
                Strings(text, (nint*)value);
                break;
            default:
                text.Append(value == 0 ? "NULL" : "…");
                break;
        }
    }

    private static void Strings(StringBuilder text, nint* list)
    {
        text.Append('[');
        for (var i = 0; list[i] != 0; i++)
        {
            text.Append(i == 0 ? "" : ", ").Append('"').Append(Marshal.PtrToStringUTF8(list[i])).Append('"');
        }

        text.Append(']');
    }

    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        var text = new StringBuilder(bytes.Length);
        foreach (var b in bytes)
        {
            text.Append(b is >= 32 and < 127 ? ((char)b).ToString() : string.Create(CultureInfo.InvariantCulture, $"\\x{b:x2}"));
        }

        return text.ToString();
    }

    private static (string Name, string Arguments) Find(int number)
    {
        foreach (var call in Calls)
        {
            if (call.Number == number)
            {
                return (call.Name, call.Arguments);
            }
        }

        return ($"syscall {number.ToString(CultureInfo.InvariantCulture)}", "xxxxx");
    }
}
