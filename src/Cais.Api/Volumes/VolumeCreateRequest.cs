using System.Text.Json;

namespace Cais.Api;

/// <summary>Volume configuration</summary>
public sealed record VolumeCreateRequest
{
    /// <summary>The new volume's name.</summary>
    public string? Name { get; init; }

    /// <summary>Name of the volume driver to use.</summary>
    public string? Driver { get; init; }

    /// <summary>A mapping of driver options and values.</summary>
    public IReadOnlyDictionary<string, string>? DriverOpts { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    public JsonElement? ClusterVolumeSpec { get; init; }
}
