namespace Cais.Api;

/// <summary>NetworkingConfig represents the container's networking configuration for each of its interfaces.</summary>
public sealed record NetworkingConfig
{
    /// <summary>A mapping of network name to endpoint configuration for that network.</summary>
    public IReadOnlyDictionary<string, EndpointSettings>? EndpointsConfig { get; init; }
}
