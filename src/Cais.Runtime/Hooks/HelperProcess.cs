using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Hooks;

/// <summary>A short-lived program of the host's, started by a launch plan like any container.</summary>
internal static class HelperProcess
{
    private const int OutputLimit = 16 * 1024;

    /// <summary>Null status: it did not end in time and was killed. The output is what it wrote to both its output streams.</summary>
    public static (ExitStatus? Status, string Output) Run(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, FileDescriptor? input, int milliseconds,
        FileDescriptor? inside = null, NamespaceKind spaces = 0)
    {
        using var output = Files.Memory("output");
        using var nothing = input is null ? Files.Open("/dev/null", OpenFlags.ReadOnly) : null;
        using var own = inside is null ? null : OpenNamespaces.ForExec();
        var (parent, child) = MessageSocket.Pair();
        using (parent)
        {
            using var plan = Compile(path, arguments, environment, spaces, new LaunchInputs
            {
                Spec = new Spec(),
                Id = "",
                Bundle = "/",
                RootPath = "/",
                ReportFd = child.Number,
                ParentFd = parent.Number,
                Streams = ((input ?? nothing!).Number, output.Number, output.Number),
                TargetPidFd = inside?.Number ?? -1,
                OwnPidNamespaceFd = own?.OwnPid ?? -1,
            });
            var (_, pidFd) = Launcher.Run(plan, parent, child, new LaunchEvents());
            using (pidFd)
            {
                var ended = Pidfd.WaitForEnd(pidFd, milliseconds);
                if (!ended)
                {
                    Pidfd.Signal(pidFd, Signals.Kill);
                }

                ExitStatus status;
                try
                {
                    status = Pidfd.Wait(pidFd);
                }
                catch (LinuxException e) when (e.Errno == Errno.ECHILD)
                {
                    // A subreaper's loop took it; how it ended is lost, that it ended is not.
                    status = default;
                }

                Files.SeekToStart(output);
                Span<byte> text = stackalloc byte[OutputLimit];
                return (ended ? status : null, Encoding.UTF8.GetString(text[..Files.Read(output, text)]).Trim());
            }
        }
    }

    private static LaunchPlan Compile(
        string path, IReadOnlyList<string> arguments, IReadOnlyList<string> environment, NamespaceKind spaces, LaunchInputs inputs)
    {
        var plan = new LaunchPlan();
        var context = new PlanContext(plan, inputs);
        var b = context.B;

        // As exec enters a container: see ExecPlan.
        var hasUser = (spaces & NamespaceKind.User) != 0;
        ForkSteps.BeginChild(context, ForkSteps.Fork(context, (spaces & NamespaceKind.Pid) != 0 && !hasUser));
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

        ExecutableSteps.SetStreams(context, 0);
        ExecutableSteps.CloseDescriptors(context, inputs.ReportFd);
        ExitSteps.RestoreSignals(context);
        b.Call(new Note("exec: \"{0}\"", path), SystemCall.Execve, plan.Text(path), plan.TextArray(arguments), plan.TextArray(environment));
        return plan;
    }
}
