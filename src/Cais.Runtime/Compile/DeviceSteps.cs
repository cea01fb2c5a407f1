using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>What config-linux.md wants in /dev: the default devices and links, and those the configuration adds.</summary>
internal static class DeviceSteps
{
    private const uint CharacterDevice = 0x2000;
    private const uint BlockDevice = 0x6000;
    private const uint Fifo = 0x1000;
    private const uint RegularFile = 0x8000;
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;
    private const int NoFollow = 0x100;

    private static readonly LinuxDevice[] Defaults =
    [
        Default("null", 1, 3), Default("zero", 1, 5), Default("full", 1, 7), Default("random", 1, 8), Default("urandom", 1, 9), Default("tty", 5, 0),
    ];

    private static readonly (string Name, string Target)[] Links =
    [
        ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"), ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2"),
        ("core", "/proc/kcore"),
    ];

    private static LinuxDevice Default(string name, long major, long minor) =>
        new() { Path = "/dev/" + name, Type = "c", Major = major, Minor = minor, FileMode = 0x1b6 };

    /// <summary>The host's /dev, bound in as a whole, is left as it is.</summary>
    public static bool Wanted(Spec spec)
    {
        foreach (var mount in spec.Mounts ?? [])
        {
            if (PlanContext.Clean(mount.Destination) == "/dev" && (mount.Type == "bind" || MountOptions.Parse(mount.Options).IsBind))
            {
                return false;
            }
        }

        return true;
    }

    public static void Create(PlanContext context)
    {
        var configured = context.Spec.Linux?.Devices ?? [];
        var wanted = new List<LinuxDevice>(Defaults.Length + configured.Count);
        foreach (var device in Defaults)
        {
            if (!Lists(configured, device.Path))
            {
                wanted.Add(device);
            }
        }

        wanted.AddRange(configured);
        for (var i = 0; i < wanted.Count; i++)
        {
            // Neighbours share their open directory: nearly all are in /dev.
            var first = i == 0 || Parent(wanted[i]) != Parent(wanted[i - 1]);
            var last = i == wanted.Count - 1 || Parent(wanted[i]) != Parent(wanted[i + 1]);
            CreateNode(context, wanted[i], first, last);
        }
    }

    private static string Parent(LinuxDevice device) => PlanContext.Clean(device.Path) is var path ? path[..(path.LastIndexOf('/') + 1)] : "";

    public static void Link(PlanContext context)
    {
        var b = context.B;
        context.Open(context.Target, "/dev", directory: true, new Note("open /dev"));
        foreach (var (name, target) in Links)
        {
            b.Call(
                new Note("link /dev/{0} to {1}", name, target),
                SystemCall.Symlinkat, context.Plan.Text(target), context.Target, context.Plan.Text(name));
            b.Ignore(Errno.EEXIST);
        }

        // The container's own terminals, not those of whoever made the image.
        var ptmx = context.Plan.Text("ptmx");
        b.Call(new Note("remove /dev/ptmx"), SystemCall.Unlinkat, context.Target, ptmx, 0);
        b.Ignore(Errno.ENOENT).Ignore(Errno.EBUSY).Ignore(Errno.EROFS);
        b.Call(new Note("link /dev/ptmx to {0}", "pts/ptmx"), SystemCall.Symlinkat, context.Plan.Text("pts/ptmx"), context.Target, ptmx);
        b.Ignore(Errno.EEXIST);
        context.Close(context.Target);
    }

    private static void CreateNode(PlanContext context, LinuxDevice device, bool openParent, bool closeParent)
    {
        var b = context.B;
        var path = PlanContext.Clean(device.Path);
        var name = context.Plan.Text(PlanContext.LastName(path));
        var type = device.Type switch
        {
            "c" or "u" => CharacterDevice,
            "b" => BlockDevice,
            "p" => Fifo,
            _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"device {path} has type \"{device.Type}\": c, b, u and p are known"),
        };
        var mode = (device.FileMode ?? 0x1b6) & 0xfff;
        var number = type == Fifo ? 0 : Files.DeviceNumber((uint)device.Major, (uint)device.Minor);
        var note = new Note("create device {0}", path);
        Label exists = new(), bind = new(), done = new();
        if (openParent)
        {
            context.MakeParents(path);
        }

        if (!context.Inputs.CannotMakeNodes)
        {
            b.Call(note, SystemCall.Mknodat, context.Scratch, name, (nint)(type | mode), (nint)number);
            b.On(Errno.EEXIST, exists).On(Errno.EPERM, bind);
            if (device.Uid is > 0 || device.Gid is > 0)
            {
                b.Call(
                    new Note("give device {0} to its owner", path),
                    SystemCall.Fchownat, context.Scratch, name, (nint)(device.Uid ?? 0), (nint)(device.Gid ?? 0), NoFollow);
            }

            b.Jump(done);
            b.Mark(exists);

            // Something is there already: fine only if it is the same device, not what an image would like it to be.
            b.Call(note, SystemCall.Statx, context.Scratch, name, NoFollow, 1, context.StatBuffer);
            Label same = new();
            var rdev = (nint)(((ulong)(uint)device.Minor << 32) | (uint)device.Major);
            Label isType = new();
            b.JumpIfEqual(
                context.StatBuffer + 24, unchecked((nint)0xF000_0000_0000), (nint)type << 32, isType, new Note("is it a device of that type?"));
            b.Fail(Errno.EEXIST, note);
            b.Mark(isType);
            b.JumpIfEqual(context.StatBuffer + 0x80, -1, type == Fifo ? 0 : rdev, same, new Note("is it the same device?"));
            b.Fail(Errno.EEXIST, note);
            b.Mark(same);
            b.Jump(done);
        }

        b.Mark(bind);
        BindNode(context, path, name, note);
        b.Mark(done);
        if (closeParent)
        {
            context.Close(context.Scratch);
        }
    }

    /// <summary>In a user namespace nodes cannot be made: the host's own is bound over an empty file.</summary>
    private static void BindNode(PlanContext context, string path, nint name, Note note)
    {
        var b = context.B;
        b.Call(note, SystemCall.Mknodat, context.Scratch, name, (nint)(RegularFile | 0x1a4), 0);
        b.Ignore(Errno.EEXIST);
        b.ResultInto(
            context.Target, note, SystemCall.Openat, context.Scratch, name, OpenFlags.Path | OpenFlags.NoFollow | OpenFlags.CloseOnExec);
        b.ResultInto(
            context.Source, note, SystemCall.OpenTree, Files.CurrentDirectory, context.Plan.Text(path), CloneTree | OpenFlags.CloseOnExec);
        b.Call(
            note, SystemCall.MoveMount, context.Source, context.Plan.Utf8Empty, context.Target, context.Plan.Utf8Empty,
            FromEmptyPath | ToEmptyPath);
        context.Close(context.Source);
        context.Close(context.Target);
    }

    private static bool Lists(IReadOnlyList<LinuxDevice> devices, string path)
    {
        foreach (var device in devices)
        {
            if (PlanContext.Clean(device.Path) == path)
            {
                return true;
            }
        }

        return false;
    }
}
