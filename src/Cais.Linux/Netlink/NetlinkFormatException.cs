namespace Cais.Linux.Netlink;

/// <summary>A netlink reply does not have the form that its own length fields promise.</summary>
public sealed class NetlinkFormatException(string message) : IOException(message);
