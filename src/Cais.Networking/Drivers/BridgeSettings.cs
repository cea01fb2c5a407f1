using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Drivers;

/// <summary>How packets get from a network's containers to other machines and back.</summary>
internal enum GatewayMode
{
    /// <summary>Addresses are translated; from outside only published ports are reachable, by the host's address.</summary>
    Nat,

    /// <summary>As <see cref="Nat"/>, and published ports are reachable by the container's address too.</summary>
    NatUnprotected,

    /// <summary>Nothing is translated; published ports are reachable by the container's address.</summary>
    Routed,

    /// <summary>The host has no address in the network.</summary>
    Isolated,
}

/// <summary>The bridge driver's options, parsed.</summary>
internal sealed record BridgeSettings
{
    public const string NameOption = "com.docker.network.bridge.name";
    public const string MasqueradeOption = "com.docker.network.bridge.enable_ip_masquerade";
    public const string InterContainerOption = "com.docker.network.bridge.enable_icc";
    public const string BindingOption = "com.docker.network.bridge.host_binding_ipv4";
    public const string DefaultOption = "com.docker.network.bridge.default_bridge";
    public const string MtuOption = "com.docker.network.driver.mtu";
    public const string PrefixOption = "com.docker.network.container_iface_prefix";
    public const string Mode4Option = "com.docker.network.bridge.gateway_mode_ipv4";
    public const string Mode6Option = "com.docker.network.bridge.gateway_mode_ipv6";
    public const string InhibitOption = "com.docker.network.bridge.inhibit_ipv4";

    public const string TrustedOption = "com.docker.network.bridge.trusted_host_interfaces";

    public string? BridgeName { get; init; }

    /// <summary>Interfaces of the host from which containers may be reached by their own addresses.</summary>
    public IReadOnlyList<string> TrustedInterfaces { get; init; } = [];

    public bool Masquerade { get; init; } = true;

    public bool InterContainer { get; init; } = true;

    public IPAddress? HostBinding { get; init; }

    public int? Mtu { get; init; }

    /// <summary>Names of interfaces inside containers begin with it.</summary>
    public string InterfacePrefix { get; init; } = "eth";

    public GatewayMode Mode4 { get; init; }

    public GatewayMode Mode6 { get; init; }

    /// <summary>The bridge gets no IPv4 address.</summary>
    public bool InhibitIPv4 { get; init; }

    /// <exception cref="NetworkException">InvalidParameter: an option has no sense.</exception>
    public static BridgeSettings Parse(IReadOnlyDictionary<string, string> options)
    {
        var binding = options.GetValueOrDefault(BindingOption);
        var prefix = options.GetValueOrDefault(PrefixOption);
        return new BridgeSettings
        {
            BridgeName = options.GetValueOrDefault(NameOption) is { Length: > 0 } name ? CheckedName(name) : null,
            Masquerade = Boolean(options, MasqueradeOption, true),
            InterContainer = Boolean(options, InterContainerOption, true),
            HostBinding = string.IsNullOrEmpty(binding) ? null
                : IPAddress.TryParse(binding, out var address) && address.AddressFamily == AddressFamily.InterNetwork ? address
                : throw Invalid(BindingOption, binding),
            Mtu = options.GetValueOrDefault(MtuOption) is { Length: > 0 } mtu ? ParseMtu(mtu) : null,
            InterfacePrefix = string.IsNullOrEmpty(prefix) ? "eth" : prefix.Length <= 12 ? CheckedName(prefix) : throw Invalid(PrefixOption, prefix),
            Mode4 = Mode(options, Mode4Option),
            Mode6 = Mode(options, Mode6Option),
            TrustedInterfaces = [.. (options.GetValueOrDefault(TrustedOption) ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries).Select(CheckedName)],
            InhibitIPv4 = Boolean(options, InhibitOption, false),
        };
    }

    public static int ParseMtu(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value is 0 or (>= 68 and <= 65535)
            ? value
            : throw Invalid(MtuOption, text);

    /// <summary>Checks an interface name as the kernel does, before it becomes a path below /proc/sys.</summary>
    public static string CheckedName(string name) =>
        name.Length is > 0 and < 16 && name is not ("." or "..") && name.All(c => c is > ' ' and < (char)127 and not '/' and not ':')
            ? name
            : throw new NetworkException(NetworkError.InvalidParameter, $"invalid interface name \"{name}\": 1 to 15 printable characters without slash and colon");

    private static bool Boolean(IReadOnlyDictionary<string, string> options, string key, bool missing) => options.GetValueOrDefault(key) switch
    {
        null or "" => missing,
        "1" or "t" or "T" or "true" or "TRUE" or "True" => true,
        "0" or "f" or "F" or "false" or "FALSE" or "False" => false,
        var other => throw Invalid(key, other),
    };

    private static GatewayMode Mode(IReadOnlyDictionary<string, string> options, string key) => options.GetValueOrDefault(key) switch
    {
        null or "" or "nat" => GatewayMode.Nat,
        "nat-unprotected" => GatewayMode.NatUnprotected,
        "routed" => GatewayMode.Routed,
        "isolated" => GatewayMode.Isolated,
        var other => throw Invalid(key, other),
    };

    private static NetworkException Invalid(string key, string value) =>
        new(NetworkError.InvalidParameter, $"invalid value for option {key}: \"{value}\"");
}
