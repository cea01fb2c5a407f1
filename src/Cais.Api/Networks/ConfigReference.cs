namespace Cais.Api;

/// <summary>The config-only network source to provide the configuration for this network.</summary>
public sealed record ConfigReference
{
    /// <summary>The name of the config-only network that provides the network's configuration.</summary>
    public string? Network { get; init; }
}
