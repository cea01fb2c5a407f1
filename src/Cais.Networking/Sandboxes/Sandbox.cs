using System.Net;

namespace Cais.Networking;

/// <summary>Everything the network side of a container start needs.</summary>
public sealed record SandboxSpec
{
    /// <summary>64 hexadecimal digits.</summary>
    public required string ContainerId { get; init; }

    /// <summary>The container's name without the leading slash: a name in user-defined networks.</summary>
    public required string ContainerName { get; init; }

    /// <summary>The host name inside; it answers to that too.</summary>
    public string? Hostname { get; init; }

    /// <summary>The domain that makes the host name a full one.</summary>
    public string? Domainname { get; init; }

    /// <summary>The networks to join; the built-in host network excludes others. Empty: loopback alone.</summary>
    public IReadOnlyList<EndpointSpec> Endpoints { get; init; } = [];

    public IReadOnlyList<PortRequest> Ports { get; init; } = [];

    /// <summary>Name servers for this container; empty takes the daemon's or the host's.</summary>
    public IReadOnlyList<IPAddress> Dns { get; init; } = [];

    public IReadOnlyList<string> DnsSearch { get; init; } = [];

    public IReadOnlyList<string> DnsOptions { get; init; } = [];

    /// <summary><c>--link</c> in the default bridge network: other containers' ids by the names that the hosts file gives them.</summary>
    public IReadOnlyDictionary<string, string> Links { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// The ports at which this container may reach others of the default bridge network although its containers may not talk to each other (<c>icc</c>): by the others' ids.
    /// </summary>
    public IReadOnlyDictionary<string, IReadOnlyList<LinkedPort>> LinkedPorts { get; init; } = new Dictionary<string, IReadOnlyList<LinkedPort>>();

    /// <summary>In this process's own user namespace, whatever <see cref="NetworkOptions.ContainerIds"/> says.</summary>
    public bool InHostUserNamespace { get; init; }

    /// <summary>The user namespace that shall own the network namespace, by its file; null for a new one.</summary>
    public string? UserNamespacePath { get; init; }
}

/// <summary>A port that a container exposes to those that are linked to it.</summary>
public readonly record struct LinkedPort(PortProtocol Protocol, ushort Port);

/// <summary>A container's network namespace with what is in it.</summary>
public sealed record Sandbox
{
    /// <summary>64 hexadecimal digits, made from the container's id.</summary>
    public required string Id { get; init; }

    public required string ContainerId { get; init; }

    /// <summary>Where the network namespace is bound (<c>run/netns/id</c>): for the runtime to join. Null in the host's network.</summary>
    public string? NamespacePath { get; init; }

    /// <summary>In the order of the interfaces <c>eth0</c>, <c>eth1</c>, ...</summary>
    public IReadOnlyList<Endpoint> Endpoints { get; init; } = [];

    /// <summary>The published ports, with the host ports that were found for them.</summary>
    public IReadOnlyList<PortBinding> Ports { get; init; } = [];

    /// <summary>The host's ends of interfaces that were taken from the container and may not be deleted yet.</summary>
    public IReadOnlyList<string> Leaving { get; init; } = [];
}

/// <summary>A sandbox on its way: what it will be, and when the kernel has made it.</summary>
/// <param name="Sandbox">With its namespace's path, its addresses and its ports, which will not change any more.</param>
/// <param name="Built">Fails with what the kernel refused; the sandbox is gone then.</param>
public sealed record SandboxStart(Sandbox Sandbox, Task Built);
