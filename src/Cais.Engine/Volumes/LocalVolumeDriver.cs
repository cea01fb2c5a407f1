using Cais.Linux.FileSystem;
using Cais.Linux.Status;

namespace Cais.Engine.Volumes;

/// <summary>Volumes that are directories of this machine, or mounts of something else on one.</summary>
/// <param name="root">Below it each volume has a directory of its name, with <c>_data</c> in it.</param>
/// <param name="volumes">All volumes there are.</param>
internal sealed class LocalVolumeDriver(string root, Func<IReadOnlyList<VolumeRecord>> volumes) : IVolumeDriver
{
    /// <summary>Not a volume's name: those begin with a letter or digit.</summary>
    public const string RemovedPrefix = ".removed-";

    /// <summary>Numbers below are left to those who number their projects by hand.</summary>
    private const uint FirstProject = 1_000_000;

    public string PathOf(string name) => Path.Combine(root, name, "_data");

    public Task<VolumeRecord> CreateAsync(VolumeRecord volume, CancellationToken cancellation)
    {
        var size = VolumeMount.Check(volume.Name, volume.Options);
        volume = volume with { Path = PathOf(volume.Name) };
        var isNew = !Directory.Exists(volume.Path);
        Directory.CreateDirectory(volume.Path);
        PathAttributes.ChangeMode(Path.GetDirectoryName(volume.Path)!, 0b111_000_001);
        if (isNew)
        {
            PathAttributes.ChangeMode(volume.Path, 0b111_101_101);
        }

        if (size > 0)
        {
            volume = volume with { Project = FreeProject() };
            if (!ProjectQuota.TrySet(volume.Path, volume.Project, size))
            {
                if (isNew)
                {
                    Trees.Delete(Path.GetDirectoryName(volume.Path)!);
                }

                throw EngineException.InvalidParameter(
                    $"create {volume.Name}: quota size requested but no quota support: {root} must be on ext4 or xfs that is mounted with the option prjquota");
            }
        }

        return Task.FromResult(volume);
    }

    public Task RemoveAsync(VolumeRecord volume, CancellationToken cancellation)
    {
        VolumeMount.Unmount(volume);
        var directory = Path.GetDirectoryName(volume.Path)!;
        if (Directory.Exists(directory))
        {
            // Set aside first: what a crash leaves half deleted is no volume any more.
            var aside = Path.Combine(root, RemovedPrefix + RandomId.New());
            Directory.Move(directory, aside);
            Trees.Delete(aside);
        }

        return Task.CompletedTask;
    }

    public Task<string> MountAsync(VolumeRecord volume, string user, bool isFirst, CancellationToken cancellation)
    {
        if (!isFirst || !VolumeMount.Has(volume))
        {
            // Somebody may have removed the directory by hand; an empty volume is better than a container that never starts again.
            Directory.CreateDirectory(volume.Path);
            return Task.FromResult(volume.Path);
        }

        // A server that does not answer keeps a thread, and nobody else.
        return Task.Run(
            () =>
            {
                VolumeMount.Unmount(volume);
                Directory.CreateDirectory(volume.Path);
                VolumeMount.Mount(volume);
                return volume.Path;
            },
            cancellation);
    }

    public Task UnmountAsync(VolumeRecord volume, string user, bool isLast, CancellationToken cancellation)
    {
        if (isLast)
        {
            VolumeMount.Unmount(volume);
        }

        return Task.CompletedTask;
    }

    public Task<VolumeState?> InspectAsync(VolumeRecord volume, CancellationToken cancellation) =>
        Task.FromResult<VolumeState?>(new VolumeState(volume.Path, null, null));

    private uint FreeProject() => Math.Max(FirstProject, volumes().Max(v => (uint?)v.Project) + 1 ?? FirstProject);
}
