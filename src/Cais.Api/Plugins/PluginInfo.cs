using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>A plugin for the Engine API</summary>
public sealed record PluginInfo
{
    public string? Id { get; init; }

    public string? Name { get; init; }

    /// <summary>True if the plugin is running.</summary>
    public bool? Enabled { get; init; }

    /// <summary>user-configurable settings for the plugin.</summary>
    public PluginInfoSettings? Settings { get; init; }

    /// <summary>plugin remote reference used to push/pull the plugin</summary>
    public string? PluginReference { get; init; }

    /// <summary>The config of a plugin.</summary>
    public PluginInfoConfig? Config { get; init; }
}

/// <summary>user-configurable settings for the plugin.</summary>
public sealed record PluginInfoSettings
{
    public IReadOnlyList<PluginMount>? Mounts { get; init; }

    public IReadOnlyList<string>? Env { get; init; }

    public IReadOnlyList<string>? Args { get; init; }

    public IReadOnlyList<PluginDevice>? Devices { get; init; }
}

/// <summary>The config of a plugin.</summary>
public sealed record PluginInfoConfig
{
    public string? Description { get; init; }

    public string? Documentation { get; init; }

    /// <summary>The interface between Docker and the plugin</summary>
    public PluginInfoConfigInterface? Interface { get; init; }

    public IReadOnlyList<string>? Entrypoint { get; init; }

    public string? WorkDir { get; init; }

    public PluginInfoConfigUser? User { get; init; }

    public PluginInfoConfigNetwork? Network { get; init; }

    public PluginInfoConfigLinux? Linux { get; init; }

    public string? PropagatedMount { get; init; }

    public bool? IpcHost { get; init; }

    public bool? PidHost { get; init; }

    public IReadOnlyList<PluginMount>? Mounts { get; init; }

    public IReadOnlyList<PluginEnv>? Env { get; init; }

    public PluginInfoConfigArgs? Args { get; init; }

    [JsonPropertyName("rootfs")]
    public PluginInfoConfigRootfs? Rootfs { get; init; }
}

/// <summary>The interface between Docker and the plugin</summary>
public sealed record PluginInfoConfigInterface
{
    public IReadOnlyList<string>? Types { get; init; }

    public string? Socket { get; init; }

    /// <summary>Protocol to use for clients connecting to the plugin.</summary>
    public string? ProtocolScheme { get; init; }
}

public sealed record PluginInfoConfigUser
{
    public uint? UID { get; init; }

    public uint? GID { get; init; }
}

public sealed record PluginInfoConfigNetwork
{
    public string? Type { get; init; }
}

public sealed record PluginInfoConfigLinux
{
    public IReadOnlyList<string>? Capabilities { get; init; }

    public bool? AllowAllDevices { get; init; }

    public IReadOnlyList<PluginDevice>? Devices { get; init; }
}

public sealed record PluginInfoConfigArgs
{
    public string? Name { get; init; }

    public string? Description { get; init; }

    public IReadOnlyList<string>? Settable { get; init; }

    public IReadOnlyList<string>? Value { get; init; }
}

public sealed record PluginInfoConfigRootfs
{
    [JsonPropertyName("type")]
    public string? Type { get; init; }

    [JsonPropertyName("diff_ids")]
    public IReadOnlyList<string>? DiffIds { get; init; }
}
