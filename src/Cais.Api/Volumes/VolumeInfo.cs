using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Api;

public sealed record VolumeInfo
{
    /// <summary>Name of the volume.</summary>
    public string? Name { get; init; }

    /// <summary>Name of the volume driver used by the volume.</summary>
    public string? Driver { get; init; }

    /// <summary>Mount path of the volume on the host.</summary>
    public string? Mountpoint { get; init; }

    /// <summary>Date/Time the volume was created.</summary>
    public string? CreatedAt { get; init; }

    /// <summary>Low-level details about the volume, provided by the volume driver.</summary>
    public IReadOnlyDictionary<string, JsonElement>? Status { get; init; }

    /// <summary>User-defined key/value metadata.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Labels { get; init; }

    /// <summary>The level at which the volume exists.</summary>
    public string? Scope { get; init; }

    public JsonElement? ClusterVolume { get; init; }

    /// <summary>The driver specific options used when creating the volume.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? Options { get; init; }

    /// <summary>Usage details about the volume.</summary>
    public VolumeInfoUsageData? UsageData { get; init; }
}

/// <summary>Usage details about the volume.</summary>
public sealed record VolumeInfoUsageData
{
    /// <summary>Amount of disk space used by the volume (in bytes).</summary>
    public long? Size { get; init; }

    /// <summary>The number of containers referencing this volume.</summary>
    public long? RefCount { get; init; }
}
