using Cais.Api;
using Cais.Daemon.Http;

namespace Cais.Daemon.Endpoints;

/// <summary>Answers as older API versions had them: what came later is left out, what went away is put back.</summary>
internal static class Older
{
    private static readonly ApiVersion V144 = new(1, 44);
    private static readonly ApiVersion V146 = new(1, 46);
    private static readonly ApiVersion V148 = new(1, 48);
    private static readonly ApiVersion V152 = new(1, 52);

    public static ContainerInspectResponse Adapt(ContainerInspectResponse container, ApiVersion version)
    {
        if (version < V148)
        {
            container = container with { ImageManifestDescriptor = null };
        }

        if (version < V152)
        {
            return container with
            {
                Storage = null,
                GraphDriver = new DriverData { Name = container.Driver, Data = null },
            };
        }

        return container with { NetworkSettings = WithoutLegacy(container.NetworkSettings) };
    }

    public static ContainerSummary Adapt(ContainerSummary container, ApiVersion version)
    {
        if (version < V146 && container.HostConfig is { } host)
        {
            container = container with { HostConfig = host with { Annotations = null } };
        }

        if (version < V148)
        {
            container = container with { ImageManifestDescriptor = null };
        }

        return version < V152 ? container with { Health = null } : container;
    }

    public static EventMessage Adapt(EventMessage message, ApiVersion version)
    {
        if (version >= V152)
        {
            return message;
        }

        string? from = null;
        message.Actor?.Attributes?.TryGetValue("image", out from);
        return message.Type is "container" or "image"
            ? message with { Status = message.Action, Id = message.Actor?.ID, From = message.Type == "container" ? from : null }
            : message;
    }

    public static ImageSummary Adapt(ImageSummary image, ApiVersion version)
    {
        if (version < V144)
        {
            image = image with { VirtualSize = image.Size };
        }

        if (version < new ApiVersion(1, 43))
        {
            image = image with
            {
                RepoTags = image.RepoTags is { Count: > 0 } ? image.RepoTags : ["<none>:<none>"],
                RepoDigests = image.RepoDigests is { Count: > 0 } ? image.RepoDigests : ["<none>@<none>"],
            };
        }

        return version < V148 ? image with { Descriptor = null } : image;
    }

    public static ImageInspect Adapt(ImageInspect image, ApiVersion version)
    {
        if (version < V144)
        {
            image = image with { VirtualSize = image.Size };
        }

        if (version < V148)
        {
            image = image with { Descriptor = null };
        }

        return version < V152
            ? image with
            {
                Parent = "",
                DockerVersion = "",
                Comment = image.Comment ?? "",
                Author = image.Author ?? "",
                GraphDriver = new DriverData { Name = "overlayfs", Data = null },
            }
            : image;
    }

    /// <summary>A request of an older client, without what its version did not know and with what it then meant.</summary>
    public static HostConfig Read(HostConfig host, ApiVersion version, int cgroupVersion)
    {
        if (version < new ApiVersion(1, 41) && string.IsNullOrEmpty(host.CgroupnsMode) && cgroupVersion == 1)
        {
            host = host with { CgroupnsMode = "host" };
        }

        if (version < new ApiVersion(1, 40) && string.IsNullOrEmpty(host.IpcMode))
        {
            // Before there was a choice, every container's could be joined.
            host = host with { IpcMode = "shareable" };
        }

        if (version < new ApiVersion(1, 42))
        {
            host = host with { ConsoleSize = null, Mounts = host.Mounts?.Select(OwnOptionsOnly).ToList() };
        }

        if (version < new ApiVersion(1, 43))
        {
            host = host with { Annotations = null };
        }

        foreach (var mount in host.Mounts ?? [])
        {
            if (version < new ApiVersion(1, 45) && mount.VolumeOptions?.Subpath is { Length: > 0 })
            {
                throw Engine.EngineException.InvalidParameter("VolumeOptions.Subpath needs API v1.45 or newer");
            }

            if (version < V148 && mount.Type == "image")
            {
                throw Engine.EngineException.InvalidParameter("mount type \"image\" needs API v1.48 or newer");
            }
        }

        return version >= V144 ? host : host with
        {
            // Read-only was not recursive then.
            Mounts = host.Mounts?.Select(m => m.Type == "bind" && m.ReadOnly == true
                ? m with { BindOptions = (m.BindOptions ?? new MountSpecBindOptions()) with { ReadOnlyNonRecursive = true, ReadOnlyForceRecursive = null } }
                : m).ToList(),
        };
    }

    public static ContainerConfig Read(ContainerConfig config, ApiVersion version) =>
        version < V144 && config.Healthcheck is { } health ? config with { Healthcheck = health with { StartInterval = null } } : config;

    public static ContainerUpdateRequest Read(ContainerUpdateRequest change, ApiVersion version) => version >= new ApiVersion(1, 55) ? change : change with
    {
        BlkioWeightDevice = null,
        BlkioDeviceReadBps = null,
        BlkioDeviceWriteBps = null,
        BlkioDeviceReadIOps = null,
        BlkioDeviceWriteIOps = null,
    };

    private static MountSpec OwnOptionsOnly(MountSpec mount) => mount with
    {
        BindOptions = mount.Type == "bind" ? mount.BindOptions is { } bind ? bind with { CreateMountpoint = null } : null : null,
        VolumeOptions = mount.Type == "volume" ? mount.VolumeOptions : null,
        TmpfsOptions = mount.Type == "tmpfs" ? mount.TmpfsOptions : null,
    };

    private static NetworkSettings? WithoutLegacy(NetworkSettings? settings) => settings is null ? null : new NetworkSettings
    {
        SandboxID = settings.SandboxID,
        SandboxKey = settings.SandboxKey,
        Ports = settings.Ports,
        Networks = settings.Networks,
    };
}
