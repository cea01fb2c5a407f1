using System.Net;

namespace Cais.Networking;

/// <summary>What <c>docker network create</c> asks for. Null and empty members take Docker's defaults.</summary>
public sealed record NetworkSpec
{
    public required string Name { get; init; }

    /// <summary><c>bridge</c>, <c>macvlan</c>, <c>ipvlan</c>, <c>overlay</c>, <c>host</c> or <c>none</c>.</summary>
    public string Driver { get; init; } = "bridge";

    /// <summary>Whether containers get IPv4 addresses.</summary>
    public bool EnableIPv4 { get; init; } = true;

    /// <summary>Whether containers get IPv6 addresses.</summary>
    public bool EnableIPv6 { get; init; }

    /// <summary>No way out of the network, and none in.</summary>
    public bool Internal { get; init; }

    /// <summary>Whether standalone containers may join a cluster-wide network; kept and reported.</summary>
    public bool Attachable { get; init; }

    /// <summary>Only a set of settings for other networks: nobody can join it.</summary>
    public bool ConfigOnly { get; init; }

    /// <summary>The network of settings alone that this one takes its settings from, or null.</summary>
    public string? ConfigFrom { get; init; }

    /// <summary>The address driver: <c>default</c>, <c>null</c> or a plugin.</summary>
    public string IpamDriver { get; init; } = "default";

    public IReadOnlyDictionary<string, string> IpamOptions { get; init; } = new Dictionary<string, string>();

    /// <summary>The address pools; empty for one from the daemon's default pools.</summary>
    public IReadOnlyList<IpamConfig> Ipam { get; init; } = [];

    /// <summary>Driver options by Docker's names, such as <c>com.docker.network.bridge.name</c>.</summary>
    public IReadOnlyDictionary<string, string> Options { get; init; } = new Dictionary<string, string>();

    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();
}

/// <summary>How full a subnet is.</summary>
/// <param name="Subnet">Which.</param>
/// <param name="InUse">Addresses that are given out or reserved.</param>
/// <param name="Available">Addresses that are still given out by themselves.</param>
public sealed record SubnetUse(IPNetwork Subnet, UInt128 InUse, UInt128 Available);

/// <summary>One address pool of a network.</summary>
/// <param name="Subnet">The pool. In a request null takes one from the daemon's default pools.</param>
/// <param name="Range">The part of the subnet from which addresses are given out by themselves, or null for all of it.</param>
/// <param name="Gateway">The gateway's address; in a request null takes the first of the pool.</param>
/// <param name="AuxiliaryAddresses">Names and addresses that are in use elsewhere and never given out.</param>
public sealed record IpamConfig(
    IPNetwork? Subnet,
    IPNetwork? Range = null,
    IPAddress? Gateway = null,
    IReadOnlyDictionary<string, IPAddress>? AuxiliaryAddresses = null);
