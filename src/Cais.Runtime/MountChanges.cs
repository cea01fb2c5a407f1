using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Compile;
using Cais.Runtime.Launch;

namespace Cais.Runtime;

/// <summary>Mounts that are added to a running container and removed from it (crun's <c>mounts</c> command).</summary>
internal static class MountChanges
{
    /// <summary>All of them, or an error and those before the one that failed. Sources are the host's; relative ones start at the bundle.</summary>
    public static void Add(Spec spec, FileDescriptor target, string bundle, IReadOnlyList<Mount> mounts)
    {
        Check(spec, mounts);
        var wanted = spec with { Mounts = mounts };
        using var prepared = IdMappedMounts.Prepare(wanted, bundle, []);
        var open = new List<FileDescriptor>();
        var ready = new Dictionary<int, int>(prepared.Mounts);
        try
        {
            for (var i = 0; i < mounts.Count; i++)
            {
                var options = MountOptions.Parse(mounts[i].Options);
                IdMappedMounts.Validate(spec, mounts[i], options);
                if (mounts[i].Type is "cgroup" or "cgroup2" && !options.IsBind)
                {
                    throw Invalid($"mount on {mounts[i].Destination}: cgroups cannot be mounted later");
                }

                // The host's paths mean something here only, not in the container's mount namespace.
                if ((options.IsBind || mounts[i].Type == "bind") && !ready.ContainsKey(i))
                {
                    open.Add(Mounts.Clone(MountSteps.Source(mounts[i], bundle), options.IsRecursive));
                    ready[i] = open[^1].Number;
                }
            }

            Run(target, wanted, ready, MountChangePlan.Add);
        }
        finally
        {
            open.ForEach(file => file.Dispose());
        }
    }

    public static void Remove(Spec spec, FileDescriptor target, IReadOnlyList<Mount> mounts)
    {
        Check(spec, mounts);
        Run(target, spec with { Mounts = mounts }, new Dictionary<int, int>(), MountChangePlan.Remove);
    }

    private static void Check(Spec spec, IReadOnlyList<Mount> mounts)
    {
        if ((Container.Joinable(spec) & NamespaceKind.Mount) == 0)
        {
            throw Invalid("the container has no mount namespace of its own");
        }

        foreach (var mount in mounts)
        {
            if (PlanContext.Clean(mount.Destination) is "/")
            {
                throw Invalid("a mount's destination is the root itself");
            }
        }
    }

    private static void Run(FileDescriptor target, Spec spec, Dictionary<int, int> prepared, Func<LaunchInputs, LaunchPlan> compile)
    {
        var (parent, child) = MessageSocket.Pair();
        using (parent)
        {
            using var plan = compile(new LaunchInputs
            {
                Spec = spec,
                Id = "",
                Bundle = "/",
                RootPath = "/",
                ReportFd = child.Number,
                ParentFd = parent.Number,
                TargetPidFd = target.Number,
                PreparedMounts = prepared,
            });
            var (_, pidFd) = Launcher.Run(plan, parent, child, new LaunchEvents
            {
                CopyUp = (from, to) => DirectoryCopy.CopyUp(from, to, spec.Linux),
            });
            using (pidFd)
            {
                Pidfd.Reap(pidFd);
            }
        }
    }

    private static RuntimeException Invalid(string message) => new(RuntimeError.InvalidConfig, message);
}
