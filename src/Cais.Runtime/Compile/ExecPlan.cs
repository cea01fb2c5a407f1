using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The plan by which a further process enters a running container.</summary>
internal static class ExecPlan
{
    private const int SetDumpable = 4;

    public static LaunchPlan Compile(LaunchInputs inputs, int initPid)
    {
        var plan = new LaunchPlan();
        var context = new PlanContext(plan, inputs);
        var b = context.B;
        var process = inputs.Spec.Process!;

        // Joined through the first process's pidfd, all at once, whatever became of the paths they were made by.
        var hasUser = context.Has(NamespaceKind.User);
        var hasPid = context.Has(NamespaceKind.Pid);
        var child = ForkSteps.Fork(context, hasPid && !hasUser);
        ForkSteps.BeginChild(context, child);
        NamespaceSteps.EnterCgroups(context);
        SetFinalAffinity(context, process.ExecCpuAffinity);
        b.Call(new Note("hide from the container"), SystemCall.Prctl, SetDumpable, 0, 0, 0);
        ProcessSteps.WriteProcSettings(context, process);
        var labels = ProcessSteps.OpenLabels(context, process);
        if (!context.Has(NamespaceKind.Mount))
        {
            b.ResultInto(
                context.Root, new Note("open the container's root"), SystemCall.Openat, Files.CurrentDirectory,
                plan.Text($"/proc/{initPid}/root"), OpenFlags.Path | OpenFlags.Directory | OpenFlags.CloseOnExec);
        }

        var spaces = Spaces(context);
        if (spaces != 0)
        {
            b.Call(
                new Note("join the container's namespaces"), SystemCall.Setns, inputs.TargetPidFd,
                (nint)(hasUser ? spaces : spaces & ~NamespaceKind.Pid));
        }

        if (hasUser)
        {
            NamespaceSteps.BecomeRoot(context);
            ForkSteps.Succeed(context, 0);
        }

        if (!context.Has(NamespaceKind.Mount))
        {
            b.Call(new Note("go to the container's root"), SystemCall.Fchdir, context.Root);
            b.Call(new Note("go to the container's root"), SystemCall.Chroot, plan.Text("."));
        }

        b.Call(new Note("new session"), SystemCall.SetSid);
        b.Call(new Note("take modes as given"), SystemCall.Umask, 0);
        if (process.Terminal)
        {
            var slave = TerminalSteps.Open(context, (master, note) => b.ResultInto(
                master, note, SystemCall.Openat2, Files.CurrentDirectory, plan.Text("/dev/pts/ptmx"),
                context.How(OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal, ResolveFlags.NoSymlinks), context.HowSize));
            TerminalSteps.Use(context, slave, process.User?.Uid ?? 0);
        }
        else
        {
            ExecutableSteps.SetStreams(context, process.User?.Uid ?? 0);
        }

        ProcessSteps.SetLimits(context, process);
        ProcessSteps.SetScheduling(context, process);
        ExitSteps.BecomeProgram(context, process, labels);
        return plan;
    }

    /// <summary>What was chosen for the start does not outlive it: without a choice of its own the program gets what the cgroup allows.</summary>
    private static void SetFinalAffinity(PlanContext context, ExecCpuAffinity? affinity)
    {
        var cpus = string.IsNullOrEmpty(affinity?.Final) ? null : affinity.Final;
        if (cpus is not null || !string.IsNullOrEmpty(affinity?.Initial))
        {
            context.B.Call(
                new Note("run on CPUs {0}", cpus ?? "of the container"), SystemCall.SchedSetAffinity, 0, Scheduling.AffinitySize,
                Scheduling.Affinity(context.Plan, cpus));
        }
    }

    private static NamespaceKind Spaces(PlanContext context)
    {
        NamespaceKind spaces = 0;
        foreach (var space in context.Spec.Linux?.Namespaces ?? [])
        {
            spaces |= NamespaceSteps.KindOf(space.Type);
        }

        return spaces;
    }
}
