using System.Globalization;
using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Compile;
using Cais.Runtime.Hooks;
using Cais.Runtime.Launch;

namespace Cais.Runtime;

/// <summary>Starts the first process of a container: opens what its plan needs, compiles, runs, and answers it until it is made.</summary>
internal static class ContainerLaunch
{
    internal const string GateName = "start.sock";

    public static Container Run(string directory, StateFile state, Spec spec, CreateRequest request, ContainerCgroup cgroup)
    {
        if (request.RootfsMounts is { Count: > 0 })
        {
            Files.MakeDirectory(state.Rootfs, 0x1ed);
        }

        // A new network namespace and everything else is entered by what the child inherits: descriptors, all close-on-exec.
        using var gate = MessageSocket.ListenForPackets($"{directory}/{GateName}");
        using var entrance = cgroup.OpenEntrance();
        using var joins = OpenNamespaces.Open(spec);
        var (parent, child) = MessageSocket.Pair();
        using var parentEnd = parent;
        using var prepared = IdMappedMounts.Prepare(spec, state.Bundle, request.RootfsMounts ?? []);
        var streams = StreamSet.From(request.Streams, spec.Process, request.PreserveFds);
        using var plan = ContainerPlan.Compile(new LaunchInputs
        {
            Spec = spec,
            Id = request.Id,
            Bundle = state.Bundle,
            RootPath = state.Rootfs,
            RootfsMounts = request.RootfsMounts ?? [],
            ReportFd = child.Number,
            ParentFd = parentEnd.Number,
            GateFd = gate.Number,
            PreserveFds = request.PreserveFds,
            Streams = streams.Numbers,
            ChownStreams = streams.Chown,
            CgroupTasks = entrance.Tasks,
            CgroupFd = entrance.Directory,
            CgroupMounts = cgroup.MountSource,
            Joins = joins.List,
            OwnPidNamespaceFd = joins.OwnPid,
            PreparedMounts = prepared.Mounts,
            PreparedRoots = prepared.Roots,
            Seccomp = SeccompCompiler.Compile(spec.Linux?.Seccomp),
            NoPivot = request.NoPivot,
            NoNewKeyring = request.NoNewKeyring,
            CannotMakeNodes = UserNamespaces.Has(spec),
            HasCreateHooks = HasCreateHooks(spec.Hooks),
        });

        FileDescriptor? console = null;
        var (pid, pidFd) = Launcher.Run(plan, parentEnd, child, new LaunchEvents
        {
            MapIds = pid => UserNamespaces.WriteMappings(pid, spec.Linux!.UidMappings ?? [], spec.Linux.GidMappings ?? []),
            RunHooks = pid => RunCreateHooks(pid, state, spec),
            FindHome = pid => HomeDirectory.Find(pid, spec.Process?.User?.Uid ?? 0),
            CopyUp = (from, to) => DirectoryCopy.CopyUp(from, to, spec.Linux),
            Terminal = master => console = Consoles.HandOver(master, request.ConsoleSocket),
            MoveInterfaces = pid => NetworkInterfaces.Move(pid, spec.Linux!.NetDevices!),
        });
        try
        {
            state = state with
            {
                InitProcessPid = pid,
                InitProcessStart = ProcessStatus.Of(pid)?.StartTime ?? throw new RuntimeException(
                    RuntimeError.Failed, "the container's first process ended before it was started"),
                FirstStartOperation = FirstStartOperation(plan),
                StartOperations = StartOperations(plan),
            };
            ResourceDirector.Enter(state.ResourceGroups, pid);
            state.Write(directory);
            WritePidFile(request.PidFile, pid);
            var container = new Container(directory, state, spec, pidFd, console);
            foreach (var name in UnknownCapabilities(spec.Process?.Capabilities))
            {
                container.Warn($"capability {name} is not known here and is left out");
            }

            return container;
        }
        catch
        {
            console?.Dispose();
            Pidfd.Signal(pidFd, Signals.Kill);
            pidFd.Dispose();
            throw;
        }
    }

    internal static IReadOnlyList<string> UnknownCapabilities(Capabilities? sets)
    {
        var unknown = new List<string>();
        foreach (var set in new[] { sets?.Bounding, sets?.Effective, sets?.Inheritable, sets?.Permitted, sets?.Ambient })
        {
            foreach (var name in set ?? [])
            {
                if (CapabilityNames.Number(name) < 0 && !unknown.Contains(name))
                {
                    unknown.Add(name);
                }
            }
        }

        return unknown;
    }

    public static void WritePidFile(string? path, int pid)
    {
        if (path is null)
        {
            return;
        }

        // Whoever waits for the file must never read half a number.
        var temporary = $"{Path.GetDirectoryName(Path.GetFullPath(path))}/.{Path.GetFileName(path)}.{pid.ToString(CultureInfo.InvariantCulture)}";
        using (var file = Files.Open(temporary, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Truncate, 0x1a4))
        {
            Files.Write(file, Encoding.ASCII.GetBytes(pid.ToString(CultureInfo.InvariantCulture)));
        }

        Files.Rename(temporary, path);
    }

    internal static bool HasCreateHooks(Oci.Runtime.Hooks? hooks) =>
        hooks is not null && (hooks.Prestart is { Count: > 0 } || hooks.CreateRuntime is { Count: > 0 } || hooks.CreateContainer is { Count: > 0 });

    private static void RunCreateHooks(int pid, StateFile state, Spec spec)
    {
        var told = state.Describe(ContainerStatus.Creating, pid);
        HookRunner.Run("prestart", spec.Hooks!.Prestart, told);
        HookRunner.Run("createRuntime", spec.Hooks.CreateRuntime, told);
        if (spec.Hooks.CreateContainer is { Count: > 0 })
        {
            using var inside = Pidfd.TryOpen(pid) ?? throw new RuntimeException(RuntimeError.Failed, "the container's first process is gone");
            HookRunner.Run("createContainer", spec.Hooks.CreateContainer, told, inside, Container.Joinable(spec));
        }
    }

    /// <summary>Index of the operation that waits for the start.</summary>
    private static int FirstStartOperation(LaunchPlan plan)
    {
        for (var i = plan.Count - 1; i >= 0; i--)
        {
            if (plan[i].Number == SystemCall.Accept4)
            {
                return i;
            }
        }

        return plan.Count;
    }

    private static List<string> StartOperations(LaunchPlan plan)
    {
        var texts = new List<string>();
        for (var i = FirstStartOperation(plan); i < plan.Count; i++)
        {
            texts.Add(plan.Describe(i));
        }

        return texts;
    }
}
