using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Compile;
using Cais.Runtime.Launch;

namespace Cais.Runtime;

/// <summary>Starts a further process in a container.</summary>
internal static class ExecLaunch
{
    public static ProcessHandle Run(
        Spec spec, FileDescriptor target, int initPid, ContainerCgroup cgroup, ExecRequest request, IReadOnlyList<string> resourceGroups,
        Action<FileDescriptor, int> seccompListener)
    {
        using var entrance = cgroup.OpenEntrance(request.SubCgroup);
        using var own = OpenNamespaces.ForExec();
        var (parent, child) = MessageSocket.Pair();
        using var parentEnd = parent;
        var streams = StreamSet.From(request.Streams, request.Process, request.PreserveFds);
        using var plan = ExecPlan.Compile(
            new LaunchInputs
            {
                Spec = spec with { Process = request.Process },
                Id = "",
                Bundle = "/",
                RootPath = "/",
                ReportFd = child.Number,
                ParentFd = parentEnd.Number,
                PreserveFds = request.PreserveFds,
                Streams = streams.Numbers,
                ChownStreams = streams.Chown,
                CgroupTasks = entrance.Tasks,
                CgroupFd = entrance.Directory,
                OwnPidNamespaceFd = own.OwnPid,
                TargetPidFd = target.Number,
                InitialCpus = request.Process.ExecCpuAffinity?.Initial,
                Seccomp = SeccompCompiler.Compile(spec.Linux?.Seccomp),
            },
            initPid);
        FileDescriptor? console = null;
        try
        {
            var (pid, pidFd) = Launcher.Run(plan, parentEnd, child, new LaunchEvents
            {
                FindHome = pid => HomeDirectory.Find(initPid, request.Process.User?.Uid ?? 0),
                SeccompListener = seccompListener,
                Terminal = master => console = Consoles.HandOver(master, request.ConsoleSocket),
            });
            try
            {
                ResourceDirector.Enter(resourceGroups, pid);
                ContainerLaunch.WritePidFile(request.PidFile, pid);
                return new ProcessHandle(pid, pidFd, console);
            }
            catch
            {
                Pidfd.Signal(pidFd, Signals.Kill);
                Pidfd.Reap(pidFd);
                pidFd.Dispose();
                throw;
            }
        }
        catch
        {
            console?.Dispose();
            throw;
        }
    }
}
