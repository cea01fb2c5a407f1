using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>Plans by which a helper process changes the mounts of a running container: from within its mount namespace, with its root as <c>/</c>.</summary>
internal static class MountChangePlan
{
    private const int DetachWithoutFollowing = 2 | 8;

    /// <summary>Puts the mounts of the inputs' configuration in place, the prepared ones and those that a filesystem makes.</summary>
    public static LaunchPlan Add(LaunchInputs inputs)
    {
        var context = Enter(inputs);
        MountSteps.MountAll(context);
        return End(context);
    }

    /// <summary>Takes away what is on top at each destination. A name is taken off its open directory: no symbolic link can lead elsewhere.</summary>
    public static LaunchPlan Remove(LaunchInputs inputs)
    {
        var context = Enter(inputs);
        foreach (var mount in context.Spec.Mounts ?? [])
        {
            var path = PlanContext.Clean(mount.Destination);
            var note = new Note("remove the mount on {0}", path);
            context.Open(context.Scratch, path[..Math.Max(1, path.LastIndexOf('/'))], directory: true, note);
            context.B.Call(note, SystemCall.Fchdir, context.Scratch);
            context.B.Call(note, SystemCall.Umount2, context.Plan.Text(PlanContext.LastName(path)), DetachWithoutFollowing);
            context.Close(context.Scratch);
        }

        return End(context);
    }

    private static PlanContext Enter(LaunchInputs inputs)
    {
        var context = new PlanContext(new LaunchPlan(), inputs);
        ForkSteps.BeginChild(context, ForkSteps.Fork(context, joinPid: false));
        context.B.Call(new Note("join the container's mount namespace"), SystemCall.Setns, inputs.TargetPidFd, (nint)NamespaceKind.Mount);
        context.B.ResultInto(
            context.Root, new Note("open the container's root"), SystemCall.Openat, Files.CurrentDirectory, context.Plan.Text("/"),
            OpenFlags.Path | OpenFlags.Directory | OpenFlags.CloseOnExec);
        return context;
    }

    private static LaunchPlan End(PlanContext context)
    {
        context.B.Call(new Note("done"), SystemCall.ExitGroup, 0);
        return context.Plan;
    }
}
