namespace Cais.Networking;

/// <summary>A network as it is: immutable, a new one after every change.</summary>
public sealed record Network
{
    /// <summary>64 hexadecimal digits.</summary>
    public required string Id { get; init; }

    public required DateTimeOffset Created { get; init; }

    /// <summary>What was asked for, with every default filled in: <see cref="NetworkSpec.Ipam"/> holds the pools in use.</summary>
    public required NetworkSpec Spec { get; init; }

    public string Name => Spec.Name;

    public string Driver => Spec.Driver;

    /// <summary>The host's interface for bridge networks (<c>docker0</c>, <c>br-</c> and twelve digits of the id), else null.</summary>
    public string? BridgeName { get; init; }

    /// <summary>Whether the interface on the host (bridge, or parent of macvlan) was made for this network, and goes with it.</summary>
    public bool OwnsBridge { get; init; }

    /// <summary>The address pools that a plugin has given; null where the addresses are our own.</summary>
    public IReadOnlyList<RemotePool>? RemotePools { get; init; }

    /// <summary><c>bridge</c>, <c>host</c> and <c>none</c>, which cannot be removed.</summary>
    public bool IsBuiltIn => Name is "bridge" or "host" or "none";

    /// <summary>Whether it is the default bridge network, which has older rules than user-defined ones.</summary>
    public bool IsDefaultBridge => Name == "bridge";

    /// <summary>Whether names of containers resolve in it: user-defined networks only, as with Docker.</summary>
    public bool HasNameService => !IsBuiltIn;

    /// <summary>Maximum transmission unit of its interfaces, in bytes.</summary>
    public int Mtu { get; init; } = 1500;
}
