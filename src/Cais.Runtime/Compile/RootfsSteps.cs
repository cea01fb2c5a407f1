using Cais.Linux;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The root filesystem: put together, made a mount of its own, and in the end made <c>/</c>.</summary>
internal static class RootfsSteps
{
    private const int AtRecursive = 0x8000;
    private const int AtEmptyPath = 0x1000;
    private const int CloneTree = 1;
    private const int FromEmptyPath = 4;
    private const int ToEmptyPath = 0x40;
    private const int SetFlag = 0;
    private const int SetString = 1;
    private const int CreateFilesystem = 6;

    /// <summary>Cuts the new mount namespace off from the host's, as far as the configuration says.</summary>
    public static void IsolatePropagation(PlanContext context)
    {
        var flags = Propagation(context.Spec.Linux?.RootfsPropagation) is { } asked && asked != 0
            ? asked | MountFlags.Recursive : MountFlags.Slave | MountFlags.Recursive;
        context.B.Call(
            new Note("set propagation of all mounts"), SystemCall.Mount, 0, context.Plan.Text("/"), 0, (nint)flags, 0);
    }

    /// <summary>Makes the root filesystem a mount at its path; its top is then open in <see cref="PlanContext.Root"/>.</summary>
    public static void MountRoot(PlanContext context)
    {
        var b = context.B;
        if (context.Inputs.PreparedRoots.TryGetValue(0, out var prepared))
        {
            MountPrepared(context, prepared);
            return;
        }

        var path = context.Plan.Text(context.Inputs.RootPath);
        foreach (var mount in context.Inputs.RootfsMounts)
        {
            var target = mount.Target.Length == 0 ? context.Inputs.RootPath : $"{context.Inputs.RootPath}/{PlanContext.Clean(mount.Target)[1..]}";
            MountPart(context, mount, target);
        }

        if (context.Inputs.RootfsMounts.Count > 0)
        {
            // What is on top there now is the root that was just made.
            b.ResultInto(
                context.Root, new Note("open root {0}", context.Inputs.RootPath),
                SystemCall.Openat, Files.CurrentDirectory, path, OpenFlags.Path | OpenFlags.Directory | OpenFlags.CloseOnExec);
        }

        var shared = Propagation(context.Spec.Linux?.RootfsPropagation) == MountFlags.Shared;
        if (context.Inputs.RootfsMounts.Count == 0 || shared)
        {
            // pivot_root wants the new root to be a mount, below one that is not shared: two where the root shall be shared.
            for (var i = shared ? 2 : 1; i > 0; i--)
            {
                b.ResultInto(
                    context.Root, new Note("open root {0}", context.Inputs.RootPath),
                    SystemCall.OpenTree, Files.CurrentDirectory, path, CloneTree | AtRecursive | OpenFlags.CloseOnExec);
                if (i == 2)
                {
                    SetPropagation(context, context.Root, MountFlags.Private, new Note("make the root's parent private"));
                }

                b.Call(
                    new Note("make {0} a mount", context.Inputs.RootPath),
                    SystemCall.MoveMount, context.Root, context.Plan.Utf8Empty, Files.CurrentDirectory, path, FromEmptyPath);
            }
        }
    }

    /// <summary>
    /// A root that was made before the fork goes on top of everything: who is root in a user namespace need not be able to reach the bundle, and
    /// what is in sight here goes with the switch anyhow.
    /// </summary>
    private static void MountPrepared(PlanContext context, int prepared)
    {
        var b = context.B;
        var note = new Note("mount the root filesystem");
        b.Set(context.Root, prepared, note);
        b.Call(note, SystemCall.MoveMount, context.Root, context.Plan.Utf8Empty, Files.CurrentDirectory, context.Plan.Text("/"), FromEmptyPath);
        if (Propagation(context.Spec.Linux?.RootfsPropagation) != MountFlags.Shared)
        {
            return;
        }

        SetPropagation(context, context.Root, MountFlags.Private, new Note("make the root's parent private"));
        b.ResultInto(
            context.Scratch, new Note("open the root once more"), SystemCall.OpenTree, context.Root, context.Plan.Utf8Empty,
            CloneTree | AtRecursive | AtEmptyPath | OpenFlags.CloseOnExec);
        b.Call(
            note, SystemCall.MoveMount, context.Scratch, context.Plan.Utf8Empty, context.Root, context.Plan.Utf8Empty, FromEmptyPath | ToEmptyPath);
        b.Call(note, SystemCall.Dup3, context.Scratch, context.Root, OpenFlags.CloseOnExec);
        context.Close(context.Scratch);
    }

    /// <summary>The last step before the switch: from here on nothing can be made in the root.</summary>
    public static void MakeReadOnly(PlanContext context) =>
        context.B.Call(
            new Note("make the root read-only"), SystemCall.MountSetattr, context.Root, context.Plan.Utf8Empty, AtEmptyPath,
            context.Plan.Longs((long)MountAttributes.ReadOnly, 0, 0, 0), 32);

    public static void SwitchRoot(PlanContext context)
    {
        var b = context.B;
        var dot = context.Plan.Text(".");
        var slash = context.Plan.Text("/");
        var note = new Note("switch root to {0}", context.Inputs.RootPath);
        b.Call(note, SystemCall.Fchdir, context.Root);
        if (!context.Has(NamespaceKind.Mount))
        {
            b.Call(note, SystemCall.Chroot, dot);
        }
        else if (context.Inputs.NoPivot)
        {
            b.Call(note, SystemCall.Mount, dot, slash, 0, (nint)MountFlags.Move, 0);
            b.Call(note, SystemCall.Chroot, dot);
        }
        else
        {
            // The old root lands on top of the new one; nothing of it may travel back to the host when it is detached.
            b.ResultInto(
                context.Scratch, new Note("open the old root"),
                SystemCall.Openat, Files.CurrentDirectory, slash, OpenFlags.Path | OpenFlags.Directory | OpenFlags.CloseOnExec);
            b.Call(note, SystemCall.PivotRoot, dot, dot);
            b.Call(note, SystemCall.Fchdir, context.Scratch);
            b.Call(new Note("cut the old root off"), SystemCall.Mount, 0, dot, 0, (nint)(MountFlags.Slave | MountFlags.Recursive), 0);
            b.Call(new Note("detach the old root"), SystemCall.Umount2, dot, 2);
            context.Close(context.Scratch);
        }

        b.Call(new Note("go to the new root"), SystemCall.Chdir, slash);
        if (context.Has(NamespaceKind.Mount) && Propagation(context.Spec.Linux?.RootfsPropagation) is { } asked && asked != 0)
        {
            var recursive = context.Spec.Linux!.RootfsPropagation!.StartsWith('r') ? MountFlags.Recursive : 0;
            b.Call(new Note("set the root's propagation"), SystemCall.Mount, 0, slash, 0, (nint)(asked | recursive), 0);
        }
    }

    public static void SetPropagation(PlanContext context, Register mount, MountFlags propagation, Note note) =>
        context.B.Call(
            note, SystemCall.MountSetattr, mount, context.Plan.Utf8Empty,
            AtEmptyPath | ((propagation & MountFlags.Recursive) != 0 ? AtRecursive : 0),
            context.Plan.Longs(0, 0, (long)(propagation & ~MountFlags.Recursive), 0), 32);

    private static MountFlags Propagation(string? word) => word switch
    {
        null or "" => 0,
        "private" or "rprivate" => MountFlags.Private,
        "slave" or "rslave" => MountFlags.Slave,
        "shared" or "rshared" => MountFlags.Shared,
        "unbindable" or "runbindable" => MountFlags.Unbindable,
        _ => throw new RuntimeException(
            RuntimeError.InvalidConfig, $"rootfsPropagation \"{word}\" is not one of private, slave, shared, unbindable"),
    };

    private static void MountPart(PlanContext context, RootfsMount mount, string target)
    {
        var b = context.B;
        var plan = context.Plan;
        var options = MountOptions.Parse(mount.Options);
        var (set, clear) = options.Attributes();
        var note = new Note("mount {0} on {1}", mount.Type, target);
        if (options.IsBind || mount.Type == "bind")
        {
            b.ResultInto(
                context.Source, new Note("open {0}", mount.Source), SystemCall.OpenTree, Files.CurrentDirectory, plan.Text(mount.Source),
                CloneTree | OpenFlags.CloseOnExec | (options.IsRecursive ? AtRecursive : 0));
            if (set != 0 || clear != 0)
            {
                b.Call(
                    note, SystemCall.MountSetattr, context.Source, plan.Utf8Empty, AtEmptyPath,
                    plan.Longs((long)set, (long)clear, 0, 0), 32);
            }

            b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, Files.CurrentDirectory, plan.Text(target), FromEmptyPath);
            context.Close(context.Source);
        }
        else if (mount.Type == "overlay")
        {
            MountOverlay(context, mount, options, set, target);
        }
        else
        {
            b.Call(
                note, SystemCall.Mount, plan.Text(mount.Source), plan.Text(target), plan.Text(mount.Type), (nint)options.Flags,
                options.Data.Length == 0 ? 0 : plan.Text(options.Data));
        }
    }

    /// <summary>Each lower directory is passed by itself, so their number is not limited by one string's length, where the kernel takes them so.</summary>
    private static void MountOverlay(PlanContext context, RootfsMount mount, MountOptions options, MountAttributes attributes, string target)
    {
        var b = context.B;
        var plan = context.Plan;
        var words = new List<KeyValuePair<string, string?>>();
        foreach (var (key, value) in OverlayOptions(mount.Options))
        {
            words.Add(new(key, value));
        }

        if (OneStringOverlay.IsNeeded)
        {
            var overlay = OneStringOverlay.Of(words);
            b.Call(new Note("change to {0}", overlay.Directory), SystemCall.Chdir, plan.Text(overlay.Directory));
            b.Call(
                new Note("mount overlay {1} on {0}", target, overlay.Data), SystemCall.Mount, plan.Text("overlay"), plan.Text(target), plan.Text("overlay"),
                (nint)options.Flags, plan.Text(overlay.Data));
            return;
        }

        var note = new Note("mount overlay on {0}", target);
        b.ResultInto(context.File, note, SystemCall.Fsopen, plan.Text("overlay"), 1);
        foreach (var (key, value) in words)
        {
            b.Call(
                new Note("overlay option {0}={1}", key, value ?? ""), SystemCall.Fsconfig, context.File, value is null ? SetFlag : SetString,
                plan.Text(key), value is null ? 0 : plan.Text(value), 0);
            b.ExplainedBy(context.File);
        }

        b.Call(note, SystemCall.Fsconfig, context.File, CreateFilesystem, 0, 0, 0);
        b.ExplainedBy(context.File);
        b.ResultInto(context.Source, note, SystemCall.Fsmount, context.File, 1, (nint)attributes);
        b.Call(note, SystemCall.MoveMount, context.Source, plan.Utf8Empty, Files.CurrentDirectory, plan.Text(target), FromEmptyPath);
        context.Close(context.Source);
        context.Close(context.File);
    }

    /// <summary>An overlay's own options, <c>lowerdir=a:b</c> taken apart (a backslash protects a colon).</summary>
    internal static IEnumerable<(string Key, string? Value)> OverlayOptions(IReadOnlyList<string> words)
    {
        var data = MountOptions.Parse(words).Data;
        foreach (var word in data.Length == 0 ? [] : Split(data, ','))
        {
            if (IdMap.IsMountOption(word))
            {
                continue;
            }

            var equals = word.IndexOf('=', StringComparison.Ordinal);
            var key = equals < 0 ? word : word[..equals];
            var value = equals < 0 ? null : word[(equals + 1)..];
            if (key != "lowerdir" || value is null)
            {
                yield return (key, value is null ? null : Unescape(value));
                continue;
            }

            foreach (var lower in Split(value, ':'))
            {
                yield return ("lowerdir+", Unescape(lower));
            }
        }
    }

    private static IEnumerable<string> Split(string text, char separator)
    {
        var start = 0;
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] == '\\')
            {
                i++;
            }
            else if (text[i] == separator)
            {
                yield return text[start..i];
                start = i + 1;
            }
        }

        yield return text[start..];
    }

    private static string Unescape(string text) =>
        text.Contains('\\', StringComparison.Ordinal)
            ? text.Replace("\\:", ":", StringComparison.Ordinal).Replace("\\,", ",", StringComparison.Ordinal)
                .Replace("\\\\", "\\", StringComparison.Ordinal)
            : text;
}
