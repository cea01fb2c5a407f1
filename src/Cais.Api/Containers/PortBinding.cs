namespace Cais.Api;

/// <summary>PortBinding represents a binding between a host IP address and a host port.</summary>
public sealed record PortBinding
{
    /// <summary>Host IP address that the container's port is mapped to.</summary>
    public string? HostIp { get; init; }

    /// <summary>Host port number that the container's port is mapped to.</summary>
    public string? HostPort { get; init; }
}
