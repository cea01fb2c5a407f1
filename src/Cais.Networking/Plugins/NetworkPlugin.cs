using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cais.Networking.Addresses;
using Cais.Networking.Drivers;
using Cais.Plugins;

namespace Cais.Networking.Plugins;

/// <summary>A plugin that makes networks (<c>NetworkDriver</c>).</summary>
internal sealed class NetworkPlugin(Plugin plugin)
{
    public const string Kind = "NetworkDriver";

    /// <exception cref="PluginException">The plugin does not say what a driver must say of itself.</exception>
    public async Task CheckAsync(CancellationToken cancellation)
    {
        try
        {
            var answer = await Call("GetCapabilities", new Nothing(), RemoteJson.Default.Nothing, RemoteJson.Default.NetworkCapabilities, cancellation).ConfigureAwait(false);
            if (answer.Scope is not (null or "" or "local" or "global"))
            {
                throw Nonsense($"the scope \"{answer.Scope}\": expecting 'local' or 'global'");
            }
        }
        catch (PluginException e) when (e.IsUnsupported)
        {
            // Older than the question.
        }
    }

    public Task CreateNetworkAsync(Network network, CancellationToken cancellation) => Call(
        "CreateNetwork",
        new CreateNetworkMessage
        {
            NetworkID = network.Id,
            Options = new Dictionary<string, JsonElement>
            {
                ["com.docker.network.generic"] = JsonSerializer.SerializeToElement(network.Spec.Options, RemoteJson.Default.Strings),
                ["com.docker.network.enable_ipv4"] = JsonSerializer.SerializeToElement(network.Spec.EnableIPv4, RemoteJson.Default.Boolean),
                ["com.docker.network.enable_ipv6"] = JsonSerializer.SerializeToElement(network.Spec.EnableIPv6, RemoteJson.Default.Boolean),
                ["com.docker.network.internal"] = JsonSerializer.SerializeToElement(network.Spec.Internal, RemoteJson.Default.Boolean),
            },
            IPv4Data = Data(network, AddressFamily.InterNetwork),
            IPv6Data = Data(network, AddressFamily.InterNetworkV6),
        },
        RemoteJson.Default.CreateNetworkMessage,
        RemoteJson.Default.Nothing,
        cancellation);

    public Task DeleteNetworkAsync(string network, CancellationToken cancellation) =>
        Call("DeleteNetwork", new EndpointMessage { NetworkID = network }, RemoteJson.Default.EndpointMessage, RemoteJson.Default.Nothing, cancellation);

    /// <summary>Makes the endpoint and joins it; gives back what the plugin added. What was made stays when joining fails.</summary>
    public async Task<RemoteEndpoint> JoinAsync(string network, RemoteEndpoint endpoint, EndpointSpec spec, string sandboxKey, CancellationToken cancellation)
    {
        var options = spec.Options.ToDictionary(o => o.Key, o => JsonSerializer.SerializeToElement(o.Value, RemoteJson.Default.String));
        var created = await Call(
            "CreateEndpoint",
            new EndpointMessage
            {
                NetworkID = network,
                EndpointID = endpoint.EndpointId,
                Options = options,
                Interface = new EndpointInterface
                {
                    Address = Text(endpoint.IPv4Address, endpoint.IPv4PrefixLength),
                    AddressIPv6 = Text(endpoint.IPv6Address, endpoint.IPv6PrefixLength),
                    MacAddress = endpoint.MacAddress is { } mac ? BitConverter.ToString(mac.GetAddressBytes()).Replace('-', ':').ToLowerInvariant() : "",
                },
            },
            RemoteJson.Default.EndpointMessage,
            RemoteJson.Default.CreateEndpointAnswer,
            cancellation).ConfigureAwait(false);
        endpoint = Merge(endpoint, created.Interface);
        var joined = await Call(
            "Join",
            new EndpointMessage { NetworkID = network, EndpointID = endpoint.EndpointId, SandboxKey = sandboxKey, Options = options },
            RemoteJson.Default.EndpointMessage,
            RemoteJson.Default.JoinAnswer,
            cancellation).ConfigureAwait(false);
        return endpoint with
        {
            SourceInterface = Name(joined.InterfaceName?.SrcName),
            InterfacePrefix = Name(joined.InterfaceName?.DstPrefix),
            InterfaceName = Name(joined.InterfaceName?.DstName),
            IPv4Gateway = Address(joined.Gateway),
            IPv6Gateway = Address(joined.GatewayIPv6),
            Routes = [.. (joined.StaticRoutes ?? []).Select(Route)],
        };
    }

    /// <summary>Takes the endpoint out again.</summary>
    public async Task LeaveAsync(string network, string endpoint)
    {
        foreach (var method in (string[])["Leave", "DeleteEndpoint"])
        {
            await Call(
                method,
                new EndpointMessage { NetworkID = network, EndpointID = endpoint },
                RemoteJson.Default.EndpointMessage,
                RemoteJson.Default.Nothing,
                CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Tells the plugin which ports are published; those who have no use for it need not have the method.</summary>
    public async Task PublishAsync(Endpoint endpoint, IReadOnlyList<PortBinding> ports, CancellationToken cancellation)
    {
        IReadOnlyList<PortMapping> mappings =
        [
            .. ports.Select(p => new PortMapping
            {
                Proto = (int)p.Protocol,
                IP = endpoint.IPv4Address?.ToString() ?? "",
                Port = p.ContainerPort,
                HostIP = p.HostAddress.ToString(),
                HostPort = p.HostPort,
                HostPortEnd = p.HostPort,
            }),
        ];
        try
        {
            await Call(
                "ProgramExternalConnectivity",
                new EndpointMessage
                {
                    NetworkID = endpoint.NetworkId,
                    EndpointID = endpoint.Id,
                    Options = new Dictionary<string, JsonElement> { ["com.docker.network.portmap"] = JsonSerializer.SerializeToElement(mappings, RemoteJson.Default.PortMappings) },
                },
                RemoteJson.Default.EndpointMessage,
                RemoteJson.Default.Nothing,
                cancellation).ConfigureAwait(false);
        }
        catch (PluginException e) when (e.IsUnsupported)
        {
        }
    }

    private static List<IpamData> Data(Network network, AddressFamily family) =>
    [
        .. network.Spec.Ipam.Where(p => p.Subnet?.BaseAddress.AddressFamily == family).Select(p => new IpamData
        {
            AddressSpace = "LocalDefault",
            Pool = p.Subnet!.Value.ToString(),
            Gateway = Text(p.Gateway, p.Subnet.Value.PrefixLength),
            AuxAddresses = p.AuxiliaryAddresses?.ToDictionary(a => a.Key, a => Text(a.Value, p.Subnet.Value.PrefixLength)),
        }),
    ];

    private static string Text(IPAddress? address, int prefix) => address is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{address}/{prefix}");

    /// <summary>The plugin may add what was not asked for, and change nothing.</summary>
    private RemoteEndpoint Merge(RemoteEndpoint endpoint, EndpointInterface? answer)
    {
        if (answer is null)
        {
            return endpoint;
        }

        if (!string.IsNullOrEmpty(answer.Address))
        {
            var (address, network) = endpoint.IPv4Address is null ? Interface(answer.Address) : throw Nonsense($"the address {answer.Address}, which it was not asked for");
            endpoint = endpoint with { IPv4Address = address, IPv4PrefixLength = network.PrefixLength };
        }

        if (!string.IsNullOrEmpty(answer.AddressIPv6))
        {
            var (address, network) = endpoint.IPv6Address is null ? Interface(answer.AddressIPv6) : throw Nonsense($"the address {answer.AddressIPv6}, which it was not asked for");
            endpoint = endpoint with { IPv6Address = address, IPv6PrefixLength = network.PrefixLength };
        }

        return string.IsNullOrEmpty(answer.MacAddress) ? endpoint
            : PhysicalAddress.TryParse(answer.MacAddress.Replace(':', '-').ToUpperInvariant(), out var mac) && mac.GetAddressBytes().Length == 6 ? endpoint with { MacAddress = mac }
            : throw Nonsense($"the hardware address \"{answer.MacAddress}\"");
    }

    private (IPAddress Address, IPNetwork Network) Interface(string text) =>
        AddressNumber.TryParseInterface(text, out var address, out var network) ? (address, network) : throw Nonsense($"the address \"{text}\"");

    private RemoteRoute Route(JoinRoute route)
    {
        var (address, network) = Interface(route.Destination ?? "");
        _ = address;
        return new RemoteRoute(network, route.RouteType == 1 ? null : Address(route.NextHop));
    }

    private IPAddress? Address(string? text) =>
        string.IsNullOrEmpty(text) ? null : IPAddress.TryParse(text, out var address) ? address : throw Nonsense($"the address \"{text}\"");

    /// <summary>Names become paths below /proc/sys.</summary>
    private static string? Name(string? text) => string.IsNullOrEmpty(text) ? null : BridgeSettings.CheckedName(text);

    private PluginException Nonsense(string what) => new($"network plugin {plugin.Name} answers with {what}");

    private Task<TAnswer> Call<TMessage, TAnswer>(string method, TMessage message, JsonTypeInfo<TMessage> from, JsonTypeInfo<TAnswer> to, CancellationToken cancellation) =>
        plugin.CallAsync($"{Kind}.{method}", message, from, to, cancellation);
}
