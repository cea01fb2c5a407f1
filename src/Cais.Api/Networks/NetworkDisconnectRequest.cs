namespace Cais.Api;

/// <summary>NetworkDisconnectRequest represents the data to be used to disconnect a container from a network.</summary>
public sealed record NetworkDisconnectRequest
{
    /// <summary>The ID or name of the container to disconnect from the network.</summary>
    public string? Container { get; init; }

    /// <summary>Force the container to disconnect from the network.</summary>
    public bool? Force { get; init; }
}
