using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>Who the process is and what it may do: limits, scheduling, labels, ids, capabilities, filter.</summary>
internal static class ProcessSteps
{
    private const int SetKeepCapabilities = 8;
    private const int DropBounding = 24;
    private const int SetNoNewPrivileges = 38;
    private const int Ambient = 47;
    private const int AmbientRaise = 2;
    private const int AmbientClear = 4;
    private const int CapabilityVersion = 0x20080522;
    private const int SetFilter = 1;

    private static readonly string[] RlimitNames =
    [
        "CPU", "FSIZE", "DATA", "STACK", "CORE", "RSS", "NPROC", "NOFILE", "MEMLOCK", "AS", "LOCKS", "SIGPENDING", "MSGQUEUE", "NICE",
        "RTPRIO", "RTTIME",
    ];

    /// <summary>What is written to the host's /proc, so before the root is switched or another mount namespace entered.</summary>
    public static void WriteProcSettings(PlanContext context, Process process)
    {
        if (process.OomScoreAdj is { } score)
        {
            var value = score.ToString(CultureInfo.InvariantCulture);
            context.WriteHostFile("/proc/self/oom_score_adj", value, new Note("set oom_score_adj to {0}", value));
        }
    }

    /// <summary>Opens where a security module takes the label for the next execve; to be written later, by <see cref="WriteLabels"/>.</summary>
    public static (Register? Apparmor, Register? Selinux) OpenLabels(PlanContext context, Process process) =>
        (OpenLabel(context, process.ApparmorProfile, "/proc/self/attr/apparmor/exec", "/proc/self/attr/exec"),
         OpenLabel(context, process.SelinuxLabel, "/proc/self/attr/exec", null));

    public static void WriteLabels(PlanContext context, Process process, (Register? Apparmor, Register? Selinux) labels)
    {
        WriteLabel(context, labels.Apparmor, "exec " + process.ApparmorProfile, new Note("set AppArmor profile {0}", process.ApparmorProfile));
        WriteLabel(context, labels.Selinux, process.SelinuxLabel ?? "", new Note("set SELinux label {0}", process.SelinuxLabel));
    }

    private static Register? OpenLabel(PlanContext context, string? label, string path, string? older)
    {
        if (string.IsNullOrEmpty(label))
        {
            return null;
        }

        var b = context.B;
        Label missing = new(), done = new();
        var register = b.NewRegister();
        b.ResultInto(
            register, new Note("open {0}", path), SystemCall.Openat, Files.CurrentDirectory, context.Plan.Text(path),
            OpenFlags.WriteOnly | OpenFlags.CloseOnExec);
        if (older is not null)
        {
            b.On(Errno.ENOENT, missing);
            b.Jump(done);
            b.Mark(missing);
            b.ResultInto(
                register, new Note("open {0}: is the security module enabled?", older), SystemCall.Openat, Files.CurrentDirectory,
                context.Plan.Text(older), OpenFlags.WriteOnly | OpenFlags.CloseOnExec);
        }

        b.Mark(done);
        return register;
    }

    private static void WriteLabel(PlanContext context, Register? file, string value, Note note)
    {
        if (file is { } open)
        {
            context.B.Call(note, SystemCall.Write, open, context.Plan.Text(value), System.Text.Encoding.UTF8.GetByteCount(value));
            context.Close(open);
        }
    }

    /// <summary>
    /// Raises hard limits that would be too low, while there is still the right to do so: a user namespace's root has none over limits. The soft ones
    /// wait, since what is still to do must not run into them.
    /// </summary>
    public static void RaiseLimits(PlanContext context, Process process)
    {
        foreach (var limit in process.Rlimits ?? [])
        {
            var number = NumberOf(limit);
            var now = DescriptorLimit.Of(number);
            if (limit.Hard > now.Hard)
            {
                var note = new Note("raise the hard limit of {0} to {1}", limit.Type, limit.Hard.ToString(CultureInfo.InvariantCulture));
                context.B.Call(note, SystemCall.Prlimit64, 0, number, context.Plan.Longs((long)now.Soft, (long)limit.Hard), 0);

                // SetLimits says what becomes of it.
                context.B.Ignore(Errno.EPERM);
            }
        }
    }

    private static int NumberOf(Rlimit limit) =>
        Array.IndexOf(RlimitNames, limit.Type.StartsWith("RLIMIT_", StringComparison.Ordinal) ? limit.Type[7..] : limit.Type) is var number && number >= 0
            ? number : throw new RuntimeException(RuntimeError.InvalidConfig, $"rlimit {limit.Type} is not known");

    public static void SetLimits(PlanContext context, Process process)
    {
        foreach (var limit in process.Rlimits ?? [])
        {
            var number = NumberOf(limit);
            context.B.Call(
                new Note("set {0} to {1}", limit.Type, string.Create(CultureInfo.InvariantCulture, $"{limit.Soft}:{limit.Hard}")),
                SystemCall.Prlimit64, 0, number, context.Plan.Longs((long)limit.Soft, (long)limit.Hard), 0);
        }
    }

    public static void SetScheduling(PlanContext context, Process process)
    {
        if (process.IoPriority is { } io)
        {
            var kind = io.Class switch
            {
                "IOPRIO_CLASS_RT" => 1,
                "IOPRIO_CLASS_BE" => 2,
                "IOPRIO_CLASS_IDLE" => 3,
                _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"ioPriority class {io.Class} is not known"),
            };
            context.B.Call(new Note("set I/O priority"), SystemCall.IoprioSet, 1, 0, (kind << 13) | io.Priority);
        }

        if (process.Scheduler is { } scheduler)
        {
            context.B.Call(new Note("set scheduler {0}", scheduler.Policy), SystemCall.SchedSetattr, 0, Scheduling.Attributes(context.Plan, scheduler), 0);
        }
    }

    /// <summary>Ids without their rights yet: the rights are kept over the change, and set after it.</summary>
    public static void SetIds(PlanContext context, User user)
    {
        var b = context.B;
        b.Call(new Note("keep capabilities over the change of user"), SystemCall.Prctl, SetKeepCapabilities, 1, 0, 0);
        var groups = user.AdditionalGids ?? [];
        var list = context.Plan.Reserve(Math.Max(groups.Count, 1) * sizeof(uint));
        unsafe
        {
            for (var i = 0; i < groups.Count; i++)
            {
                ((uint*)list)[i] = groups[i];
            }
        }

        b.Call(new Note("set additional groups"), SystemCall.SetGroups, groups.Count, list);
        if (groups.Count == 0)
        {
            // Where setgroups is denied (an unprivileged user namespace) there is nothing to drop either.
            b.Ignore(Errno.EPERM);
        }

        var gid = user.Gid.ToString(CultureInfo.InvariantCulture);
        var uid = user.Uid.ToString(CultureInfo.InvariantCulture);
        b.Call(new Note("set group to {0}", gid), SystemCall.SetResGid, (nint)user.Gid, (nint)user.Gid, (nint)user.Gid);
        b.Call(new Note("set user to {0}", uid), SystemCall.SetResUid, (nint)user.Uid, (nint)user.Uid, (nint)user.Uid);
        b.Call(new Note("capabilities end with the next change of user"), SystemCall.Prctl, SetKeepCapabilities, 0, 0, 0);
        b.Call(new Note("set umask"), SystemCall.Umask, (nint)(user.Umask ?? 0x12));
    }

    /// <summary>Gives up for good what the bounding set does not list.</summary>
    public static void DropBoundingSet(PlanContext context, Capabilities? capabilities)
    {
        var keep = Mask(capabilities?.Bounding);
        for (var i = 0; i < CapabilityNames.Count; i++)
        {
            if ((keep & (1UL << i)) == 0)
            {
                context.B.Call(new Note("drop {0} for good", CapabilityNames.Name(i)), SystemCall.Prctl, DropBounding, i, 0, 0);

                // A kernel that does not know the capability cannot give it away either.
                context.B.Ignore(Errno.EINVAL);
            }
        }
    }

    /// <summary>The effective, permitted and inheritable sets. <paramref name="extra"/> stays for a later step that needs it.</summary>
    public static void SetCapabilities(PlanContext context, Capabilities? capabilities, ulong extra)
    {
        var effective = Mask(capabilities?.Effective) | extra;
        var permitted = Mask(capabilities?.Permitted) | extra;
        var inheritable = Mask(capabilities?.Inheritable);
        var header = context.Plan.Ints(CapabilityVersion, 0);
        var data = context.Plan.Ints(
            (int)effective, (int)permitted, (int)inheritable, (int)(effective >> 32), (int)(permitted >> 32), (int)(inheritable >> 32));
        context.B.Call(new Note("set capabilities"), SystemCall.CapSet, header, data);
    }

    public static void SetAmbient(PlanContext context, Capabilities? capabilities)
    {
        context.B.Call(new Note("clear ambient capabilities"), SystemCall.Prctl, Ambient, AmbientClear, 0, 0, 0);
        var wanted = Mask(capabilities?.Ambient);
        for (var i = 0; i < CapabilityNames.Count; i++)
        {
            if ((wanted & (1UL << i)) != 0)
            {
                context.B.Call(new Note("raise ambient {0}", CapabilityNames.Name(i)), SystemCall.Prctl, Ambient, AmbientRaise, i, 0, 0);

                // Ambient needs inheritable too; configurations that forget it are common, and other runtimes let them pass.
                context.B.Ignore(Errno.EPERM).Ignore(Errno.EINVAL);
            }
        }
    }

    public static void SetNoNewPrivs(PlanContext context) =>
        context.B.Call(new Note("no new privileges"), SystemCall.Prctl, SetNoNewPrivileges, 1, 0, 0, 0);

    public static void LoadFilter(PlanContext context, SeccompProgram program)
    {
        var code = context.Plan.Bytes(program.Instructions);
        var filter = context.Plan.Longs(program.Instructions.Length / 8, code);
        var note = new Note("load the seccomp filter");
        if (program.HasListener)
        {
            context.B.ResultInto(context.File, note, SystemCall.Seccomp, SetFilter, (nint)program.Flags, filter);
            TerminalSteps.SendDescriptor(context, ReportKind.SeccompListener, context.File, new Note("hand over the seccomp listener"));
            context.Close(context.File);
        }
        else
        {
            context.B.Call(note, SystemCall.Seccomp, SetFilter, (nint)program.Flags, filter);
        }
    }

    public static ulong Mask(IReadOnlyList<string>? names)
    {
        ulong mask = 0;
        foreach (var name in names ?? [])
        {
            // Names that neither we nor, presumably, the kernel know are left out; Container.Warnings has them.
            var number = CapabilityNames.Number(name);
            mask |= number < 0 ? 0 : 1UL << number;
        }

        return mask;
    }
}
