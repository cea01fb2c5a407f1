using System.Net;
using Cais.Linux.Netlink;
using Cais.Networking.Kernel;

namespace Cais.Networking.Drivers;

/// <summary>The inside of an endpoint: addresses and routes in the container's namespace.</summary>
internal static class ContainerInterface
{
    private static readonly IPNetwork DefaultRoute4 = new(IPAddress.Any, 0);
    private static readonly IPNetwork DefaultRoute6 = new(IPAddress.IPv6Any, 0);

    /// <summary>Prepares the interface's settings and addresses.</summary>
    /// <param name="host">Whose thread runs this.</param>
    /// <param name="endpoint">The addresses.</param>
    /// <param name="target">The namespace.</param>
    /// <param name="index">The interface's index inside.</param>
    /// <param name="inside">Gets what is to be sent inside.</param>
    public static void Configure(HostKernel host, Endpoint endpoint, SandboxNamespace target, int index, RouteBatch inside)
    {
        var name = endpoint.InterfaceName!;
        var sysctls = EndpointSysctls(endpoint);
        if (endpoint.IPv6Address is null || sysctls.Count > 0)
        {
            host.Thread.Visit(target.Descriptor, () =>
            {
                // No address of a family, no chatter in it.
                Sysctl.Write($"ipv6/conf/{name}/disable_ipv6", endpoint.IPv6Address is null ? "1" : "0");
                foreach (var (key, value) in sysctls)
                {
                    if (!Sysctl.Write(key, value))
                    {
                        throw new NetworkException(NetworkError.InvalidParameter, $"unknown sysctl net.{key.Replace('/', '.')} for interface {name}");
                    }
                }
            });
        }

        foreach (var (address, prefix) in Addresses(endpoint))
        {
            inside.AddAddress(index, name, address, prefix);
        }

        inside.SetUp(index, name);
    }

    /// <summary>Takes the interface's addresses away.</summary>
    public static void RemoveAddresses(RouteBatch inside, Endpoint endpoint, int index)
    {
        foreach (var (address, prefix) in Addresses(endpoint))
        {
            inside.DeleteAddress(index, endpoint.InterfaceName!, address, prefix);
        }
    }

    /// <summary>Adds the default routes of the endpoints that were chosen as gateways to the batch.</summary>
    public static void AddDefaultRoutes(RouteBatch batch, Endpoint endpoint, int index, bool v4, bool v6)
    {
        if (v4 && endpoint.IPv4Gateway is { } gateway4)
        {
            batch.AddRoute(DefaultRoute4, gateway4, index);
        }

        if (v6 && endpoint.IPv6Gateway is { } gateway6)
        {
            batch.AddRoute(DefaultRoute6, gateway6, index);
        }
    }

    private static IEnumerable<(IPAddress Address, int PrefixLength)> Addresses(Endpoint endpoint)
    {
        if (endpoint.IPv4Address is { } v4)
        {
            yield return (v4, endpoint.IPv4PrefixLength);
        }

        if (endpoint.IPv6Address is { } v6)
        {
            yield return (v6, endpoint.IPv6PrefixLength);
        }

        foreach (var address in endpoint.Spec.LinkLocalAddresses)
        {
            yield return (address, address.GetAddressBytes().Length == 4 ? 16 : 64);
        }
    }

    /// <summary><c>com.docker.network.endpoint.sysctls</c>: a list with commas of <c>net.x.y.IFNAME.z=value</c>.</summary>
    internal static List<(string Key, string Value)> EndpointSysctls(Endpoint endpoint)
    {
        var result = new List<(string, string)>();
        if (!endpoint.Spec.Options.TryGetValue("com.docker.network.endpoint.sysctls", out var text) || text.Length == 0)
        {
            return result;
        }

        foreach (var entry in text.Split(','))
        {
            var parts = entry.Split('=', 2);
            var key = parts[0].Split('.');

            // net.FAMILY.SECTION.IFNAME.SETTING: only settings of this interface, whose name is not known before.
            if (parts.Length != 2 || key is not ["net", "ipv4" or "ipv6" or "mpls", "conf" or "neigh" or "input", "IFNAME", var setting] ||
                setting.Length == 0 || !setting.All(c => char.IsAsciiLetterOrDigit(c) || c == '_'))
            {
                throw new NetworkException(
                    NetworkError.InvalidParameter,
                    $"invalid endpoint settings:\nunrecognised network interface sysctl '{entry}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'IFNAME' must be included");
            }

            result.Add(($"{key[1]}/{key[2]}/{endpoint.InterfaceName}/{setting}", parts[1]));
        }

        return result;
    }
}
