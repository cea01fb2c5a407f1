using System.Text.Json;
using System.Text.Json.Serialization;

namespace Cais.Networking.Plugins;

// The messages of docker's network and address plugins (moby, libnetwork/docs/remote.md and ipam.md). Members keep the protocol's names.

internal sealed record NetworkCapabilities
{
    public string? Scope { get; init; }
}

internal sealed record IpamData
{
    public string? AddressSpace { get; init; }

    public string? Pool { get; init; }

    public string? Gateway { get; init; }

    public IReadOnlyDictionary<string, string>? AuxAddresses { get; init; }
}

internal sealed record CreateNetworkMessage
{
    public required string NetworkID { get; init; }

    public IReadOnlyDictionary<string, JsonElement>? Options { get; init; }

    public IReadOnlyList<IpamData> IPv4Data { get; init; } = [];

    public IReadOnlyList<IpamData> IPv6Data { get; init; } = [];
}

internal sealed record EndpointInterface
{
    public string? Address { get; init; }

    public string? AddressIPv6 { get; init; }

    public string? MacAddress { get; init; }
}

/// <summary>Of all methods that are about an endpoint, and of those about a network alone.</summary>
internal sealed record EndpointMessage
{
    public required string NetworkID { get; init; }

    public string? EndpointID { get; init; }

    public string? SandboxKey { get; init; }

    public IReadOnlyDictionary<string, JsonElement>? Options { get; init; }

    public EndpointInterface? Interface { get; init; }
}

internal sealed record CreateEndpointAnswer
{
    public EndpointInterface? Interface { get; init; }
}

internal sealed record JoinName
{
    public string? SrcName { get; init; }

    public string? DstPrefix { get; init; }

    public string? DstName { get; init; }
}

internal sealed record JoinRoute
{
    public string? Destination { get; init; }

    /// <summary>0 by a next hop, 1 by the interface itself.</summary>
    public int RouteType { get; init; }

    public string? NextHop { get; init; }
}

internal sealed record JoinAnswer
{
    public JoinName? InterfaceName { get; init; }

    public string? Gateway { get; init; }

    public string? GatewayIPv6 { get; init; }

    public IReadOnlyList<JoinRoute>? StaticRoutes { get; init; }
}

internal sealed record PortMapping
{
    public required int Proto { get; init; }

    public required string IP { get; init; }

    public required int Port { get; init; }

    public required string HostIP { get; init; }

    public required int HostPort { get; init; }

    public required int HostPortEnd { get; init; }
}

internal sealed record Nothing;

internal sealed record AddressSpaces
{
    public string? LocalDefaultAddressSpace { get; init; }
}

internal sealed record IpamCapabilities
{
    public bool RequiresMACAddress { get; init; }
}

internal sealed record RequestPoolMessage
{
    public string AddressSpace { get; init; } = "";

    public string Pool { get; init; } = "";

    public string SubPool { get; init; } = "";

    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();

    public bool V6 { get; init; }
}

internal sealed record RequestPoolAnswer
{
    public string? PoolID { get; init; }

    public string? Pool { get; init; }

    public IReadOnlyDictionary<string, string>? Data { get; init; }
}

/// <summary>Of the methods that are about an address, and of that about a pool alone.</summary>
internal sealed record AddressMessage
{
    public required string PoolID { get; init; }

    public string? Address { get; init; }

    public IReadOnlyDictionary<string, string>? Options { get; init; }
}

internal sealed record AddressAnswer
{
    public string? Address { get; init; }
}

[JsonSourceGenerationOptions(DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, PropertyNameCaseInsensitive = true)]
[JsonSerializable(typeof(NetworkCapabilities))]
[JsonSerializable(typeof(CreateNetworkMessage))]
[JsonSerializable(typeof(EndpointMessage))]
[JsonSerializable(typeof(CreateEndpointAnswer))]
[JsonSerializable(typeof(JoinAnswer))]
[JsonSerializable(typeof(Nothing))]
[JsonSerializable(typeof(AddressSpaces))]
[JsonSerializable(typeof(IpamCapabilities))]
[JsonSerializable(typeof(RequestPoolMessage))]
[JsonSerializable(typeof(RequestPoolAnswer))]
[JsonSerializable(typeof(AddressMessage))]
[JsonSerializable(typeof(AddressAnswer))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, string>), TypeInfoPropertyName = "Strings")]
[JsonSerializable(typeof(IReadOnlyList<PortMapping>), TypeInfoPropertyName = "PortMappings")]
[JsonSerializable(typeof(bool))]
internal sealed partial class RemoteJson : JsonSerializerContext;
