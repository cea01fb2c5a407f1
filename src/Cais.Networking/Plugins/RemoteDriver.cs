using Cais.Linux.Netlink;
using Cais.Networking.Drivers;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Plugins;

/// <summary>
/// Networks of plugins, as far as the kernel is concerned: the plugin has made an interface on the host, which goes into the container. The plugin
/// itself was asked before, for nobody else is to wait for it (<see cref="RemoteNetworks"/>).
/// </summary>
internal sealed class RemoteDriver(HostKernel host) : INetworkDriver
{
    public string HostInterface(Network network) => "";

    public void Ensure(NetworkState network)
    {
    }

    public void Remove(NetworkState network)
    {
    }

    public int Join(NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside)
    {
        if (endpoint.Spec.Remote is not { SourceInterface: { } source } remote)
        {
            return 0;
        }

        var link = host.Route.FindLink(source) ?? throw new NetworkException(
            NetworkError.Kernel, $"the plugin of network {network.Network.Name} gave the interface {source}, which does not exist on this host");
        host.Batch.MoveLink(link.Index, source, target.Descriptor, endpoint.InterfaceName!);
        host.Route.Execute(host.Batch);
        var index = target.Route.FindLink(endpoint.InterfaceName!)?.Index
            ?? throw new NetworkException(NetworkError.Kernel, $"interface {endpoint.InterfaceName} vanished as it was moved");
        if (remote.MacAddress is { } mac)
        {
            inside.SetHardwareAddress(index, endpoint.InterfaceName!, mac);
        }

        ContainerInterface.Configure(host, endpoint, target, index, inside);
        foreach (var route in remote.Routes)
        {
            inside.AddRoute(route.Destination, route.NextHop, index);
        }

        return index;
    }

    /// <summary>The plugin takes away what is its own.</summary>
    public bool HasHostEnd => false;

    public void Leave(Endpoint endpoint, RouteSocket route)
    {
    }

    public bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks) => true;
}
