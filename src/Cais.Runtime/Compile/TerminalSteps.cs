using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>
/// A terminal from the container's own devpts. Its slave is opened through the master and bound by descriptor, so that nothing the
/// container put at /dev/pts or /dev/console can take its place (CVE-2025-52565).
/// </summary>
internal static class TerminalSteps
{
    private const nint Unlock = 0x40045431;
    private const nint OpenPeer = 0x5441;
    private const nint SetWindowSize = 0x5414;
    private const nint MakeControlling = 0x540e;
    private const nint DevptsMagic = 0x1cd1;
    private const int AtEmptyPath = 0x1000;
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;
    private const uint RegularFile = 0x8000;

    /// <summary>Opens a pair, hands the master to the parent; returns the slave. <paramref name="openMaster"/> opens the container's ptmx.</summary>
    public static Register Open(PlanContext context, Action<Register, Note> openMaster)
    {
        var b = context.B;
        var note = new Note("open a terminal");
        var master = context.File;
        var slave = b.NewRegister();
        openMaster(master, note);
        Label good = new();
        b.Call(note, SystemCall.Fstatfs, master, context.StatBuffer);
        b.JumpIfEqual(context.StatBuffer, -1, DevptsMagic, good, new Note("is it the kernel's?"));
        b.Fail(Errno.EPERM, new Note("open a terminal: /dev/pts/ptmx of the container is not a devpts file"));
        b.Mark(good);
        b.Call(note, SystemCall.Ioctl, master, Unlock, context.Plan.Longs(0));
        b.ResultInto(
            slave, note, SystemCall.Ioctl, master, OpenPeer, OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal | OpenFlags.CloseOnExec);
        if (context.Spec.Process?.ConsoleSize is { } size && (size.Height > 0 || size.Width > 0))
        {
            var words = context.Plan.Longs((ushort)size.Height | ((long)(ushort)size.Width << 16));
            b.Call(new Note("set the terminal's size"), SystemCall.Ioctl, slave, SetWindowSize, words);
        }

        SendDescriptor(context, ReportKind.Terminal, master, note);
        context.Close(master);
        return slave;
    }

    /// <summary>/dev/console is the slave.</summary>
    public static void BindConsole(PlanContext context, Register slave)
    {
        var b = context.B;
        var plan = context.Plan;
        var note = new Note("mount the terminal on /dev/console");
        context.Open(context.Scratch, "/dev", directory: true, note);
        b.Call(note, SystemCall.Mknodat, context.Scratch, plan.Text("console"), (nint)(RegularFile | 0x1b0), 0);
        b.Ignore(Errno.EEXIST);
        b.ResultInto(
            context.Target, note, SystemCall.Openat, context.Scratch, plan.Text("console"),
            OpenFlags.Path | OpenFlags.NoFollow | OpenFlags.CloseOnExec);
        b.ResultInto(
            context.Source, note, SystemCall.OpenTree, slave, plan.Utf8Empty, CloneTree | OpenFlags.CloseOnExec | AtEmptyPath);
        b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, context.Target, plan.Utf8Empty, FromEmptyPath | ToEmptyPath);
        context.Close(context.Source);
        context.Close(context.Target);
        context.Close(context.Scratch);
    }

    /// <summary>The slave becomes the controlling terminal, the standard streams, and the user's.</summary>
    public static void Use(PlanContext context, Register slave, uint uid)
    {
        var b = context.B;
        var note = new Note("take the terminal");
        b.Call(note, SystemCall.Ioctl, slave, MakeControlling, 0);
        for (var i = 0; i < 3; i++)
        {
            b.Call(note, SystemCall.Dup3, slave, i, 0);
        }

        b.Call(new Note("give the terminal to its user"), SystemCall.Fchown, 0, (nint)uid, -1);
        b.Ignore(Errno.EINVAL).Ignore(Errno.EPERM).Ignore(Errno.EROFS);
    }

    /// <summary>Sends a descriptor of the child's to the parent: struct msghdr and its parts, the descriptor filled in when it is known.</summary>
    public static void SendDescriptor(PlanContext context, ReportKind kind, Register descriptor, Note note)
    {
        var plan = context.Plan;
        var data = plan.Ints((int)kind, 0);
        var part = plan.Longs(data, 8);
        var control = plan.Longs(20, 1L | (1L << 32), 0);
        var message = plan.Longs(0, 0, part, 1, control, 24, 0);
        context.B.Store(control + 16, descriptor);
        context.B.Call(note, SystemCall.SendMsg, context.Inputs.ReportFd, message, 0x4000);
    }
}
