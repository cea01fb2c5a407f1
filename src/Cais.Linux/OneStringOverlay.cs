using System.Text;

namespace Cais.Linux;

/// <summary>
/// An overlay's options as kernels before 6.8 want them: all layers in one string, which mount(2) takes and which may be one page long. Paths are
/// written from the directory that all are in, so that more layers fit.
/// </summary>
/// <param name="Directory">Where to be when it is mounted.</param>
/// <param name="Data">For mount(2).</param>
public sealed record OneStringOverlay(string Directory, string Data)
{
    /// <summary>Whether this kernel knows nothing else. <c>lowerdir+</c> came with 6.8; overlays know fsconfig(2) itself since 6.5, and before it they accept any option at first.</summary>
    public static bool IsNeeded { get; } = Environment.OSVersion.Version < new Version(6, 8);

    /// <summary>From options in which each layer is a <c>lowerdir+</c> of its own, the top one first; without a value they are flags.</summary>
    public static OneStringOverlay Of(IReadOnlyList<KeyValuePair<string, string?>> options)
    {
        var directory = CommonDirectory(options);
        var lower = new StringBuilder();
        var rest = new StringBuilder();
        foreach (var (key, value) in options)
        {
            if (key == "lowerdir+")
            {
                lower.Append(lower.Length == 0 ? "lowerdir=" : ":");
                Append(lower, Relative(value ?? "", directory), separators: true);
                continue;
            }

            rest.Append(',').Append(key);
            if (value is not null)
            {
                Append(rest.Append('='), key is "upperdir" or "workdir" ? Relative(value, directory) : value, separators: false);
            }
        }

        return new OneStringOverlay(directory, lower.Append(rest).ToString());
    }

    /// <summary>
    /// The overlay, not attached anywhere yet. mount(2) can only attach, and the directory counts for all threads, so a thread with a mount namespace
    /// and a working directory of its own does it, in which nobody sees the mount.
    /// </summary>
    /// <exception cref="LinuxException">What mount(2) says.</exception>
    public static FileDescriptor Create(IReadOnlyList<KeyValuePair<string, string?>> options)
    {
        var overlay = Of(options);
        var place = options.FirstOrDefault(option => option.Key is "upperdir" or "lowerdir+").Value ?? "/";
        FileDescriptor? mount = null;
        LinuxException? failure = null;
        var thread = new Thread(() =>
        {
            try
            {
                Call(SystemCall.Unshare, (nint)NamespaceKind.Mount, "leave the mount namespace");
                Mounts.Mount(null, "/", null, MountFlags.Recursive | MountFlags.Private);
                using var directory = new Utf8(overlay.Directory);
                Call(SystemCall.Chdir, directory, $"change to {overlay.Directory}");
                Mounts.Mount("overlay", place, "overlay", MountFlags.None, overlay.Data);
                mount = Mounts.Clone(place, recursive: false);
            }
            catch (LinuxException e)
            {
                failure = new LinuxException(e.Errno, $"mount overlay {overlay.Data} in {overlay.Directory}");
            }
        });
        thread.Start();
        thread.Join();
        return mount ?? throw failure!;
    }

    private static void Call(int number, nint argument, string what)
    {
        if (SystemCall.Invoke(number, argument) < 0)
        {
            throw LinuxException.FromLastError(what);
        }
    }

    private static string CommonDirectory(IReadOnlyList<KeyValuePair<string, string?>> options)
    {
        string? common = null;
        foreach (var (key, value) in options)
        {
            if (key is "lowerdir+" or "upperdir" or "workdir" && value is { Length: > 0 })
            {
                if (value[0] != '/')
                {
                    return "/";
                }

                var parent = value[..Math.Max(1, value.LastIndexOf('/'))];
                common ??= parent;
                while (common != "/" && parent != common && !parent.StartsWith(common + "/", StringComparison.Ordinal))
                {
                    common = common[..Math.Max(1, common.LastIndexOf('/'))];
                }
            }
        }

        return common ?? "/";
    }

    private static string Relative(string path, string directory) =>
        directory != "/" && path.StartsWith(directory + "/", StringComparison.Ordinal) ? path[(directory.Length + 1)..] : path;

    private static void Append(StringBuilder text, string value, bool separators)
    {
        foreach (var c in value)
        {
            if (c is '\\' or ',' || (separators && c == ':'))
            {
                text.Append('\\');
            }

            text.Append(c);
        }
    }
}
