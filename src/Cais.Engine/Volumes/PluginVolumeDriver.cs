using System.Text.Json;
using System.Text.Json.Serialization;
using Cais.Plugins;

namespace Cais.Engine.Volumes;

/// <summary>Volumes that a plugin keeps (docs.docker.com/engine/extend/plugins_volume).</summary>
internal sealed class PluginVolumeDriver(Plugin plugin) : IVolumeDriver
{
    public const string Kind = "VolumeDriver";

    public async Task<VolumeRecord> CreateAsync(VolumeRecord volume, CancellationToken cancellation)
    {
        await Call("Create", new PluginVolumeRequest { Name = volume.Name, Opts = volume.Options ?? new Dictionary<string, string>() }, cancellation).ConfigureAwait(false);
        var state = await InspectAsync(volume, cancellation).ConfigureAwait(false);
        return volume with { Path = state?.Path ?? "", Scope = await Scope(cancellation).ConfigureAwait(false) };
    }

    public Task RemoveAsync(VolumeRecord volume, CancellationToken cancellation) =>
        Call("Remove", new PluginVolumeRequest { Name = volume.Name }, cancellation);

    public async Task<string> MountAsync(VolumeRecord volume, string user, bool isFirst, CancellationToken cancellation)
    {
        var answer = await Call("Mount", new PluginVolumeRequest { Name = volume.Name, ID = user }, cancellation).ConfigureAwait(false);
        return answer.Mountpoint is { Length: > 0 } path && path[0] == '/'
            ? path
            : throw EngineException.System($"volume plugin {plugin.Name} mounted {volume.Name} and did not say where");
    }

    public Task UnmountAsync(VolumeRecord volume, string user, bool isLast, CancellationToken cancellation) =>
        Call("Unmount", new PluginVolumeRequest { Name = volume.Name, ID = user }, cancellation);

    public async Task<VolumeState?> InspectAsync(VolumeRecord volume, CancellationToken cancellation)
    {
        try
        {
            var answer = await Call("Get", new PluginVolumeRequest { Name = volume.Name }, cancellation).ConfigureAwait(false);
            return answer.Volume is { } found ? new VolumeState(found.Mountpoint ?? "", found.CreatedAt, found.Status) : null;
        }
        catch (PluginException)
        {
            return null;
        }
    }

    /// <summary>All volumes that the plugin has.</summary>
    public async Task<IReadOnlyList<VolumeRecord>> ListAsync(CancellationToken cancellation)
    {
        var answer = await Call("List", new PluginVolumeRequest(), cancellation).ConfigureAwait(false);
        var scope = await Scope(cancellation).ConfigureAwait(false);
        return
        [
            .. (answer.Volumes ?? [])
                .Where(v => !string.IsNullOrEmpty(v.Name))
                .Select(v => new VolumeRecord
                {
                    Name = v.Name!,
                    Driver = plugin.Name,
                    Path = v.Mountpoint ?? "",
                    Scope = scope,
                    Created = DateTimeOffset.TryParse(v.CreatedAt, out var created) ? created : default,
                }),
        ];
    }

    private async Task<string> Scope(CancellationToken cancellation)
    {
        try
        {
            return (await Call("Capabilities", new PluginVolumeRequest(), cancellation).ConfigureAwait(false)).Capabilities?.Scope?.ToLowerInvariant() == "global" ? "global" : "local";
        }
        catch (PluginException)
        {
            // Older plugins do not know the question.
            return "local";
        }
    }

    private Task<PluginVolumeResponse> Call(string method, PluginVolumeRequest request, CancellationToken cancellation) => plugin.CallAsync(
        $"{Kind}.{method}", request, PluginVolumeJson.Default.PluginVolumeRequest, PluginVolumeJson.Default.PluginVolumeResponse, cancellation);
}

internal sealed record PluginVolumeRequest
{
    public string? Name { get; init; }

    public string? ID { get; init; }

    public IReadOnlyDictionary<string, string>? Opts { get; init; }
}

internal sealed record PluginVolumeResponse
{
    public string? Mountpoint { get; init; }

    public PluginVolume? Volume { get; init; }

    public IReadOnlyList<PluginVolume>? Volumes { get; init; }

    public PluginCapabilities? Capabilities { get; init; }
}

internal sealed record PluginVolume
{
    public string? Name { get; init; }

    public string? Mountpoint { get; init; }

    public string? CreatedAt { get; init; }

    public IReadOnlyDictionary<string, JsonElement>? Status { get; init; }
}

internal sealed record PluginCapabilities
{
    public string? Scope { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(PluginVolumeRequest))]
[JsonSerializable(typeof(PluginVolumeResponse))]
internal sealed partial class PluginVolumeJson : JsonSerializerContext;
