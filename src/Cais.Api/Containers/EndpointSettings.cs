using System.Text.Json.Serialization;

namespace Cais.Api;

/// <summary>Configuration for a network endpoint.</summary>
public sealed record EndpointSettings
{
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public EndpointIPAMConfig? IPAMConfig { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Links { get; init; }

    /// <summary>MAC address for the endpoint on this network.</summary>
    public string? MacAddress { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? Aliases { get; init; }

    /// <summary>DriverOpts is a mapping of driver options and values.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyDictionary<string, string>? DriverOpts { get; init; }

    /// <summary>This property determines which endpoint will provide the default gateway for a container.</summary>
    public long? GwPriority { get; init; }

    /// <summary>Unique ID of the network.</summary>
    public string? NetworkID { get; init; }

    /// <summary>Unique ID for the service endpoint in a Sandbox.</summary>
    public string? EndpointID { get; init; }

    /// <summary>Gateway address for this network.</summary>
    public string? Gateway { get; init; }

    public string? IPAddress { get; init; }

    /// <summary>Mask length of the IPv4 address.</summary>
    public long? IPPrefixLen { get; init; }

    public string? IPv6Gateway { get; init; }

    public string? GlobalIPv6Address { get; init; }

    /// <summary>Mask length of the global IPv6 address.</summary>
    public long? GlobalIPv6PrefixLen { get; init; }

    /// <summary>List of all DNS names an endpoint has on a specific network.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.Never)]
    public IReadOnlyList<string>? DNSNames { get; init; }
}
