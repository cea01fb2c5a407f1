using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Launch;

namespace Cais.Runtime.Compile;

/// <summary>The working directory, the program, its standard streams and descriptors: the way out through execve.</summary>
internal static class ExecutableSteps
{
    private const string DefaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    private const int ExecuteAccess = 1;
    private const int EffectiveIds = 0x200;
    private const int CloseOnExecOnly = 4;
    private const int HomeSize = 512;

    /// <summary>
    /// Goes to the working directory. It is resolved without magic links: /proc/self/fd/7 as a working directory would otherwise lead
    /// out through a descriptor that belongs to the runtime (CVE-2024-21626). Returns a label for the second try, as the user.
    /// </summary>
    public static void ChangeDirectory(PlanContext context, string path, bool asUser, Register done)
    {
        var b = context.B;
        var note = new Note("go to the working directory {0}", path);
        Label there = new();
        if (asUser)
        {
            // Registers start at 0: the first try leaves 1 behind where it succeeded.
            b.JumpIfEqual(RegisterAddress(context, done), -1, 1, there, new Note("already there?"));
        }

        var how = context.How(OpenFlags.Path | OpenFlags.Directory, ResolveFlags.NoMagicLinks);
        Label again = new(), later = new();
        b.Mark(again);
        b.ResultInto(context.File, note, SystemCall.Openat2, Files.CurrentDirectory, context.Plan.Text(path), how, context.HowSize);
        b.On(Errno.EAGAIN, again);
        if (!asUser)
        {
            b.On(Errno.EACCES, later).On(Errno.EPERM, later);
        }

        b.Call(note, SystemCall.Fchdir, context.File);
        if (!asUser)
        {
            b.On(Errno.EACCES, later).On(Errno.EPERM, later);
        }

        context.Close(context.File);
        b.Set(done, 1, new Note("there"));
        b.Mark(later);
        b.Mark(there);
    }

    /// <summary>Finds the program as the shell would, with the rights of the user; its path is then in the returned register.</summary>
    public static Register Find(PlanContext context, Process process)
    {
        var b = context.B;
        var name = process.Args![0];
        var found = b.NewRegister();
        Label done = new();
        if (name.Contains('/', StringComparison.Ordinal))
        {
            b.Set(found, context.Plan.Text(name), new Note("the program is {0}", name));
            b.Call(
                new Note("exec: \"{0}\"", name), SystemCall.Faccessat2, Files.CurrentDirectory, context.Plan.Text(name), ExecuteAccess, EffectiveIds);
            RefuseDirectory(context, name, name);
            return found;
        }

        Label denied = new();
        var deniedSeen = b.NewRegister();

        // No name is no file anywhere, though each directory of the path would be found for it.
        foreach (var directory in name.Length == 0 ? [] : SearchPath(process.Env).Split(':'))
        {
            var candidate = directory.Length == 0 ? $"./{name}" : directory.EndsWith('/') ? directory + name : $"{directory}/{name}";
            var text = context.Plan.Text(candidate);
            Label next = new(), remember = new();
            b.Call(new Note("look for {0}", candidate), SystemCall.Faccessat2, Files.CurrentDirectory, text, ExecuteAccess, EffectiveIds);
            b.On(Errno.EACCES, remember).OnAny(next);
            IsDirectory(context, candidate, remember);
            b.Set(found, text, new Note("the program is {0}", candidate));
            b.Jump(done);
            b.Mark(remember);
            b.Set(deniedSeen, 1, new Note("but it may not be executed"));
            b.Mark(next);
        }

        b.JumpIfEqual(RegisterAddress(context, deniedSeen), -1, 1, denied, new Note("was there one that may not be executed?"));
        b.Fail(Errno.ENOENT, new Note("exec: \"{0}\": executable file not found in $PATH", name, Complete: true));
        b.Mark(denied);
        b.Fail(Errno.EACCES, new Note("exec: \"{0}\"", name));
        b.Mark(done);
        return found;
    }

    /// <summary>Points the standard streams where the caller wants them.</summary>
    public static void SetStreams(PlanContext context, uint uid)
    {
        var (input, output, error) = context.Inputs.Streams;
        var chown = context.Inputs.ChownStreams;
        Stream(context, 0, input, chown.Input, uid);
        Stream(context, 1, output, chown.Output, uid);
        Stream(context, 2, error, chown.Error, uid);
    }

    private static void Stream(PlanContext context, int number, int from, bool chown, uint uid)
    {
        var name = number == 0 ? "standard input" : number == 1 ? "standard output" : "standard error";
        if (from >= 0)
        {
            context.B.Call(new Note("set {0}", name), SystemCall.Dup3, from, number, 0);
        }

        if (chown)
        {
            context.B.Call(new Note("give {0} to its user", name), SystemCall.Fchown, number, (nint)uid, -1);
            context.B.IgnoreAll();
        }
    }

    /// <summary>
    /// Closes everything but the standard streams, what the caller preserves, and the descriptors named. Really closes: with
    /// close-on-exec alone a descriptor of the host would still be there while the container's paths are resolved.
    /// </summary>
    public static void CloseDescriptors(PlanContext context, params ReadOnlySpan<int> keep)
    {
        var first = 3 + context.Inputs.PreserveFds;
        var sorted = keep.ToArray();
        Array.Sort(sorted);
        var note = new Note("close descriptors");
        foreach (var fd in sorted)
        {
            if (fd < first)
            {
                continue;
            }

            if (fd > first)
            {
                context.B.Call(note, SystemCall.CloseRange, first, fd - 1, 0);
            }

            first = fd + 1;
        }

        context.B.Call(note, SystemCall.CloseRange, first, unchecked((nint)uint.MaxValue), 0);
        for (var fd = 3; fd < 3 + context.Inputs.PreserveFds; fd++)
        {
            context.B.Call(new Note("preserve descriptor {0}", fd.ToString(System.Globalization.CultureInfo.InvariantCulture)), SystemCall.Fcntl, fd, 2, 0);
            context.B.Ignore(Errno.EBADF);
        }
    }

    /// <summary>
    /// The environment; where it lacks HOME, the parent looks it up in the container's own /etc/passwd and the answer is filled in.
    /// </summary>
    public static nint Environment(PlanContext context, Process process)
    {
        var variables = new List<string>(process.Env ?? []);
        var needsHome = true;
        foreach (var variable in variables)
        {
            needsHome &= !variable.StartsWith("HOME=", StringComparison.Ordinal);
        }

        if (!needsHome)
        {
            return context.Plan.TextArray(variables);
        }

        variables.Add("HOME=");
        var array = context.Plan.TextArray(variables);
        var home = context.Plan.Reserve(HomeSize);
        unsafe
        {
            ((nint*)array)[variables.Count - 1] = home;
        }

        context.Synchronize(ReportKind.FindHome, new Note("find the user's home directory"), home, HomeSize - 1);
        return array;
    }

    public static void Execute(PlanContext context, Process process, Register path, nint environment) =>
        context.B.Call(
            new Note("exec: \"{0}\"", process.Args![0]), SystemCall.Execve, path, context.Plan.TextArray(process.Args), environment);

    private static string SearchPath(IReadOnlyList<string>? environment)
    {
        foreach (var variable in environment ?? [])
        {
            if (variable.StartsWith("PATH=", StringComparison.Ordinal))
            {
                return variable[5..];
            }
        }

        return DefaultPath;
    }

    /// <summary>A directory may be "executable", but not as a program.</summary>
    private static void RefuseDirectory(PlanContext context, string path, string name)
    {
        Label directory = new(), fine = new();
        IsDirectory(context, path, directory);
        context.B.Jump(fine);
        context.B.Mark(directory);
        context.B.Fail(Errno.EACCES, new Note("exec: \"{0}\"", name));
        context.B.Mark(fine);
    }

    private static void IsDirectory(PlanContext context, string path, Label yes)
    {
        Label no = new();
        context.B.Call(
            new Note("is {0} a directory?", path), SystemCall.Faccessat2, Files.CurrentDirectory, context.Plan.Text(path + "/."), 0, EffectiveIds);
        context.B.OnAny(no);
        context.B.Jump(yes);
        context.B.Mark(no);
    }

    private static nint RegisterAddress(PlanContext context, Register register) => context.Plan.RegisterAddress(register.Index);
}
