using Cais.Api;
using Cais.Engine.Volumes;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Engine.Containers;

/// <summary>What a create request asks for.</summary>
public sealed record CreateContainer
{
    /// <summary>Null takes a made-up name.</summary>
    public string? Name { get; init; }

    public required ContainerConfig Config { get; init; }

    public HostConfig HostConfig { get; init; } = new();

    public IReadOnlyDictionary<string, EndpointSettings> Networks { get; init; } = new Dictionary<string, EndpointSettings>();

    /// <summary><c>linux/arm64</c>; null takes this machine's.</summary>
    public string? Platform { get; init; }
}

/// <summary>Makes containers. Everything is checked before anything is made; the row comes last, and a failure takes back what came before it.</summary>
internal sealed class ContainerCreator(EngineServices services, ContainerLinks links)
{
    public async Task<(Container Container, IReadOnlyList<string> Warnings)> Create(CreateContainer request, CancellationToken cancellation)
    {
        var name = request.Name?.TrimStart('/');
        if (name is not null)
        {
            ConfigRules.CheckName(name);
        }

        ConfigRules.Check(request.Config);
        HostConfigRules.Check(request.Config, request.HostConfig, services.Options, services.Host);
        foreach (var (network, settings) in request.Networks)
        {
            HostConfigRules.Endpoint(network, settings);
        }

        var image = Find(request);
        var id = RandomId.New();
        var host = HostConfigRules.Complete(request.HostConfig, services.Options, services.Host);
        (host, var discarded) = HostConfigRules.Discard(host, services.Host);
        host = host with { NetworkMode = CanonicalNetwork(host.NetworkMode), IpcMode = Canonical(host.IpcMode), PidMode = Canonical(host.PidMode) };
        var config = ConfigRules.Merge(request.Config, image.Config.Config, id);
        if (config.Entrypoint is null && config.Cmd is null)
        {
            throw EngineException.InvalidParameter("no command specified");
        }

        if (host.NetworkMode == "host" && string.IsNullOrEmpty(request.Config.Hostname))
        {
            config = config with { Hostname = services.Host.Hostname };
        }

        var linked = links.Resolve(host);
        var record = new ContainerRecord
        {
            Id = id,
            Name = ReserveName(name, id),
            Created = services.Time.GetUtcNow(),
            ImageId = image.Id.ToString(),
            ImageManifest = Describe(image.ManifestDescriptor),
            Config = config,
            HostConfig = linked.Count > 0 ? host with { Links = null } : host,
            Networks = Networks(request, host),
            Links = linked,
            Mounts = [],
            Runtime = host.Runtime!,
            LogDriver = host.LogConfig!.Type!,
        };
        var directory = Path.Combine(services.Options.ContainersDirectory, id);
        var volumes = new List<VolumeRecord>();
        var held = 0;
        try
        {
            var mounts = MountParser.Parse(config, host, Other);
            mounts = await HoldImages(id, mounts, cancellation).ConfigureAwait(false);
            held = mounts.Count;
            Directory.CreateDirectory(directory);
            var rootfs = await services.Images.Snapshots.PrepareAsync(id, image, cancellation).ConfigureAwait(false);
            record = record with { Mounts = await CreateVolumes(id, mounts, request.HostConfig, volumes, cancellation).ConfigureAwait(false) };
            await VolumeCopy.FillNew(record.Mounts, rootfs, services.Volumes, id, cancellation).ConfigureAwait(false);
            var container = services.Containers.Add(record);
            container.Rootfs = rootfs;
            services.Tell(container, "create");
            return (container, [.. discarded, .. Warnings(request, host, image)]);
        }
        catch
        {
            services.Containers.Release(record.Name, id);
            services.Volumes.Release(id);
            foreach (var volume in volumes.Where(v => v.Anonymous))
            {
                await services.Volumes.Remove(volume.Name, force: true).ConfigureAwait(false);
            }

            await services.Images.Snapshots.RemoveAsync(id, CancellationToken.None).ConfigureAwait(false);
            for (var i = 0; i < held; i++)
            {
                await services.Images.Snapshots.RemoveAsync(HostMounts.SnapshotOf(id, i), CancellationToken.None).ConfigureAwait(false);
            }

            Trees.Delete(directory);
            throw;
        }
    }

    public static ApiDescriptor Describe(Descriptor descriptor) => new()
    {
        MediaType = descriptor.MediaType,
        Digest = descriptor.Digest.ToString(),
        Size = descriptor.Size,
        Platform = descriptor.Platform is { } platform
            ? new ApiPlatform { Architecture = platform.Architecture, Os = platform.Os, Variant = platform.Variant, OsVersion = platform.OsVersion }
            : null,
        Annotations = descriptor.Annotations is { Count: > 0 } annotations ? annotations : null,
    };

    private ImageRecord Find(CreateContainer request)
    {
        if (string.IsNullOrEmpty(request.Config.Image))
        {
            throw EngineException.InvalidParameter("no image specified");
        }

        try
        {
            return services.Images.Get(request.Config.Image, string.IsNullOrEmpty(request.Platform) ? null : Platform.Parse(request.Platform));
        }
        catch (ImageFormatException e)
        {
            throw EngineException.InvalidParameter(e.Message);
        }
    }

    /// <summary>A mode that names another container keeps that container's id, whatever it is renamed to.</summary>
    private string? Canonical(string? mode) =>
        Specs.Namespaces.ContainerOf(mode) is { } other ? "container:" + Other(other).Id : mode;

    private string? CanonicalNetwork(string? mode)
    {
        try
        {
            return Canonical(mode);
        }
        catch (EngineException e)
        {
            throw new EngineException(e.Kind, "joining network namespace of container: " + e.Message, e);
        }
    }

    /// <summary>"Not found" is how the answer of a create tells clients to pull the image: another container that is missing is a wrong parameter.</summary>
    private Container Other(string name) => services.Containers.Find(name) ?? throw EngineException.InvalidParameter($"No such container: {name}");

    private string ReserveName(string? name, string id)
    {
        if (name is not null)
        {
            services.Containers.Reserve(name, id);
            return name;
        }

        for (var attempt = 0; ; attempt++)
        {
            var made = RandomNames.Next(attempt);
            if (!services.Containers.IsNameTaken(made))
            {
                try
                {
                    services.Containers.Reserve(made, id);
                    return made;
                }
                catch (EngineException)
                {
                    // Somebody was quicker.
                }
            }
        }
    }

    /// <summary>The networks it joins: the one of the network mode, and those named besides.</summary>
    private static Dictionary<string, EndpointSettings> Networks(CreateContainer request, HostConfig host)
    {
        var networks = new Dictionary<string, EndpointSettings>();
        if (Specs.Namespaces.ContainerOf(host.NetworkMode) is not null)
        {
            return networks;
        }

        if (request.Config.NetworkDisabled == true && host.NetworkMode != "host")
        {
            // Loopback alone, whatever else was asked for.
            networks["none"] = new EndpointSettings();
            return networks;
        }

        foreach (var (name, settings) in request.Networks)
        {
            networks[name is "default" ? "bridge" : name] = settings;
        }

        if (!networks.ContainsKey(host.NetworkMode!))
        {
            networks[host.NetworkMode!] = new EndpointSettings();
        }

        return request.Config.MacAddress is { Length: > 0 } mac && string.IsNullOrEmpty(networks[host.NetworkMode!].MacAddress)
            ? new(networks) { [host.NetworkMode!] = networks[host.NetworkMode!] with { MacAddress = mac } }
            : networks;
    }

    /// <summary>Mounts of images keep these images' layers for as long as the container exists.</summary>
    private async Task<IReadOnlyList<MountRecord>> HoldImages(string id, IReadOnlyList<MountRecord> mounts, CancellationToken cancellation)
    {
        var result = new List<MountRecord>(mounts);
        for (var i = 0; i < result.Count; i++)
        {
            if (result[i].Type == "image")
            {
                var image = services.Images.Get(result[i].Source);
                await services.Images.Snapshots.PrepareAsync(HostMounts.SnapshotOf(id, i), image, cancellation).ConfigureAwait(false);
                result[i] = result[i] with { Source = image.Id.ToString() };
            }
        }

        return result;
    }

    private async Task<IReadOnlyList<MountRecord>> CreateVolumes(
        string id, IReadOnlyList<MountRecord> mounts, HostConfig host, List<VolumeRecord> made, CancellationToken cancellation)
    {
        var result = new List<MountRecord>();
        foreach (var mount in mounts)
        {
            if (mount.Type != "volume")
            {
                result.Add(mount);
                continue;
            }

            var options = host.Mounts?.FirstOrDefault(m => m.Type == "volume" && m.Target is { } target && MountParser.Clean(target) == mount.Destination)?.VolumeOptions;
            var isNew = mount.Name is null || services.Volumes.Find(mount.Name) is null;
            var volume = await services.Volumes.Create(mount.Name, mount.Driver, options?.DriverConfig?.Options, options?.Labels, cancellation, id).ConfigureAwait(false);
            if (isNew)
            {
                made.Add(volume);
            }

            result.Add(mount with
            {
                Name = volume.Name,
                Driver = volume.Driver,
                Source = volume.Path,
            });
        }

        return result;
    }

    private static List<string> Warnings(CreateContainer request, HostConfig host, ImageRecord image)
    {
        var warnings = new List<string>();
        if (host.NetworkMode == "host" && host.PortBindings is { Count: > 0 })
        {
            warnings.Add("Published ports are discarded when using host network mode");
        }

        if (host.VolumeDriver is { Length: > 0 } && host.Mounts is { Count: > 0 })
        {
            warnings.Add("The volume driver option of the container has no effect on mounts that are given in full: set the driver in the mount's volume options");
        }

        var own = Platform.Current;
        var platform = image.Config.Platform;
        if (string.IsNullOrEmpty(request.Platform) && platform.Architecture.Length > 0 && (platform.Os != own.Os || platform.Architecture != own.Architecture))
        {
            warnings.Add(
                $"The requested image's platform ({platform}) does not match the detected host platform ({own}) and no specific platform was requested");
        }

        return warnings;
    }
}
