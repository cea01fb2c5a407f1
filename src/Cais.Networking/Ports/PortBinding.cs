using System.Net;

namespace Cais.Networking;

/// <summary>Transport protocols whose ports can be published; values are the IP protocol numbers.</summary>
public enum PortProtocol : byte
{
    Tcp = 6,
    Udp = 17,
    Sctp = 132,
}

/// <summary>
/// A port to publish, as <c>-p</c> asks for it: <paramref name="ContainerPort"/> inside; outside any free port of the ephemeral range
/// (both host ports zero), one port, or the first free one of a range (end inclusive).
/// </summary>
/// <param name="ContainerPort">The port that the container's program listens on.</param>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="HostAddress">The host's address, or null for the network's default (all addresses, both families).</param>
/// <param name="HostPort">First host port of the range, or 0 for any free one.</param>
/// <param name="HostPortEnd">Last host port of the range; 0 means the same as <paramref name="HostPort"/>.</param>
public sealed record PortRequest(ushort ContainerPort, PortProtocol Protocol, IPAddress? HostAddress = null, ushort HostPort = 0, ushort HostPortEnd = 0);

/// <summary>A published port: what arrives at the host's address and port goes to the container's. One per address family.</summary>
/// <param name="ContainerPort">The port inside.</param>
/// <param name="Protocol">The transport protocol.</param>
/// <param name="HostAddress">The host's address; <see cref="IPAddress.Any"/> or <see cref="IPAddress.IPv6Any"/> for all of them.</param>
/// <param name="HostPort">The port outside.</param>
public sealed record PortBinding(ushort ContainerPort, PortProtocol Protocol, IPAddress HostAddress, ushort HostPort);
