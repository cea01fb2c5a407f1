namespace Cais.Api;

/// <summary>NetworkConnectRequest represents the data to be used to connect a container to a network.</summary>
public sealed record NetworkConnectRequest
{
    /// <summary>The ID or name of the container to connect to the network.</summary>
    public string? Container { get; init; }

    public EndpointSettings? EndpointConfig { get; init; }
}
