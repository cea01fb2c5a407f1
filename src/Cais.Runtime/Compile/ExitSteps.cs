using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The last stretch, the same for a container's first process and for one that joins it: from root to the user's program.</summary>
internal static class ExitSteps
{
    private const int SetMask = 2;
    private const ulong SysAdmin = 1UL << CapabilityNames.SysAdmin;

    public static void BecomeProgram(PlanContext context, Process process, (Register? Apparmor, Register? Selinux) labels)
    {
        var b = context.B;
        var inputs = context.Inputs;
        if (process.Args is not { Count: > 0 })
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, "process.args is empty: there is no program to run");
        }

        var environment = ExecutableSteps.Environment(context, process);
        var inDirectory = b.NewRegister();
        ProcessSteps.WriteLabels(context, process, labels);
        if (inputs.GateFd >= 0)
        {
            ExecutableSteps.CloseDescriptors(context, inputs.ReportFd, inputs.GateFd);
        }
        else
        {
            ExecutableSteps.CloseDescriptors(context, inputs.ReportFd);
        }

        ExecutableSteps.ChangeDirectory(context, process.Cwd, asUser: false, inDirectory);
        if (process.NoNewPrivileges)
        {
            ProcessSteps.SetNoNewPrivs(context);
        }

        // Without no_new_privs a filter needs CAP_SYS_ADMIN: it is kept until the filter is there, then dropped under the filter.
        var keep = inputs.Seccomp is not null && !process.NoNewPrivileges ? SysAdmin : 0;
        ProcessSteps.DropBoundingSet(context, process.Capabilities);
        ProcessSteps.SetIds(context, process.User ?? new User());
        ProcessSteps.SetCapabilities(context, process.Capabilities, keep);
        if (keep == 0)
        {
            ProcessSteps.SetAmbient(context, process.Capabilities);
        }

        ExecutableSteps.ChangeDirectory(context, process.Cwd, asUser: true, inDirectory);
        var program = ExecutableSteps.Find(context, process);
        RestoreSignals(context);
        if (inputs.GateFd >= 0)
        {
            context.Report(ReportKind.Ready, 0, new Note("tell that all is made"));
            b.ResultInto(context.File, new Note("wait for the start"), SystemCall.Accept4, inputs.GateFd, 0, 0, OpenFlags.CloseOnExec);

            // From here on it takes the place of the socket to the creator, who may be long gone.
            b.Call(new Note("keep the connection"), SystemCall.Dup3, context.File, inputs.ReportFd, OpenFlags.CloseOnExec);
        }

        if (inputs.Seccomp is { } filter)
        {
            ProcessSteps.LoadFilter(context, filter);
            if (keep != 0)
            {
                ProcessSteps.SetCapabilities(context, process.Capabilities, 0);
                ProcessSteps.SetAmbient(context, process.Capabilities);
            }
        }

        ExecutableSteps.Execute(context, process, program, environment);
    }

    /// <summary>What .NET leaves behind: SIGPIPE ignored, which survives execve, and the mask that was set for the fork.</summary>
    public static void RestoreSignals(PlanContext context)
    {
        context.B.Call(
            new Note("SIGPIPE as usual"), SystemCall.RtSigaction, Signals.Pipe, context.Plan.Longs(0, 0, 0, 0), 0, 8);
        context.B.Call(new Note("no signals blocked"), SystemCall.RtSigprocmask, SetMask, context.Plan.Longs(0), 0, 8);
    }
}
