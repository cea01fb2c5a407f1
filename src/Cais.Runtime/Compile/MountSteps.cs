using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>
/// The configuration's mounts. A target is opened inside the root once and mounted on through that descriptor: no name is looked up
/// a second time, so an image (or a container that shares a volume) cannot swap a symbolic link in between (CVE-2021-30465).
/// </summary>
internal static class MountSteps
{
    private const int AtRecursive = 0x8000;
    private const int AtEmptyPath = 0x1000;
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;
    private const nint ProcMagic = 0x9fa0;

    /// <summary>Files of /proc that engines replace on purpose; anything else there is refused as a target.</summary>
    private static readonly string[] ReplaceableProcFiles =
    [
        "/proc/cpuinfo", "/proc/diskstats", "/proc/meminfo", "/proc/stat", "/proc/swaps", "/proc/uptime", "/proc/loadavg",
        "/proc/slabinfo", "/proc/sys/kernel/ns_last_pid", "/proc/sys/crypto/fips_enabled", "/proc/net/dev",
    ];

    public static void MountAll(PlanContext context)
    {
        var mounts = context.Spec.Mounts ?? [];
        for (var i = 0; i < mounts.Count; i++)
        {
            var options = MountOptions.Parse(mounts[i].Options);
            var destination = PlanContext.Clean(mounts[i].Destination);
            if (mounts[i].Type is "cgroup" or "cgroup2" && !options.IsBind)
            {
                CgroupMountSteps.Mount(context, destination, options);
            }
            else if (options.IsBind || mounts[i].Type == "bind")
            {
                int? prepared = context.Inputs.PreparedMounts.TryGetValue(i, out var fd) ? fd : null;
                Bind(context, mounts[i], destination, options, prepared);
            }
            else
            {
                MountFilesystem(context, mounts[i], destination, options);
            }
        }
    }

    private static void Bind(PlanContext context, Mount mount, string destination, MountOptions options, int? prepared)
    {
        var b = context.B;
        var plan = context.Plan;
        var source = Source(mount, context.Inputs.Bundle);
        var note = new Note("mount {0} on {1}", source, destination);
        if (prepared is { } fd)
        {
            b.Set(context.Source, fd, new Note("the mount of {0}", source));
        }
        else
        {
            b.ResultInto(
                context.Source, note, SystemCall.OpenTree, Files.CurrentDirectory, plan.Text(source),
                CloneTree | OpenFlags.CloseOnExec | (options.IsRecursive ? AtRecursive : 0));
        }

        var (set, clear) = options.Attributes();
        Restrict(context, context.Source, set, clear, recursive: false, note);
        Restrict(context, context.Source, options.RecursiveSet, options.RecursiveClear, recursive: true, note);
        OpenBindTarget(context, destination, note);
        GuardProc(context, destination, note);
        if (destination == "/proc")
        {
            RequireProc(context, note);
        }

        b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, context.Target, plan.Utf8Empty, FromEmptyPath | ToEmptyPath);
        foreach (var propagation in options.Propagation)
        {
            RootfsSteps.SetPropagation(context, context.Source, propagation, note);
        }

        context.Close(context.Source);
        context.Close(context.Target);
    }

    /// <summary>Absolute, or relative to the bundle.</summary>
    public static string Source(Mount mount, string bundle)
    {
        var source = mount.Source ?? throw new RuntimeException(
            RuntimeError.InvalidConfig, $"bind mount on {mount.Destination} has no source");
        return Path.IsPathRooted(source) ? source : Path.GetFullPath(source, bundle);
    }

    /// <summary>A directory's target is made a directory, any other's an empty file.</summary>
    private static void OpenBindTarget(PlanContext context, string destination, Note note)
    {
        var b = context.B;
        Label missing = new(), directory = new(), made = new(), done = new();
        context.Open(context.Target, destination, directory: false, note).On(Errno.ENOENT, missing);
        b.Jump(done);
        b.Mark(missing);
        context.MakeParents(destination);
        var name = context.Plan.Text(PlanContext.LastName(destination));
        b.Call(new Note("look at the source of {0}", destination), SystemCall.Statx, context.Source, context.Plan.Utf8Empty, AtEmptyPath, 1, context.StatBuffer);
        b.JumpIfEqual(context.StatBuffer + 24, unchecked((nint)0xF000_0000_0000), unchecked((nint)0x4000_0000_0000), directory, new Note("is it a directory?"));
        b.Call(new Note("create file {0}", destination), SystemCall.Mknodat, context.Scratch, name, 0x81a4, 0);
        b.Ignore(Errno.EEXIST);
        b.Jump(made);
        b.Mark(directory);
        b.Call(new Note("create directory {0}", destination), SystemCall.Mkdirat, context.Scratch, name, 0x1ed);
        b.Ignore(Errno.EEXIST);
        b.Mark(made);
        context.Close(context.Scratch);
        context.Open(context.Target, destination, directory: false, note);
        b.Mark(done);
    }

    /// <summary>
    /// Refuses a target that turns out to be inside a mounted /proc: masks and read-only paths rest on /proc being the kernel's
    /// (CVE-2019-16884, CVE-2019-19921).
    /// </summary>
    private static void GuardProc(PlanContext context, string destination, Note note)
    {
        if (Array.IndexOf(ReplaceableProcFiles, destination) >= 0)
        {
            return;
        }

        Label inside = new(), fine = new();
        context.B.Call(note, SystemCall.Fstatfs, context.Target, context.StatBuffer);
        context.B.JumpIfEqual(context.StatBuffer, -1, ProcMagic, inside, new Note("is it inside /proc?"));
        context.B.Jump(fine);
        context.B.Mark(inside);
        context.B.Fail(Errno.EPERM, new Note("mount on {0}: it is inside /proc, which containers' safety rests on", destination));
        context.B.Mark(fine);
    }

    /// <summary>What is bound on /proc itself must be the kernel's: else masks and read-only paths protect a picture of it.</summary>
    private static void RequireProc(PlanContext context, Note note)
    {
        Label genuine = new();
        context.B.Call(note, SystemCall.Fstatfs, context.Source, context.StatBuffer);
        context.B.JumpIfEqual(context.StatBuffer, -1, ProcMagic, genuine, new Note("is it the kernel's?"));
        context.B.Fail(Errno.EPERM, new Note("mount on /proc: the source is not a proc filesystem, which containers' safety rests on"));
        context.B.Mark(genuine);
    }

    public static void Restrict(
        PlanContext context, Register mount, MountAttributes set, MountAttributes clear, bool recursive, Note note)
    {
        if (set != 0 || clear != 0)
        {
            context.B.Call(
                note, SystemCall.MountSetattr, mount, context.Plan.Utf8Empty, AtEmptyPath | (recursive ? AtRecursive : 0),
                context.Plan.Longs((long)set, (long)clear, 0, 0), 32);
        }
    }

    private static void MountFilesystem(PlanContext context, Mount mount, string destination, MountOptions options)
    {
        var b = context.B;
        var plan = context.Plan;
        var type = mount.Type ?? throw new RuntimeException(
            RuntimeError.InvalidConfig, $"mount on {mount.Destination} has neither a type nor the option bind");
        var note = new Note("mount {0} on {1}", type, destination);
        var kernelTree = type is "proc" or "sysfs";
        if (destination is "/proc" && type is not ("proc" or "tmpfs") || (destination == "/proc" && type == "tmpfs"))
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, $"a mount of type {type} on /proc is not allowed: containers' safety rests on the kernel's own");
        }

        // The kernel's own trees go only on ordinary directories, never through a symbolic link.
        var keepMode = type == "tmpfs" && !options.Data.Contains("mode=", StringComparison.Ordinal);
        Label fresh = new(), mounted = new();
        if (keepMode)
        {
            context.Open(context.Target, destination, directory: true, note).On(Errno.ENOENT, fresh);
            b.Call(note, SystemCall.Statx, context.Target, plan.Utf8Empty, AtEmptyPath, 2, context.StatBuffer);
            b.Load16(context.File, context.StatBuffer + 28, 0xfff);
            MountOnTarget(context, mount, type, options, note);
            CopyUp(context, type, destination, options);
            context.Close(context.Target);
            context.Open(context.Target, destination, directory: true, note);
            b.Call(new Note("keep the mode of {0}", destination), SystemCall.Fchmodat, context.Target, plan.Text("."), context.File);
            b.Jump(mounted);
            b.Mark(fresh);
        }

        context.EnsureDirectory(context.Target, destination, note, plain: kernelTree);
        if (!kernelTree)
        {
            GuardProc(context, destination, note);
        }

        MountOnTarget(context, mount, type, options, note);
        CopyUp(context, type, destination, options);
        b.Mark(mounted);
        var labelTop = type == "mqueue" && !string.IsNullOrEmpty(context.Spec.Linux?.MountLabel);
        if (options.Propagation.Count > 0 || options.RecursiveSet != 0 || options.RecursiveClear != 0 || labelTop)
        {
            context.Close(context.Target);
            context.Open(context.Target, destination, directory: true, note);
            LabelTop(context, type, destination, context.Target);
            Restrict(context, context.Target, options.RecursiveSet, options.RecursiveClear, recursive: true, note);
            foreach (var propagation in options.Propagation)
            {
                RootfsSteps.SetPropagation(context, context.Target, propagation, note);
            }
        }

        context.Close(context.Target);
    }

    /// <summary>mount(2) on the current directory: that is the target itself, whatever its name has come to mean.</summary>
    private static void MountOnTarget(PlanContext context, Mount mount, string type, MountOptions options, Note note)
    {
        var plan = context.Plan;
        var data = Labelled(options.Data, type, context.Spec.Linux?.MountLabel);
        var flags = options.CopyUp ? options.Flags & ~MountFlags.ReadOnly : options.Flags;
        context.B.Call(note, SystemCall.Fchdir, context.Target);
        context.B.Call(
            note, SystemCall.Mount, plan.Text(string.IsNullOrEmpty(mount.Source) ? type : mount.Source), plan.Text("."), plan.Text(type),
            (nint)flags, data.Length == 0 ? 0 : plan.Text(data));
    }

    /// <summary>The kernel's own trees have labels of their own; message queues take one only once they are mounted.</summary>
    internal static string Labelled(string data, string type, string? label) =>
        string.IsNullOrEmpty(label) || type is "proc" or "sysfs" or "mqueue" or "cgroup" or "cgroup2" ? data
        : $"{data}{(data.Length > 0 ? "," : "")}context=\"{label}\"";

    private static void LabelTop(PlanContext context, string type, string destination, Register top)
    {
        if (type == "mqueue" && context.Spec.Linux?.MountLabel is { Length: > 0 } label)
        {
            var note = new Note("label {0} {1}", destination, label);
            context.B.Call(note, SystemCall.Fchdir, top);
            context.B.Call(
                note, SystemCall.Setxattr, context.Plan.Text("."), context.Plan.Text("security.selinux"), context.Plan.Text(label),
                System.Text.Encoding.UTF8.GetByteCount(label) + 1, 0);
        }
    }

    /// <summary>
    /// The parent copies what the new tmpfs covers into it: between fork and exec there is no loop over directories to be had.
    /// </summary>
    private static void CopyUp(PlanContext context, string type, string destination, MountOptions options)
    {
        if (!options.CopyUp || type != "tmpfs")
        {
            return;
        }

        var note = new Note("copy what was in {0} into its tmpfs", destination);
        context.Open(context.Source, destination, directory: true, note);
        TerminalSteps.SendDescriptor(context, ReportKind.CopyFrom, context.Target, note);
        TerminalSteps.SendDescriptor(context, ReportKind.CopyTo, context.Source, note);
        context.Synchronize(ReportKind.CopyUp, note);
        if ((options.Flags & MountFlags.ReadOnly) != 0)
        {
            Restrict(context, context.Source, MountAttributes.ReadOnly, 0, recursive: false, note);
        }

        context.Close(context.Source);
    }
}
