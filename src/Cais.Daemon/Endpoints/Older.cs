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

    private static NetworkSettings? WithoutLegacy(NetworkSettings? settings) => settings is null ? null : new NetworkSettings
    {
        SandboxID = settings.SandboxID,
        SandboxKey = settings.SandboxKey,
        Ports = settings.Ports,
        Networks = settings.Networks,
    };
}
