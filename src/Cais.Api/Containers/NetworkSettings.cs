using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>NetworkSettings exposes the network settings in the API</summary>
public sealed record NetworkSettings
{
    /// <summary>SandboxID uniquely represents a container's network stack.</summary>
    public string? SandboxID { get; init; }

    /// <summary>SandboxKey is the full path of the netns handle</summary>
    public string? SandboxKey { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, IReadOnlyList<PortBinding>?>? Ports { get; init; }

    /// <summary>Information about all networks that the container is connected to.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, EndpointSettings>? Networks { get; init; }

    // Below: what answers of API versions before 1.52 repeat from the default bridge's endpoint.

    public string? Bridge { get; init; }

    public bool? HairpinMode { get; init; }

    public string? LinkLocalIPv6Address { get; init; }

    public int? LinkLocalIPv6PrefixLen { get; init; }

    /// <summary>Always empty: nobody can give a container more addresses in the default network.</summary>
    public IReadOnlyList<string>? SecondaryIPAddresses { get; init; }

    /// <summary>As <see cref="SecondaryIPAddresses"/>.</summary>
    public IReadOnlyList<string>? SecondaryIPv6Addresses { get; init; }

    public string? EndpointID { get; init; }

    public string? Gateway { get; init; }

    public string? GlobalIPv6Address { get; init; }

    public int? GlobalIPv6PrefixLen { get; init; }

    public string? IPAddress { get; init; }

    public int? IPPrefixLen { get; init; }

    public string? IPv6Gateway { get; init; }

    public string? MacAddress { get; init; }
}
