using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The order in which a container is made: config.json in, launch plan out.</summary>
internal static class ContainerPlan
{
    private const int SetDumpable = 4;
    private const int JoinSessionKeyring = 1;

    public static LaunchPlan Compile(LaunchInputs inputs)
    {
        var plan = new LaunchPlan();
        var context = new PlanContext(plan, inputs);
        var child = ForkSteps.Fork(context, NamespaceSteps.CloneFlags(context));
        ForkSteps.BeginChild(context, child);
        Child(context);
        return plan;
    }

    private static void Child(PlanContext context)
    {
        var b = context.B;
        var spec = context.Spec;
        var linux = spec.Linux ?? new LinuxConfig();
        var process = spec.Process ?? throw new RuntimeException(RuntimeError.InvalidConfig, "config.json has no process to run");
        var user = process.User ?? new User();

        NamespaceSteps.EnterCgroups(context);
        var joinsUser = UserNamespaces.PathOf(spec) is not null;
        if (context.HasNew(NamespaceKind.Time) && !joinsUser)
        {
            NamespaceSteps.NewTimeNamespace(context, linux.TimeOffsets);
        }

        if (joinsUser)
        {
            // In there nobody has a right to either.
            ProcessSteps.WriteProcSettings(context, process);
            ProcessSteps.RaiseLimits(context, process);
        }

        if (context.Inputs.Joins.Count > 0)
        {
            // A container we share a pid namespace with could otherwise open this process's files through /proc.
            b.Call(new Note("hide from other containers"), SystemCall.Prctl, SetDumpable, 0, 0, 0);
            NamespaceSteps.Join(context);
            if (context.HasNew(NamespaceKind.Time) && joinsUser)
            {
                NamespaceSteps.NewTimeNamespace(context, linux.TimeOffsets);
            }
        }

        if (context.NewUserNamespace)
        {
            NamespaceSteps.MapIds(context);
        }

        ForkSteps.ForkInside(context);

        if (linux.NetDevices is { Count: > 0 })
        {
            context.Synchronize(ReportKind.MoveInterfaces, new Note("move network interfaces in"));
        }

        b.Call(new Note("new session"), SystemCall.SetSid);
        if (!context.Inputs.NoNewKeyring)
        {
            b.Call(new Note("new session keyring"), SystemCall.Keyctl, JoinSessionKeyring, context.Plan.Text("_ses." + context.Inputs.Id), 0, 0, 0);
            b.Ignore(Errno.ENOSYS).Ignore(Errno.EPERM).Ignore(Errno.EDQUOT);
        }

        if (context.HasNew(NamespaceKind.Cgroup))
        {
            NamespaceSteps.NewCgroupNamespace(context);
        }

        b.Call(new Note("take modes as given"), SystemCall.Umask, 0);
        HostSteps.SetNames(context);
        HostSteps.SetSysctls(context);
        if (!joinsUser)
        {
            ProcessSteps.WriteProcSettings(context, process);
        }

        var labels = ProcessSteps.OpenLabels(context, process);

        var slave = MakeRoot(context, process, linux);
        if (process.Terminal)
        {
            TerminalSteps.Use(context, slave!.Value, user.Uid);
        }
        else
        {
            ExecutableSteps.SetStreams(context, user.Uid);
        }

        HostSteps.SetPersonality(context);
        ProcessSteps.SetLimits(context, process);
        ProcessSteps.SetScheduling(context, process);
        HostSteps.SetMemoryPolicy(context);
        ExitSteps.BecomeProgram(context, process, labels);
    }

    private static Register? MakeRoot(PlanContext context, Process process, LinuxConfig linux)
    {
        var spec = context.Spec;
        if (context.HasNew(NamespaceKind.Mount))
        {
            RootfsSteps.IsolatePropagation(context);
        }

        RootfsSteps.MountRoot(context);
        MountSteps.MountAll(context);
        var devices = DeviceSteps.Wanted(spec);
        if (devices)
        {
            DeviceSteps.Create(context);
            DeviceSteps.Link(context);
        }

        Register? slave = null;
        if (process.Terminal)
        {
            slave = TerminalSteps.Open(context, (master, note) => context.OpenHow(
                master, "/dev/pts/ptmx", context.How(OpenFlags.ReadWrite | OpenFlags.NoControllingTerminal, ResolveFlags.InRoot | ResolveFlags.NoSymlinks), note));
            if (devices)
            {
                TerminalSteps.BindConsole(context, slave.Value);
            }
        }

        var cwd = PlanContext.Clean(process.Cwd);
        if (cwd != "/")
        {
            context.EnsureDirectory(context.Target, cwd, new Note("make the working directory {0}", cwd));
            context.B.Ignore(Errno.EACCES);
            context.Close(context.Target);
        }

        ProtectedPathSteps.ReadOnly(context);
        ProtectedPathSteps.Mask(context);
        if (context.Inputs.HasCreateHooks)
        {
            context.Synchronize(ReportKind.RunHooks, new Note("run the hooks of creation"));
        }

        if (spec.Root?.Readonly == true)
        {
            RootfsSteps.MakeReadOnly(context);
        }

        RootfsSteps.SwitchRoot(context);
        return slave;
    }
}
