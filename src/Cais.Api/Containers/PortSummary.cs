namespace Cais.Api;

/// <summary>Describes a port-mapping between the container and the host.</summary>
public sealed record PortSummary
{
    /// <summary>Host IP address that the container's port is mapped to</summary>
    public string? IP { get; init; }

    public int? PrivatePort { get; init; }

    /// <summary>Port exposed on the host</summary>
    public int? PublicPort { get; init; }

    public string? Type { get; init; }
}
