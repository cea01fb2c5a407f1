using System.Net;
using System.Net.Sockets;
using Cais.Networking.Drivers;

namespace Cais.Networking.Firewall;

/// <summary>What the packet filter must know of a bridge network.</summary>
/// <param name="Key">Part of its chains' names: letters, digits and underscores.</param>
/// <param name="Name">For the comment beside its rules.</param>
/// <param name="Bridge">The interface.</param>
/// <param name="Subnets">Its subnets, of both families.</param>
internal sealed record FirewallNetwork(string Key, string Name, string Bridge, IReadOnlyList<IPNetwork> Subnets)
{
    /// <summary>No way out and none in.</summary>
    public bool Internal { get; init; }

    /// <summary>Whether its containers may talk to each other.</summary>
    public bool InterContainer { get; init; } = true;

    /// <summary>Whether what goes out gets the host's address.</summary>
    public bool Masquerade { get; init; } = true;

    /// <summary>How IPv4 packets get in and out.</summary>
    public GatewayMode Mode4 { get; init; }

    /// <summary>How IPv6 packets get in and out.</summary>
    public GatewayMode Mode6 { get; init; }

    /// <summary>Interfaces of the host from which every port of every container may be reached.</summary>
    public IReadOnlyList<string> Trusted { get; init; } = [];

    /// <summary>The subnets whose packets get the host's address on their way out.</summary>
    public IEnumerable<IPNetwork> Translated =>
        Subnets.Where(s => (s.BaseAddress.AddressFamily == AddressFamily.InterNetwork ? Mode4 : Mode6) is GatewayMode.Nat or GatewayMode.NatUnprotected);

    public const string ToPrefix = "to_";
    public const string FromPrefix = "from_";
    public const string MasqueradePrefix = "nat_";

    public string ToChain => ToPrefix + Key;

    public string FromChain => FromPrefix + Key;

    public string MasqueradeChain => MasqueradePrefix + Key;
}

/// <summary>A published port and where it leads.</summary>
/// <param name="Binding">What arrives here ...</param>
/// <param name="Target">... goes to its container port at this address, which has the same family.</param>
/// <param name="Direct">Whether the container's own address and port may be reached from outside too.</param>
/// <param name="Translated">Whether the host's address and port lead there; false in routed networks.</param>
internal sealed record PublishedPort(PortBinding Binding, IPAddress Target, bool Direct = false, bool Translated = true);

/// <summary>One container may reach another at a port, in a network whose containers may not talk to each other otherwise. IPv4, as links are.</summary>
internal readonly record struct FirewallLink(PortProtocol Protocol, IPAddress From, IPAddress To, ushort Port);
