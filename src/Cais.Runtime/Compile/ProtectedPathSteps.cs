using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>
/// Masked and read-only paths. A mask is a copy of the <em>host's</em> /dev/null, taken before the switch of roots, never the
/// container's, which an image could have replaced (CVE-2025-31133); it is put on a target that was opened inside the root.
/// </summary>
internal static class ProtectedPathSteps
{
    private const int AtRecursive = 0x8000;
    private const int AtEmptyPath = 0x1000;
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;

    public static void Mask(PlanContext context)
    {
        foreach (var listed in context.Spec.Linux?.MaskedPaths ?? [])
        {
            var path = PlanContext.Clean(listed);
            var b = context.B;
            var plan = context.Plan;
            var note = new Note("mask {0}", path);
            Label absent = new(), directory = new(), done = new();
            context.Open(context.Target, path, directory: false, note).On(Errno.ENOENT, absent).On(Errno.ENOTDIR, absent);
            b.ResultInto(
                context.Source, note, SystemCall.OpenTree, Files.CurrentDirectory, plan.Text("/dev/null"), CloneTree | OpenFlags.CloseOnExec);
            b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, context.Target, plan.Utf8Empty, FromEmptyPath | ToEmptyPath);

            // A file does not go on a directory: then an empty read-only filesystem does.
            b.On(Errno.EINVAL, directory).On(Errno.ENOTDIR, directory);
            context.Close(context.Source);
            b.Jump(done);

            b.Mark(directory);
            context.Close(context.Source);
            b.Call(note, SystemCall.Fchdir, context.Target);
            b.Call(note, SystemCall.Mount, plan.Text("tmpfs"), plan.Text("."), plan.Text("tmpfs"), (nint)MountFlags.ReadOnly, plan.Text("nr_blocks=1,nr_inodes=1"));
            b.Mark(done);
            context.Close(context.Target);
            b.Mark(absent);
        }
    }

    public static void ReadOnly(PlanContext context)
    {
        foreach (var listed in context.Spec.Linux?.ReadonlyPaths ?? [])
        {
            var path = PlanContext.Clean(listed);
            var b = context.B;
            var plan = context.Plan;
            var note = new Note("make {0} read-only", path);
            Label absent = new();
            context.Open(context.Target, path, directory: false, note).On(Errno.ENOENT, absent).On(Errno.ENOTDIR, absent);
            b.ResultInto(
                context.Source, note, SystemCall.OpenTree, context.Target, plan.Utf8Empty,
                CloneTree | OpenFlags.CloseOnExec | AtRecursive | AtEmptyPath);
            MountSteps.Restrict(context, context.Source, MountAttributes.ReadOnly, 0, recursive: false, note);
            b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, context.Target, plan.Utf8Empty, FromEmptyPath | ToEmptyPath);
            context.Close(context.Source);
            context.Close(context.Target);
            b.Mark(absent);
        }
    }
}
