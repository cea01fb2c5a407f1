using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The fork itself, and what the parent does around it.</summary>
internal static class ForkSteps
{
    private const ulong ClonePidfd = 0x1000;
    private const ulong CloneParent = 0x8000;
    private const ulong ClearSignalHandlers = 0x100000000;
    private const ulong IntoCgroup = 0x200000000;
    private const int GetDumpable = 3;
    private const int SetDumpable = 4;
    private const int SetMask = 2;

    /// <summary>The fork for a new container: what is joined by path comes from the inputs.</summary>
    public static Label Fork(PlanContext context, NamespaceKind flags)
    {
        var joinsUser = JoinOf(context, NamespaceKind.User).Fd >= 0;
        var pid = JoinOf(context, NamespaceKind.Pid);

        // With a user namespace to join first, what is new is made inside it (ForkInside); so it is with a new time namespace, which
        // only the children of its maker are in.
        return Fork(
            context, joinsUser ? 0 : context.HasNew(NamespaceKind.Time) ? flags & NamespaceKind.User : flags, joinsUser ? ("", -1) : pid);
    }

    /// <summary>The fork for a process that joins a container.</summary>
    public static Label Fork(PlanContext context, bool joinPid) =>
        Fork(context, 0, joinPid ? ("of the container", context.Inputs.TargetPidFd) : ("", -1));

    /// <summary>
    /// The parent's part. All signals are blocked over the fork: no handler of this process may run in the child. A pid namespace is
    /// joined by the parent for the moment, since only children are born into it; so that no process there can look into the child's
    /// memory and descriptors through /proc, the parent hides before the fork and the child is born hidden.
    /// </summary>
    private static Label Fork(PlanContext context, NamespaceKind flags, (string Path, int Fd) pidJoin)
    {
        var b = context.B;
        var plan = context.Plan;
        var all = plan.Longs(-1);
        var saved = plan.Longs(0);
        var child = new Label();
        var affinity = SetInitialAffinity(context);
        b.Call(new Note("block signals"), SystemCall.RtSigprocmask, SetMask, all, saved, 8);
        if (pidJoin.Fd >= 0)
        {
            b.ResultInto(context.Scratch, new Note("how visible is this process?"), SystemCall.Prctl, GetDumpable, 0, 0, 0);
            b.Call(new Note("hide from other containers"), SystemCall.Prctl, SetDumpable, 0, 0, 0);
            b.Call(new Note("join pid namespace {0} for the fork", pidJoin.Path), SystemCall.Setns, pidJoin.Fd, (nint)NamespaceKind.Pid);
        }

        var arguments = Arguments(plan, (ulong)flags, context.Inputs.CgroupFd);
        plan.PidfdAddress = arguments.PidfdAddress;
        b.Fork(context.PidRegister, arguments.Address, arguments.Size, child, new Note("fork"));
        plan.Cleanup = plan.Count;
        if (pidJoin.Fd >= 0)
        {
            b.Call(new Note("return to the own pid namespace"), SystemCall.Setns, context.Inputs.OwnPidNamespaceFd, (nint)NamespaceKind.Pid);
            b.Call(new Note("be as visible as before"), SystemCall.Prctl, SetDumpable, context.Scratch, 0, 0);
            b.Ignore(Errno.EINVAL);
        }

        b.Call(new Note("restore signals"), SystemCall.RtSigprocmask, SetMask, saved, 0, 8);
        if (affinity != 0)
        {
            b.Call(new Note("return to the own CPUs"), SystemCall.SchedSetAffinity, 0, Scheduling.AffinitySize, affinity);
        }

        b.Return();
        return child;
    }

    /// <summary>
    /// exec may start on chosen CPUs even before it enters the container's cgroup, and with cgroup v2 that is its birth: so the parent goes
    /// there first. Returns where the parent's own CPUs are kept; 0 where none are chosen.
    /// </summary>
    private static nint SetInitialAffinity(PlanContext context)
    {
        if (context.Inputs.InitialCpus is not { Length: > 0 } cpus)
        {
            return 0;
        }

        var own = context.Plan.Reserve(Scheduling.AffinitySize);
        context.B.Call(new Note("remember the own CPUs"), SystemCall.SchedGetAffinity, 0, Scheduling.AffinitySize, own);
        context.B.Call(
            new Note("start on CPUs {0}", cpus), SystemCall.SchedSetAffinity, 0, Scheduling.AffinitySize, Scheduling.Affinity(context.Plan, cpus));
        return own;
    }

    /// <summary>What the child does before all else.</summary>
    public static void BeginChild(PlanContext context, Label child)
    {
        context.B.Mark(child);
        if (context.Inputs.ParentFd >= 0)
        {
            context.B.Call(new Note("let go of the parent's end"), SystemCall.Close, context.Inputs.ParentFd);
        }
    }

    /// <summary>
    /// After a user namespace was joined, a second fork makes the other namespaces as its property, and enters a joined pid namespace. It also
    /// enters a new time namespace, whose clocks are set by then.
    /// </summary>
    public static void ForkInside(PlanContext context)
    {
        var joinsUser = JoinOf(context, NamespaceKind.User).Fd >= 0;
        if (!joinsUser && !context.HasNew(NamespaceKind.Time))
        {
            return;
        }

        if (joinsUser && JoinOf(context, NamespaceKind.Pid) is { Fd: >= 0 } pid)
        {
            context.B.Call(new Note("join pid namespace {0}", pid.Path), SystemCall.Setns, pid.Fd, (nint)NamespaceKind.Pid);
        }

        Succeed(context, NamespaceSteps.CloneFlags(context) & ~NamespaceKind.User);
    }

    /// <summary>
    /// Forks once more. The new process is the parent's child like the first one, which ends after naming its successor. That one says nothing until the parent
    /// knows of it: both write to one socket, and which of them the kernel lets run first is its choice.
    /// </summary>
    public static void Succeed(PlanContext context, NamespaceKind flags)
    {
        var b = context.B;
        var arguments = Arguments(context.Plan, (ulong)flags | CloneParent, -1);
        var child = new Label();
        b.Fork(context.Scratch, arguments.Address, arguments.Size, child, new Note("fork inside the user namespace"));
        var message = context.Plan.Ints((int)ReportKind.Successor, 0);
        b.Store(message + 4, context.Scratch);
        b.Call(new Note("name the successor"), SystemCall.Write, context.Inputs.ReportFd, message, 8);
        b.Call(new Note("make room for the successor"), SystemCall.ExitGroup, 0);
        b.Mark(child);
        context.AwaitAnswer(new Note("wait until the parent knows the successor"));
    }

    private static (string Path, int Fd) JoinOf(PlanContext context, NamespaceKind wanted)
    {
        foreach (var (kind, path, fd) in context.Inputs.Joins)
        {
            if (kind == wanted)
            {
                return (path, fd);
            }
        }

        return ("", -1);
    }

    /// <summary>struct clone_args.</summary>
    private static (nint Address, int Size, nint PidfdAddress) Arguments(LaunchPlan plan, ulong flags, int cgroup)
    {
        const int Size = 88;
        var pidfd = plan.Ints(-1, 0);
        var parent = (flags & CloneParent) != 0;
        flags |= ClearSignalHandlers | (parent ? 0 : ClonePidfd) | (cgroup >= 0 ? IntoCgroup : 0);
        var address = plan.Longs(
            (long)flags, parent ? 0 : pidfd, 0, 0, parent ? 0 : Signals.Child, 0, 0, 0, 0, 0, cgroup >= 0 ? cgroup : 0);
        return (address, Size, pidfd);
    }
}
