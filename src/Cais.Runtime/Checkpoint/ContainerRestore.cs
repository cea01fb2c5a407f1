using System.Globalization;
using Cais.Linux;
using Cais.Oci.Runtime;
using Cais.Runtime.Cgroups;

namespace Cais.Runtime.Checkpoint;

/// <summary>Brings a container's processes back with criu; its first process becomes a child of this one.</summary>
internal static class ContainerRestore
{
    /// <summary>The network namespace that the container was given, in the image.</summary>
    public const string NetworkKey = "extRootNetNS";

    private const string RootName = "criu.root";
    private const string PidName = "criu.pid";

    public static Container Run(string directory, StateFile state, Spec spec, RestoreRequest request, ContainerCgroup cgroup)
    {
        if (spec.Process?.Terminal == true && !request.ShellJob)
        {
            throw new RuntimeException(RuntimeError.InvalidConfig, "a container with a terminal can only be restored with --shell-job");
        }

        var images = Path.GetFullPath(request.ImagePath);
        var work = Path.GetFullPath(request.WorkPath ?? $"{directory}/criu.work");
        Directory.CreateDirectory(work);
        var streams = CriuResources.ReadStreams(images);
        var root = $"{directory}/{RootName}";
        var pidFile = $"{directory}/{PidName}";
        Directory.CreateDirectory(root);

        // criu wants a mount point to switch its root to.
        Mounts.Mount(state.Rootfs, root, null, MountFlags.Bind | MountFlags.Recursive);
        try
        {
            var arguments = CriuProgram.Arguments("restore", request with { ImagePath = images }, work);
            arguments.AddRange(["--root", root, "--restore-detached", "--restore-sibling", "--pidfile", pidFile]);
            AddIf(arguments, request.TcpClose, "--tcp-close");
            AddIf(arguments, request.LsmProfile is not null, "--lsm-profile", request.LsmProfile ?? "");
            AddIf(arguments, request.LsmMountContext is not null, "--lsm-mount-context", request.LsmMountContext ?? "");
            foreach (var (destination, source) in CriuResources.ExternalMounts(spec, state.Bundle, state.Rootfs))
            {
                arguments.AddRange(["--external", $"mnt[{destination}]:{source}"]);
            }

            var passed = new List<FileDescriptor>();
            using var network = CriuResources.NetworkNamespace(spec) is { } path ? Files.Open(path, OpenFlags.ReadOnly) : null;
            if (network is not null)
            {
                Inherit(arguments, passed, network, NetworkKey);
            }

            FileDescriptor?[] given = [request.Container.Streams?.Input, request.Container.Streams?.Output, request.Container.Streams?.Error];
            for (var i = 0; i < Math.Min(streams.Count, 3); i++)
            {
                if (streams[i].Length > 0)
                {
                    Inherit(arguments, passed, given[i] ?? new FileDescriptor(i, ownsHandle: false), streams[i]);
                }
            }

            CriuProgram.Run(request.Criu, arguments, work, passed, EntranceFiles(cgroup));
        }
        finally
        {
            Mounts.Unmount(root, lazy: true);
            Directory.Delete(root);
        }

        var pid = int.Parse(File.ReadAllText(pidFile), NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture);
        var pidFd = Pidfd.TryOpen(pid) ?? throw new RuntimeException(RuntimeError.Failed, $"the restored process {pid} is gone");
        try
        {
            state = state with
            {
                InitProcessPid = pid,
                InitProcessStart = ProcessStatus.Of(pid)?.StartTime ?? throw new RuntimeException(RuntimeError.Failed, "the restored process has ended at once"),
            };
            state.Write(directory);
            ContainerLaunch.WritePidFile(request.Container.PidFile, pid);
            return new Container(directory, state, spec, pidFd);
        }
        catch
        {
            Pidfd.Signal(pidFd, Signals.Kill);
            pidFd.Dispose();
            throw;
        }
    }

    private static List<string> EntranceFiles(ContainerCgroup cgroup)
    {
        var files = new List<string>();
        foreach (var path in cgroup.Paths)
        {
            files.Add($"{path}/cgroup.procs");
        }

        return files;
    }

    private static void Inherit(List<string> arguments, List<FileDescriptor> passed, FileDescriptor descriptor, string key)
    {
        arguments.AddRange(["--inherit-fd", string.Create(CultureInfo.InvariantCulture, $"fd[{3 + passed.Count}]:{key}")]);
        passed.Add(descriptor);
    }

    private static void AddIf(List<string> arguments, bool wanted, params string[] words)
    {
        if (wanted)
        {
            arguments.AddRange(words);
        }
    }
}
