using System.Text;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>What a plan is compiled from, besides the configuration: descriptors that the caller has opened, and paths.</summary>
internal sealed record LaunchInputs
{
    public required Spec Spec { get; init; }
    public required string Id { get; init; }

    /// <summary>Absolute.</summary>
    public required string Bundle { get; init; }

    /// <summary>Where the root filesystem is or will be mounted; absolute.</summary>
    public required string RootPath { get; init; }

    public IReadOnlyList<RootfsMount> RootfsMounts { get; init; } = [];

    /// <summary>The child's end of the socket it reports to.</summary>
    public required int ReportFd { get; init; }

    /// <summary>
    /// The parent's own end of that socket, of which the child gets a copy: it must let go of it, or it would wait for a parent that has
    /// died for ever, with copies of all that the parent had open. -1 where there is none.
    /// </summary>
    public int ParentFd { get; init; } = -1;

    /// <summary>A listening socket: the first connection is the start signal. -1: do not wait.</summary>
    public int GateFd { get; init; } = -1;

    public int PreserveFds { get; init; }

    /// <summary>Descriptors for the standard streams; -1 keeps the inherited one.</summary>
    public (int Input, int Output, int Error) Streams { get; init; } = (-1, -1, -1);

    /// <summary>Which of the standard streams may be given to the container's user.</summary>
    public (bool Input, bool Output, bool Error) ChownStreams { get; init; }

    /// <summary>Open <c>tasks</c> files of cgroup v1: a thread that writes 0 moves itself.</summary>
    public IReadOnlyList<(string Path, int Fd)> CgroupTasks { get; init; } = [];

    /// <summary>Directory of the cgroup v2 to be born in; -1 for none.</summary>
    public int CgroupFd { get; init; } = -1;

    public CgroupMountSource? CgroupMounts { get; init; }

    /// <summary>Namespaces to join, opened.</summary>
    public IReadOnlyList<(NamespaceKind Kind, string Path, int Fd)> Joins { get; init; } = [];

    /// <summary>This process's own pid namespace, to come back to after joining another for a fork.</summary>
    public int OwnPidNamespaceFd { get; init; } = -1;

    /// <summary>exec: the container's first process, whose namespaces are joined.</summary>
    public int TargetPidFd { get; init; } = -1;

    /// <summary>exec: CPUs to start on, before the container's cgroup is entered; empty for any.</summary>
    public string? InitialCpus { get; init; }

    /// <summary>Mounts by index that were made ready beforehand (id-mapped ones).</summary>
    public IReadOnlyDictionary<int, int> PreparedMounts { get; init; } = new Dictionary<int, int>();

    /// <summary>The same for <see cref="RootfsMounts"/>.</summary>
    public IReadOnlyDictionary<int, int> PreparedRoots { get; init; } = new Dictionary<int, int>();

    public SeccompProgram? Seccomp { get; init; }
    public bool NoPivot { get; init; }
    public bool NoNewKeyring { get; init; }

    /// <summary>The launching process may not create device nodes: they are bound from the host's.</summary>
    public bool CannotMakeNodes { get; init; }

    /// <summary>Hooks that run before pivot_root, for which the child must stop.</summary>
    public bool HasCreateHooks { get; init; }
}

/// <summary>A compiled filter; see <see cref="SeccompCompiler"/>.</summary>
/// <param name="Instructions">struct sock_filter, one after another.</param>
/// <param name="Flags">For seccomp(2).</param>
/// <param name="HasListener">A descriptor comes back that must reach the listener.</param>
internal sealed record SeccompProgram(byte[] Instructions, uint Flags, bool HasListener);

/// <summary>What a cgroup mount inside the container shows.</summary>
/// <param name="Unified">cgroup v2 only.</param>
/// <param name="Hierarchies">v1: each one's directory name (<c>cpu,cpuacct</c>), mount option, and the container's own cgroup in it.</param>
/// <param name="UnifiedPath">v2: the container's own cgroup.</param>
internal sealed record CgroupMountSource(bool Unified, IReadOnlyList<CgroupHierarchyMount> Hierarchies, string? UnifiedPath);

internal sealed record CgroupHierarchyMount(string Name, string Option, string Path);

/// <summary>The plan under construction and what its parts share.</summary>
internal sealed class PlanContext
{
    private readonly nint _openDirectory;
    private readonly nint _openAny;
    private readonly nint _openPlainDirectory;

    public PlanContext(LaunchPlan plan, LaunchInputs inputs)
    {
        Plan = plan;
        B = new PlanBuilder(plan);
        Inputs = inputs;
        PidRegister = B.NewRegister();
        Root = B.NewRegister();
        Source = B.NewRegister();
        Target = B.NewRegister();
        Scratch = B.NewRegister();
        File = B.NewRegister();
        _openDirectory = How(OpenFlags.Path | OpenFlags.Directory, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
        _openAny = How(OpenFlags.Path, ResolveFlags.InRoot | ResolveFlags.NoMagicLinks);
        _openPlainDirectory = How(OpenFlags.Path | OpenFlags.Directory, ResolveFlags.InRoot | ResolveFlags.NoSymlinks);
        StatBuffer = plan.Reserve(256);
        HowSize = 24;
    }

    public LaunchPlan Plan { get; }
    public PlanBuilder B { get; }
    public LaunchInputs Inputs { get; }
    public Spec Spec => Inputs.Spec;

    /// <summary>The first register: the pid, as the parent's fork returned it.</summary>
    public Register PidRegister { get; }

    /// <summary>The container's root directory, before it becomes <c>/</c>.</summary>
    public Register Root { get; }

    /// <summary>Registers used over and over; nothing is kept in them from one step to the next.</summary>
    public Register Source { get; }

    public Register Target { get; }
    public Register Scratch { get; }
    public Register File { get; }

    /// <summary>For statx and statfs.</summary>
    public nint StatBuffer { get; }

    public int HowSize { get; }

    public bool HasNew(NamespaceKind kind) => Find(kind) is { Path: null or "" };

    public bool Has(NamespaceKind kind) => Find(kind) is not null;

    public bool NewUserNamespace => HasNew(NamespaceKind.User);

    public nint How(int flags, ResolveFlags resolve) =>
        Plan.Longs((uint)(flags | OpenFlags.CloseOnExec), 0, (long)resolve);

    /// <summary>Cleans a path of the configuration without looking at any filesystem: absolute, no <c>.</c>, <c>..</c>, <c>//</c>.</summary>
    public static string Clean(string path) => System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath("/" + path));

    /// <summary>Opens a place inside the root as <c>O_PATH</c>; symbolic links cannot lead out of the root.</summary>
    public PlanBuilder Open(Register into, string path, bool directory, Note note, bool plain = false) =>
        OpenHow(into, path, directory ? plain ? _openPlainDirectory : _openDirectory : _openAny, note);

    public PlanBuilder OpenHow(Register into, string path, nint how, Note note)
    {
        var relative = path.Length > 1 ? path[1..] : ".";
        var again = new Label();
        B.Mark(again);
        B.ResultInto(into, note, SystemCall.Openat2, Root, Plan.Text(relative), how, HowSize);
        // A rename elsewhere raced with the resolution: the kernel could not prove that it stayed inside, and asks to try again.
        return B.On(Errno.EAGAIN, again);
    }

    /// <summary>Opens a directory inside the root, making it and its parents where they are missing.</summary>
    public void EnsureDirectory(Register into, string path, Note note, bool plain = false)
    {
        Label missing = new(), done = new();
        Open(into, path, directory: true, note, plain).On(Errno.ENOENT, missing);
        B.Jump(done);
        B.Mark(missing);
        MakeParents(path);
        B.Call(new Note("create directory {0}", path), SystemCall.Mkdirat, Scratch, Plan.Text(LastName(path)), 0x1ed);
        B.Ignore(Errno.EEXIST);
        Close(Scratch);
        Open(into, path, directory: true, note, plain);
        B.Mark(done);
    }

    /// <summary>Makes every directory above the last name; the last of them is then open in <see cref="Scratch"/>.</summary>
    public void MakeParents(string path)
    {
        Label chain = new(), done = new();
        var end = path.LastIndexOf('/');
        var parent = end <= 0 ? "/" : path[..end];
        Open(Scratch, parent, directory: true, new Note("open {0}", parent)).On(Errno.ENOENT, chain);
        B.Jump(done);
        B.Mark(chain);
        for (var slash = parent.IndexOf('/', 1); ; slash = parent.IndexOf('/', slash + 1))
        {
            var prefix = slash < 0 ? parent : parent[..slash];
            var above = prefix.LastIndexOf('/') is var s && s <= 0 ? "/" : prefix[..s];
            Open(Scratch, above, directory: true, new Note("open {0}", above));
            B.Call(new Note("create directory {0}", prefix), SystemCall.Mkdirat, Scratch, Plan.Text(LastName(prefix)), 0x1ed);
            B.Ignore(Errno.EEXIST);
            Close(Scratch);
            if (slash < 0)
            {
                break;
            }
        }

        Open(Scratch, parent, directory: true, new Note("open {0}", parent));
        B.Mark(done);
    }

    public static string LastName(string path) => path[(path.LastIndexOf('/') + 1)..];

    public void Close(Register register) => B.Call(new Note("close"), SystemCall.Close, register);

    /// <summary>Writes to a file of the host's own /proc, which no image can redirect. Only before the root is switched.</summary>
    public PlanBuilder WriteHostFile(string path, string value, Note note, Label? onFailure = null)
    {
        B.ResultInto(File, note, SystemCall.Openat, Files.CurrentDirectory, Plan.Text(path), OpenFlags.WriteOnly | OpenFlags.CloseOnExec);
        if (onFailure is not null)
        {
            B.OnAny(onFailure);
        }

        var bytes = Encoding.UTF8.GetBytes(value);
        B.Call(note, SystemCall.Write, File, Plan.Bytes(bytes), bytes.Length);
        if (onFailure is not null)
        {
            B.OnAny(onFailure);
        }

        Close(File);
        return B;
    }

    /// <summary>Tells the parent that a point is reached and waits until it has done its part.</summary>
    public void Synchronize(ReportKind kind, Note note, nint replyBuffer = 0, int replySize = 0)
    {
        Report(kind, 0, note);
        AwaitAnswer(note, replyBuffer, replySize);
    }

    /// <summary>Waits for the parent's answer, one byte if no buffer is given for more.</summary>
    public void AwaitAnswer(Note note, nint buffer = 0, int size = 0)
    {
        if (buffer == 0)
        {
            (buffer, size) = (StatBuffer, 1);
        }

        B.Call(note, SystemCall.Read, Inputs.ReportFd, buffer, size);
        B.With(Launch.OpFlags.ZeroFails);
    }

    public void Report(ReportKind kind, int value, Note note) =>
        B.Call(note, SystemCall.Write, Inputs.ReportFd, Plan.Ints((int)kind, value), 8);

    private LinuxNamespace? Find(NamespaceKind kind)
    {
        foreach (var space in Spec.Linux?.Namespaces ?? [])
        {
            if (NamespaceSteps.KindOf(space.Type) == kind)
            {
                return space;
            }
        }

        return null;
    }
}
