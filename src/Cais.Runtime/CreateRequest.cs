using Cais.Linux;
using Cais.Oci.Runtime;

namespace Cais.Runtime;

/// <summary>What to create a container from.</summary>
public sealed record CreateRequest
{
    /// <summary>Unique within the state root; letters, digits and <c>_ + - .</c>.</summary>
    public required string Id { get; init; }

    /// <summary>Directory that holds config.json and that relative root paths start from. Absolute, or relative to the current directory.</summary>
    public required string Bundle { get; init; }

    /// <summary>The configuration as JSON; null reads <c>config.json</c> from the bundle. A copy is kept with the container's state.</summary>
    public byte[]? Configuration { get; init; }

    /// <summary>The same, for a caller that has parsed it already.</summary>
    public Spec? Spec { get; init; }

    /// <summary>
    /// Mounts that make the root filesystem, done at the root path inside the container's own mount namespace only: the host's mount
    /// table never sees them. An overlay's options go to the kernel one by one, so any number of layers works.
    /// </summary>
    public IReadOnlyList<RootfsMount>? RootfsMounts { get; init; }

    /// <summary>Standard streams when there is no terminal; the caller keeps ownership. Null inherits this process's own.</summary>
    public StandardStreams? Streams { get; init; }

    /// <summary>With <c>terminal: true</c>: a listening unix socket to send the terminal's master to. Null: it is returned in <see cref="Container.Console"/>.</summary>
    public string? ConsoleSocket { get; init; }

    /// <summary>A terminal without <see cref="ConsoleSocket"/> is an error: nobody would hold its master.</summary>
    public bool RequireConsoleSocket { get; init; }

    /// <summary>A file to write the pid of the container's first process to.</summary>
    public string? PidFile { get; init; }

    /// <summary>How many descriptors from 3 on the container inherits.</summary>
    public int PreserveFds { get; init; }

    /// <summary>Switch roots by moving the mount and chroot, for hosts whose own root is an initramfs.</summary>
    public bool NoPivot { get; init; }

    /// <summary>Share the caller's session keyring.</summary>
    public bool NoNewKeyring { get; init; }

    /// <summary>Ask systemd for the cgroup over D-Bus instead of making the directories.</summary>
    public bool SystemdCgroup { get; init; }

    /// <summary>The container gets no cgroup and stays in its parent's; limits are then an error.</summary>
    public bool WithoutCgroup { get; init; }
}

/// <summary>The three standard streams; null leaves the caller's own.</summary>
public sealed record StandardStreams(FileDescriptor? Input, FileDescriptor? Output, FileDescriptor? Error);

/// <summary>One mount of the root filesystem, as containerd hands them over: type, source, and options of mount(8).</summary>
public sealed record RootfsMount(string Type, string Source, IReadOnlyList<string> Options)
{
    /// <summary>Below the root path; empty is the root itself.</summary>
    public string Target { get; init; } = "";
}

/// <summary>A further process in a running container.</summary>
public sealed record ExecRequest
{
    public required Process Process { get; init; }

    /// <summary>As <see cref="CreateRequest.Streams"/>.</summary>
    public StandardStreams? Streams { get; init; }

    /// <summary>As <see cref="CreateRequest.ConsoleSocket"/>; null returns the master in <see cref="ProcessHandle.Console"/>.</summary>
    public string? ConsoleSocket { get; init; }

    public string? PidFile { get; init; }
    public int PreserveFds { get; init; }

    /// <summary>A cgroup below the container's own to start in; null is the container's.</summary>
    public string? SubCgroup { get; init; }

    /// <summary>Allow exec into a paused container (it will not run until resumed).</summary>
    public bool IgnorePaused { get; init; }
}
