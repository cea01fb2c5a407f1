using Cais.Linux.Netlink;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Drivers;

/// <summary>How a kind of network exists in the kernel. All calls come from jobs on the host's kernel thread.</summary>
internal interface INetworkDriver
{
    /// <summary>The interface on the host that the network stands on.</summary>
    string HostInterface(Network network);

    /// <summary>Makes what the network needs on the host, or mends what is there.</summary>
    /// <exception cref="NetworkException">It cannot be.</exception>
    void Ensure(NetworkState network);

    /// <summary>Takes it away; what is not there is fine.</summary>
    void Remove(NetworkState network);

    /// <summary>Gives a namespace an interface.</summary>
    /// <param name="network">The network to join.</param>
    /// <param name="endpoint">Addresses and names.</param>
    /// <param name="target">The namespace.</param>
    /// <param name="inside">Gets what is still to be done inside: addresses, up.</param>
    /// <returns>The index of the interface inside.</returns>
    int Join(NetworkState network, Endpoint endpoint, SandboxNamespace target, RouteBatch inside);

    /// <summary>Whether an endpoint has an end on the host, with which the one in the container goes.</summary>
    bool HasHostEnd { get; }

    /// <summary>Takes the endpoint's interface away, if it can be from the host; what is not there is fine. On any thread, with a socket of the host's namespace.</summary>
    void Leave(Endpoint endpoint, RouteSocket route);

    /// <summary>Whether the endpoint's interface is where it should be; mends it if a small thing is missing.</summary>
    bool Verify(NetworkState network, Endpoint endpoint, IReadOnlyDictionary<string, LinkInfo> hostLinks);
}
