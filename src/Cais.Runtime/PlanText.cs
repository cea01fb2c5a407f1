using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;
using Cais.Runtime.Compile;
using Cais.Runtime.Launch;

namespace Cais.Runtime;

/// <summary>The launch plan of a container as text, without making anything.</summary>
public static class PlanText
{
    private const int Report = 1000;
    private const int Gate = 1001;
    private const int FirstOther = 1002;

    /// <summary>Every system call that creating and starting the bundle's container would make from the fork on.</summary>
    /// <param name="id">The container's id.</param>
    /// <param name="bundle">Directory with config.json.</param>
    /// <param name="spec">Null reads the bundle's.</param>
    public static string Of(string id, string bundle, Spec? spec = null)
    {
        bundle = Path.GetFullPath(bundle);
        spec ??= OciRuntime.ParseConfiguration(OciRuntime.ReadConfiguration(bundle), $"{bundle}/{OciRuntime.ConfigName}");
        SpecCheck.Validate(spec);
        var cgroup = ContainerCgroup.For(CgroupLayout.Detect(), spec.Linux?.CgroupsPath, id);
        return Print(id, bundle, spec, cgroup.Paths, cgroup.MountSource);
    }

    internal static string Print(string id, string bundle, Spec spec, IReadOnlyList<string> cgroups, CgroupMountSource cgroupMounts)
    {
        var names = new Dictionary<int, string> { [Report] = "<report>", [Gate] = "<gate>", [-1] = "-1" };
        var next = FirstOther;
        var tasks = new List<(string, int)>();
        var cgroupDirectory = -1;
        foreach (var path in cgroups)
        {
            names[next] = $"<cgroup {path}>";
            if (cgroupMounts.Unified || path.Contains("/unified/", StringComparison.Ordinal))
            {
                cgroupDirectory = next++;
            }
            else
            {
                tasks.Add((path, next++));
            }
        }

        var joins = new List<(NamespaceKind, string, int)>();
        foreach (var space in spec.Linux?.Namespaces ?? [])
        {
            if (!string.IsNullOrEmpty(space.Path))
            {
                names[next] = $"<{space.Path}>";
                joins.Add((NamespaceSteps.KindOf(space.Type), space.Path, next++));
            }
        }

        var prepared = new Dictionary<int, int>();
        for (var i = 0; i < (spec.Mounts?.Count ?? 0); i++)
        {
            if (IdMappedMounts.Wanted(spec.Mounts![i], MountOptions.Parse(spec.Mounts[i].Options)))
            {
                names[next] = $"<id-mapped {spec.Mounts[i].Source}>";
                prepared[i] = next++;
            }
        }

        names[next] = "<own pid namespace>";
        using var plan = ContainerPlan.Compile(new LaunchInputs
        {
            Spec = spec,
            Id = id,
            Bundle = bundle,
            RootPath = Path.TrimEndingDirectorySeparator(Path.GetFullPath(spec.Root?.Path ?? "rootfs", bundle)),
            ReportFd = Report,
            GateFd = Gate,
            CgroupTasks = tasks,
            CgroupFd = cgroupDirectory,
            CgroupMounts = cgroupMounts,
            Joins = joins,
            OwnPidNamespaceFd = next,
            PreparedMounts = prepared,
            Seccomp = SeccompCompiler.Compile(spec.Linux?.Seccomp),
            CannotMakeNodes = UserNamespaces.Has(spec),
            HasCreateHooks = ContainerLaunch.HasCreateHooks(spec.Hooks),
        });
        return PlanPrinter.Print(plan, names);
    }
}
