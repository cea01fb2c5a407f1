using Cais.Api;
using Cais.Engine.Execs;

namespace Cais.Engine.Containers;

/// <summary>Containers in the API's words. Reads immutable values only and never waits.</summary>
internal sealed class ContainerDescriber(EngineServices services, ContainerNetwork networks, ContainerLinks links, ExecService execs)
{
    public ContainerInspectResponse Inspect(Container container, bool size)
    {
        var record = container.Record;
        var status = container.Status;
        var directory = Path.Combine(services.Options.ContainersDirectory, record.Id);
        var command = record.CommandLine;
        return new ContainerInspectResponse
        {
            Id = record.Id,
            Created = Timestamps.Format(record.Created),
            Path = command[0],
            Args = [.. command.Skip(1)],
            State = State(status),
            Image = record.ImageId,
            ResolvConfPath = Path.Combine(directory, "resolv.conf"),
            HostnamePath = Path.Combine(directory, "hostname"),
            HostsPath = Path.Combine(directory, "hosts"),
            LogPath = services.Logs.PublicPath(record),
            Name = "/" + record.Name,
            RestartCount = status.RestartCount,
            Driver = "overlayfs",
            Platform = "linux",
            ImageManifestDescriptor = record.ImageManifest,
            MountLabel = "",
            ProcessLabel = "",
            AppArmorProfile = Specs.SecurityOptions.Parse(record.HostConfig.SecurityOpt).AppArmor ?? "",
            ExecIDs = execs.RunningIn(container),
            HostConfig = record.Links.Count > 0 ? record.HostConfig with { Links = links.Describe(record) } : record.HostConfig,
            Storage = new StorageInfo { RootFS = new RootFSStorage { Snapshot = new RootFSStorageSnapshot { Name = "overlayfs" } } },
            SizeRw = size ? services.Images.Snapshots.Usage(record.Id) : null,
            SizeRootFs = size ? SizeOfRoot(record) : null,
            Mounts = [.. Mounts(record)],
            Config = record.Config,
            NetworkSettings = networks.Describe(record, status),
        };
    }

    public ContainerSummary Summarize(Container container, bool size)
    {
        var record = container.Record;
        var status = container.Status;
        return new ContainerSummary
        {
            Id = record.Id,
            Names = links.NamesOf(record),
            Image = ImageName(record),
            ImageID = record.ImageId,
            ImageManifestDescriptor = record.ImageManifest,
            Command = string.Join(' ', record.CommandLine.Select(Quote)),
            Created = record.Created.ToUnixTimeSeconds(),
            Ports = networks.Ports(record, status),
            SizeRw = size ? services.Images.Snapshots.Usage(record.Id) : null,
            SizeRootFs = size ? SizeOfRoot(record) : null,
            Labels = record.Config.Labels ?? new Dictionary<string, string>(),
            State = status.Name,
            Status = status.Describe(services.Time.GetUtcNow()),
            HostConfig = new ContainerSummaryHostConfig { NetworkMode = record.HostConfig.NetworkMode, Annotations = record.HostConfig.Annotations },
            NetworkSettings = new ContainerSummaryNetworkSettings { Networks = networks.Describe(record, status).Networks },
            Mounts = [.. Mounts(record)],
            Health = status.Health is { } health
                ? new ContainerSummaryHealth { Status = health.Status, FailingStreak = health.FailingStreak }
                : new ContainerSummaryHealth { Status = "none", FailingStreak = 0 },
        };
    }

    public static IEnumerable<MountPoint> Mounts(ContainerRecord record) => record.Mounts
        .Where(m => m.Type != "tmpfs" || m.FromMounts)
        .Select(m => new MountPoint
        {
            Type = m.Type,
            Name = m.Type == "image" ? record.HostConfig.Mounts?.FirstOrDefault(s => s.Type == "image" && s.Target is { } t && MountParser.Clean(t) == m.Destination)?.Source : m.Name,
            Source = m.Source,
            Destination = m.Destination,
            Driver = m.Driver,
            Mode = m.Type == "volume" && (m.FromMounts || (!m.Anonymous && m.Mode.Length == 0)) ? "z" : m.Mode,
            RW = !m.ReadOnly,
            Propagation = m.Type is "bind" or "image" ? m.Propagation.Length > 0 ? m.Propagation : "rprivate" : "",
        });

    private static ContainerState State(ContainerStatus status) => new()
    {
        Status = status.Name,
        Running = status.IsRunning,
        Paused = status.Phase == Phase.Paused,
        Restarting = status.Phase == Phase.Restarting,
        OOMKilled = status.OomKilled,
        Dead = status.Phase == Phase.Dead,
        Pid = status.Pid,
        ExitCode = status.ExitCode,
        Error = status.Error,
        StartedAt = Timestamps.Format(status.StartedAt),
        FinishedAt = Timestamps.Format(status.FinishedAt),
        Health = status.Health,
    };

    private long SizeOfRoot(ContainerRecord record)
    {
        try
        {
            return (services.Images.Resolve(record.ImageId)?.UnpackedSize ?? 0) + services.Images.Snapshots.Usage(record.Id);
        }
        catch (Images.ImageException)
        {
            return 0;
        }
    }

    /// <summary>As it was asked for, while that name still means the same image; its id otherwise.</summary>
    private string ImageName(ContainerRecord record)
    {
        try
        {
            return record.Config.Image is { } name && services.Images.Resolve(name)?.Id.ToString() == record.ImageId ? name : record.ImageId;
        }
        catch (Images.ImageException)
        {
            return record.ImageId;
        }
    }

    /// <summary>A word of a command line as docker shows it: quoted where a space would hide its bounds.</summary>
    private static string Quote(string word) => word.Contains(' ') ? $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'" : word;
}
