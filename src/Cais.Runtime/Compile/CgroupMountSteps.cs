using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>
/// A mount of type <c>cgroup</c>: the hierarchies of the host, as the container's cgroup namespace shows them, or without one, the
/// container's own cgroups and nothing above.
/// </summary>
internal static class CgroupMountSteps
{
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;

    public static void Mount(PlanContext context, string destination, MountOptions options)
    {
        if (context.Inputs.CgroupMounts is not { } source)
        {
            return;
        }

        if (source.Unified)
        {
            MountUnified(context, destination, options, source);
        }
        else
        {
            MountHierarchies(context, destination, options, source);
        }
    }

    private static void MountUnified(PlanContext context, string destination, MountOptions options, CgroupMountSource source)
    {
        var b = context.B;
        var plan = context.Plan;
        var note = new Note("mount cgroup2 on {0}", destination);
        context.EnsureDirectory(context.Target, destination, note);
        Label bind = new(), done = new();
        if (context.Has(NamespaceKind.Cgroup))
        {
            b.Call(note, SystemCall.Fchdir, context.Target);
            b.Call(
                note, SystemCall.Mount, plan.Text("cgroup"), plan.Text("."), plan.Text("cgroup2"), (nint)options.Flags,
                options.Data.Length == 0 ? 0 : plan.Text(options.Data));
            b.On(Errno.EPERM, bind).On(Errno.EBUSY, bind);
            b.Jump(done);
        }

        b.Mark(bind);
        BindCgroup(context, source.UnifiedPath ?? "/sys/fs/cgroup", options, note);
        b.Mark(done);
        context.Close(context.Target);
    }

    private static void MountHierarchies(PlanContext context, string destination, MountOptions options, CgroupMountSource source)
    {
        var b = context.B;
        var plan = context.Plan;
        var note = new Note("mount tmpfs for cgroups on {0}", destination);
        context.EnsureDirectory(context.Target, destination, note);
        b.Call(note, SystemCall.Fchdir, context.Target);
        b.Call(
            note, SystemCall.Mount, plan.Text("tmpfs"), plan.Text("."), plan.Text("tmpfs"),
            (nint)(options.Flags & ~MountFlags.ReadOnly), plan.Text(MountSteps.Labelled("mode=755", "tmpfs", context.Spec.Linux?.MountLabel)));
        context.Close(context.Target);
        var top = b.NewRegister();
        context.Open(top, destination, directory: true, note);
        foreach (var hierarchy in source.Hierarchies)
        {
            var path = $"{destination}/{hierarchy.Name}";
            var step = new Note("mount cgroup {0} on {1}", hierarchy.Option, path);
            b.Call(step, SystemCall.Mkdirat, top, plan.Text(hierarchy.Name), 0x1ed);
            context.Open(context.Target, path, directory: true, step);
            if (context.Has(NamespaceKind.Cgroup))
            {
                b.Call(step, SystemCall.Fchdir, context.Target);
                b.Call(
                    step, SystemCall.Mount, plan.Text("cgroup"), plan.Text("."), plan.Text(hierarchy.Option.Length == 0 ? "cgroup2" : "cgroup"),
                    (nint)options.Flags, hierarchy.Option.Length == 0 ? 0 : plan.Text(hierarchy.Option));
            }
            else
            {
                BindCgroup(context, hierarchy.Path, options, step);
            }

            context.Close(context.Target);
            foreach (var controller in hierarchy.Name.Contains(',', StringComparison.Ordinal) ? hierarchy.Name.Split(',') : [])
            {
                b.Call(new Note("link {0}", controller), SystemCall.Symlinkat, plan.Text(hierarchy.Name), top, plan.Text(controller));
                b.Ignore(Errno.EEXIST);
            }
        }

        if ((options.Flags & MountFlags.ReadOnly) != 0)
        {
            MountSteps.Restrict(context, top, MountAttributes.ReadOnly, 0, recursive: false, new Note("make {0} read-only", destination));
        }

        context.Close(top);
    }

    private static void BindCgroup(PlanContext context, string path, MountOptions options, Note note)
    {
        var (set, clear) = options.Attributes();
        context.B.ResultInto(
            context.Source, note, SystemCall.OpenTree, Files.CurrentDirectory, context.Plan.Text(path), CloneTree | OpenFlags.CloseOnExec);
        MountSteps.Restrict(context, context.Source, set, clear, recursive: false, note);
        context.B.Call(
            note, SystemCall.MoveMount, context.Source, context.Plan.Utf8Empty, context.Target, context.Plan.Utf8Empty,
            FromEmptyPath | ToEmptyPath);
        context.Close(context.Source);
    }
}
