using System.Text.Json;
using System.Text.Json.Nodes;
using Cais.Api;
using Cais.Daemon.Http;

namespace Cais.Daemon.Endpoints;

/// <summary>
/// One image in the form of each version. Up to 1.51 a configuration's members were there when they said nothing, and up to 1.49 with them those that only a
/// container has; up to 1.44 a second configuration was there, of the container that the image was made from.
/// </summary>
internal static class OlderImage
{
    private static readonly string[] Absent = ["Cmd", "Entrypoint", "Env", "Labels", "OnBuild", "Volumes"];

    private static readonly string[] Texts = ["User", "WorkingDir"];

    private static readonly string[] ContainersTexts = ["Domainname", "Hostname", "Image"];

    private static readonly string[] ContainersFlags = ["AttachStderr", "AttachStdin", "AttachStdout", "OpenStdin", "StdinOnce", "Tty"];

    /// <summary>
    /// The version whose form a client reads. docker-compose 1 asks in the newest version, and fails in it when it makes a container anew, for want of the second
    /// configuration, and at the first event, for want of the members that <c>Actor</c> replaced.
    /// </summary>
    public static ApiVersion VersionFor(ApiVersion asked, string? userAgent) =>
        userAgent?.StartsWith("docker-compose/1.", StringComparison.Ordinal) == true && asked > new ApiVersion(1, 44) ? new ApiVersion(1, 44) : asked;

    public static byte[] Write(ImageInspect image, ApiVersion version)
    {
        var json = JsonSerializer.SerializeToNode(Older.Adapt(image, version), ApiJson.Default.ImageInspect)!.AsObject();
        if (version < new ApiVersion(1, 52))
        {
            if (json["Config"] is not JsonObject config)
            {
                json["Config"] = config = [];
            }

            Fill(config, version < new ApiVersion(1, 50));
            if (version < new ApiVersion(1, 45))
            {
                var container = config.DeepClone().AsObject();
                Fill(container, containers: true);
                json["Container"] = "";
                json["ContainerConfig"] = container;
            }
        }

        return OlderInfo.Bytes(json);
    }

    private static void Fill(JsonObject config, bool containers)
    {
        foreach (var name in Absent)
        {
            config.TryAdd(name, null);
        }

        foreach (var name in containers ? [.. Texts, .. ContainersTexts] : Texts)
        {
            config.TryAdd(name, JsonValue.Create(""));
        }

        foreach (var name in containers ? ContainersFlags : [])
        {
            config.TryAdd(name, JsonValue.Create(false));
        }
    }
}
