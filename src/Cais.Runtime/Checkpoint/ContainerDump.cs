using System.Globalization;
using Cais.Linux;
using Cais.Linux.Status;
using Cais.Oci.Runtime;

namespace Cais.Runtime.Checkpoint;

/// <summary>Saves a running container's processes with criu.</summary>
internal static class ContainerDump
{
    public static void Run(string directory, StateFile state, Spec spec, CheckpointRequest request)
    {
        if (spec.Process?.Terminal == true && !request.ShellJob)
        {
            throw new RuntimeException(
                RuntimeError.InvalidConfig, "a container with a terminal can only be saved with --shell-job: its terminal lies outside");
        }

        var images = Path.GetFullPath(request.ImagePath);
        var work = Path.GetFullPath(request.WorkPath ?? $"{directory}/criu.work");
        Directory.CreateDirectory(images);
        Directory.CreateDirectory(work);
        var pid = state.InitProcessPid;
        var arguments = CriuProgram.Arguments(request.PreDump ? "pre-dump" : "dump", request with { ImagePath = images }, work);
        arguments.AddRange(["--tree", Text(pid), "--root", state.Rootfs]);
        if (request.LeaveRunning && !request.PreDump)
        {
            arguments.Add("--leave-running");
        }

        if (request.PreDump || request.ParentPath is not null)
        {
            arguments.Add("--track-mem");
        }

        if (request.ParentPath is { } parent)
        {
            arguments.AddRange(["--prev-images-dir", parent]);
        }

        if (request.PageServer is { } server)
        {
            var colon = server.LastIndexOf(':');
            if (colon <= 0)
            {
                throw new RuntimeException(RuntimeError.InvalidConfig, $"--page-server \"{server}\" must be ADDRESS:PORT");
            }

            arguments.AddRange(["--page-server", "--address", server[..colon], "--port", server[(colon + 1)..]]);
        }

        // Engines pause a container before they save it; criu must know where, to let it move while it is being saved.
        if (FreezerOf(state.CgroupPaths) is { } freezer)
        {
            arguments.AddRange(["--freeze-cgroup", freezer]);
        }

        Add(request.TcpSkipInFlight, "--skip-in-flight");
        Add(request.LinkRemap, "--link-remap");
        foreach (var (destination, _) in CriuResources.ExternalMounts(spec, state.Bundle, state.Rootfs))
        {
            arguments.AddRange(["--external", $"mnt[{destination}]:{destination}"]);
        }

        if (CriuResources.NetworkNamespace(spec) is { } network && EntryStatus.Of(network, follow: true) is { } status)
        {
            arguments.AddRange(["--external", $"net[{status.Inode.ToString(CultureInfo.InvariantCulture)}]:{ContainerRestore.NetworkKey}"]);
        }

        // Its own and those of the programs that it runs: files and FIFOs outside must be named, pipes criu knows by itself.
        var streams = CriuResources.Streams(pid);
        foreach (var key in streams)
        {
            Add(key?.StartsWith("file[", StringComparison.Ordinal) == true, "--external", key!);
        }

        using var statusFd = request.StatusFd < 0 ? null : new FileDescriptor(request.StatusFd, ownsHandle: false);
        Add(statusFd is not null, "--status-fd", "3");
        CriuProgram.Run(request.Criu, arguments, work, statusFd is null ? [] : [statusFd], []);
        if (!request.PreDump)
        {
            CriuResources.WriteStreams(images, streams);
        }

        void Add(bool wanted, params string[] words)
        {
            if (wanted)
            {
                arguments.AddRange(words);
            }
        }
    }

    private static string? FreezerOf(IReadOnlyList<string> paths)
    {
        var layout = CgroupLayout.Detect();
        var mountPoint = layout.IsUnified ? layout.Hierarchies[0].MountPoint : layout.Find("freezer")?.MountPoint;
        foreach (var path in paths)
        {
            if (mountPoint is not null && path.StartsWith(mountPoint + "/", StringComparison.Ordinal))
            {
                return path;
            }
        }

        return null;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
