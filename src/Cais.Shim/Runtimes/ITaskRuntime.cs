using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime;

namespace Cais.Shim.Runtimes;

/// <summary>What the shim needs of an OCI runtime, for one container. Called on the loop's thread; nothing here blocks it.</summary>
/// <remarks>Failures are <see cref="RuntimeException"/> or <see cref="LinuxException"/> with the runtime's own words.</remarks>
internal interface ITaskRuntime : IDisposable
{
    /// <summary>Whether the runtime mounts the root filesystem itself, inside the container; else it must be at <c>rootfs</c> in the bundle.</summary>
    bool MountsRootfs { get; }

    Task<StartedProcess> CreateAsync(TaskCreation creation);

    Task StartAsync();

    Task<StartedProcess> ExecAsync(TaskExec exec);

    Task KillAsync(int signal, bool all);

    Task PauseAsync();

    Task ResumeAsync();

    /// <param name="resources">LinuxResources of the runtime specification, as JSON.</param>
    Task UpdateAsync(ReadOnlyMemory<byte> resources);

    Task<IReadOnlyList<int>> PidsAsync();

    Task CheckpointAsync(TaskCheckpoint checkpoint);

    /// <summary>Removes what the runtime keeps; with <paramref name="force"/> it kills first and does not mind if there is nothing.</summary>
    Task DeleteAsync(bool force);
}

/// <summary>A new process, a child of the shim, which reaps it.</summary>
/// <param name="Pid">In the shim's pid namespace.</param>
/// <param name="PidFd">The receiver's to close.</param>
/// <param name="Console">The terminal's master, where one was asked for; the receiver's to close.</param>
internal sealed record StartedProcess(int Pid, FileDescriptor PidFd, FileDescriptor? Console);

/// <summary>What to create.</summary>
internal sealed record TaskCreation(Spec Spec, bool Terminal, StandardStreams Streams, IReadOnlyList<RootfsMount> Rootfs)
{
    public bool NoPivotRoot { get; init; }
    public bool NoNewKeyring { get; init; }

    /// <summary>Directory of a checkpoint to restore from, or empty.</summary>
    public string Checkpoint { get; init; } = "";
}

/// <param name="Name">Unique within the container and safe as a file name.</param>
/// <param name="Process">As JSON.</param>
/// <param name="Terminal">Whether a terminal is wanted; wins over what <paramref name="Process"/> says.</param>
/// <param name="Streams">Where there is no terminal.</param>
internal sealed record TaskExec(string Name, ReadOnlyMemory<byte> Process, bool Terminal, StandardStreams Streams);

/// <summary>See criu(8) and CheckpointOptions of containerd.</summary>
internal sealed record TaskCheckpoint(string ImagePath, string WorkPath)
{
    public bool Exit { get; init; }
    public bool OpenTcp { get; init; }
    public bool ExternalUnixSockets { get; init; }
    public bool Terminal { get; init; }
    public bool FileLocks { get; init; }
    public IReadOnlyList<string> EmptyNamespaces { get; init; } = [];
    public string CgroupsMode { get; init; } = "";
    public string ParentPath { get; init; } = "";
}
