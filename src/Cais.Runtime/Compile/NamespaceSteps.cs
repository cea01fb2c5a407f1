using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>Namespaces, new and joined, and the identity inside a new user namespace.</summary>
internal static class NamespaceSteps
{
    public static NamespaceKind KindOf(string type) => type switch
    {
        "mount" => NamespaceKind.Mount,
        "pid" => NamespaceKind.Pid,
        "network" => NamespaceKind.Network,
        "uts" => NamespaceKind.Uts,
        "ipc" => NamespaceKind.Ipc,
        "user" => NamespaceKind.User,
        "cgroup" => NamespaceKind.Cgroup,
        "time" => NamespaceKind.Time,
        _ => throw new RuntimeException(RuntimeError.InvalidConfig, $"namespace type \"{type}\" is not known"),
    };

    /// <summary>Flags for clone3: the new namespaces, without those that need a step of their own.</summary>
    public static NamespaceKind CloneFlags(PlanContext context)
    {
        NamespaceKind flags = 0;
        foreach (var space in context.Spec.Linux?.Namespaces ?? [])
        {
            if (string.IsNullOrEmpty(space.Path))
            {
                flags |= KindOf(space.Type);
            }
        }

        // A cgroup namespace starts at the cgroup its first member is in, so that one must have been entered before.
        // A time namespace's offsets are set before anything runs in it: its first process is born by ForkInside.
        return flags & ~(NamespaceKind.Cgroup | NamespaceKind.Time);
    }

    /// <summary>The child enters its cgroups. A thread may move itself alone without the kernel's global lock, hence <c>tasks</c> and 0.</summary>
    public static void EnterCgroups(PlanContext context)
    {
        var zero = context.Plan.Text("0");
        foreach (var (path, fd) in context.Inputs.CgroupTasks)
        {
            context.B.Call(new Note("enter cgroup {0}", path), SystemCall.Write, fd, zero, 1);
        }
    }

    /// <summary>Joins what is joined by path, a user namespace first: it gives the right to join the others.</summary>
    public static void Join(PlanContext context)
    {
        foreach (var (kind, path, fd) in context.Inputs.Joins)
        {
            if (kind == NamespaceKind.User)
            {
                context.B.Call(new Note("join user namespace {0}", path), SystemCall.Setns, fd, (int)kind);
                BecomeRoot(context);
            }
        }

        foreach (var (kind, path, fd) in context.Inputs.Joins)
        {
            if (kind is not (NamespaceKind.User or NamespaceKind.Pid))
            {
                context.B.Call(new Note("join {0} namespace {1}", Name(kind), path), SystemCall.Setns, fd, (int)kind);
            }
        }
    }

    /// <summary>In a new user namespace: wait for the mappings, then be its root.</summary>
    public static void MapIds(PlanContext context)
    {
        context.Synchronize(ReportKind.MapIds, new Note("map user and group ids"));
        BecomeRoot(context);
    }

    public static void NewCgroupNamespace(PlanContext context) =>
        context.B.Call(new Note("new cgroup namespace"), SystemCall.Unshare, (nint)NamespaceKind.Cgroup);

    public static void NewTimeNamespace(PlanContext context, TimeOffsets? offsets)
    {
        context.B.Call(new Note("new time namespace"), SystemCall.Unshare, (nint)NamespaceKind.Time);
        foreach (var (clock, offset) in new[] { ("monotonic", offsets?.Monotonic), ("boottime", offsets?.Boottime) })
        {
            if (offset is not null)
            {
                context.WriteHostFile(
                    "/proc/self/timens_offsets",
                    string.Create(CultureInfo.InvariantCulture, $"{clock} {offset.Secs} {offset.Nanosecs}"),
                    new Note("set the {0} clock's offset", clock));
            }
        }
    }

    /// <summary>Root of the user namespace, where root is mapped at all.</summary>
    public static void BecomeRoot(PlanContext context)
    {
        context.B.Call(new Note("become group 0 of the user namespace"), SystemCall.SetResGid, 0, 0, 0);
        context.B.Ignore(Errno.EINVAL);
        context.B.Call(new Note("become user 0 of the user namespace"), SystemCall.SetResUid, 0, 0, 0);
        context.B.Ignore(Errno.EINVAL);
    }

    public static string Name(NamespaceKind kind) => kind switch
    {
        NamespaceKind.Mount => "mount",
        NamespaceKind.Pid => "pid",
        NamespaceKind.Network => "network",
        NamespaceKind.Uts => "uts",
        NamespaceKind.Ipc => "ipc",
        NamespaceKind.User => "user",
        NamespaceKind.Cgroup => "cgroup",
        _ => "time",
    };
}
