using System.Globalization;
using System.Net;

namespace Cais.Networking.Drivers;

/// <summary>An overlay network's options.</summary>
/// <param name="Identifier">Of the tunnel (VNI), 24 bits: the same on all hosts, and another for each network.</param>
/// <param name="Local">This host's address towards the others, or null for the one that leads there.</param>
/// <param name="Port">UDP port of the tunnel.</param>
/// <param name="NamesPort">UDP port by which hosts ask each other for names.</param>
/// <param name="Peers">The other hosts' addresses.</param>
internal sealed record OverlaySettings(uint Identifier, IPAddress? Local, ushort Port, ushort NamesPort, IReadOnlyList<IPAddress> Peers)
{
    public const string IdentifierOption = "com.docker.network.driver.overlay.vxlanid_list";
    public const string PeersOption = "cais.network.overlay.peers";
    public const string LocalOption = "cais.network.overlay.local";
    public const string PortOption = "cais.network.overlay.port";
    public const string NamesPortOption = "cais.network.overlay.names-port";

    private const ushort DefaultPort = 4789;
    private const uint DefaultIdentifier = 256;

    /// <summary>The port by which Docker's hosts tell each other such things.</summary>
    private const ushort DefaultNamesPort = 7946;

    /// <exception cref="NetworkException">InvalidParameter: an option has no sense.</exception>
    public static OverlaySettings Parse(Network network)
    {
        var options = network.Spec.Options;
        var peers = new List<IPAddress>();
        foreach (var text in options.GetValueOrDefault(PeersOption, "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            peers.Add(IPAddress.TryParse(text, out var peer) ? peer : throw Invalid(PeersOption, text));
        }

        if (peers.Count == 0)
        {
            throw new NetworkException(
                NetworkError.InvalidParameter,
                $"an overlay network needs the addresses of the other hosts: --opt {PeersOption}=192.0.2.2,192.0.2.3");
        }

        var identifier = DefaultIdentifier;
        if (options.TryGetValue(IdentifierOption, out var id) && (!uint.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out identifier) || identifier is 0 or >= 1 << 24))
        {
            throw Invalid(IdentifierOption, id);
        }

        IPAddress? local = null;
        if (options.TryGetValue(LocalOption, out var own) && !IPAddress.TryParse(own, out local))
        {
            throw Invalid(LocalOption, own);
        }

        return new OverlaySettings(identifier, local, PortOf(PortOption, DefaultPort), PortOf(NamesPortOption, DefaultNamesPort), peers);

        ushort PortOf(string option, ushort otherwise) => !options.TryGetValue(option, out var text) ? otherwise
            : ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port > 0 ? port : throw Invalid(option, text);
    }

    private static NetworkException Invalid(string option, string value) =>
        new(NetworkError.InvalidParameter, $"invalid value for option {option}: \"{value}\"");
}
