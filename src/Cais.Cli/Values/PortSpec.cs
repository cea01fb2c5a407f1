using System.Globalization;
using System.Net;
using Cais.Api;

namespace Cais.Cli.Values;

/// <summary>Ports as <c>-p</c> and <c>--expose</c> name them.</summary>
internal static class PortSpec
{
    private static readonly string[] Protocols = ["tcp", "udp", "sctp"];

    /// <summary>
    /// Reads <c>[[ip:]host-port[-range]:]container-port[-range][/protocol]</c>, or the long form
    /// <c>target=80,published=8080,protocol=udp</c>.
    /// </summary>
    /// <returns>Container port with protocol (<c>80/tcp</c>) and where on the host it goes; an empty host port lets the daemon choose.</returns>
    /// <exception cref="FormatException">Not such a text; the message says why.</exception>
    public static IReadOnlyList<(string ContainerPort, PortBinding Binding)> Parse(string text)
    {
        if (text.Contains('='))
        {
            text = FromLongForm(text);
        }

        var (address, hostPorts, rest) = Split(text);
        var slash = rest.IndexOf('/');
        var containerPorts = slash < 0 ? rest : rest[..slash];
        var protocol = slash < 0 || slash + 1 == rest.Length ? "tcp" : rest[(slash + 1)..];
        if (containerPorts.Length == 0)
        {
            throw new FormatException($"no port specified: {text}<empty>");
        }

        address = CheckedAddress(address);
        var (first, last) = Range(containerPorts) ?? throw new FormatException($"invalid containerPort: {containerPorts}");
        (int First, int Last)? host = hostPorts.Length == 0
            ? null
            : Range(hostPorts) ?? throw new FormatException($"invalid hostPort: {hostPorts}");

        // A single container port may take any of a range of host ports; ranges on both sides must be of one length.
        if (host is { } range && last - first != range.Last - range.First && first != last)
        {
            throw new FormatException($"invalid ranges specified for container and host Ports: {containerPorts} and {hostPorts}");
        }

        protocol = protocol.ToLowerInvariant();
        if (!Protocols.Contains(protocol))
        {
            throw new FormatException($"invalid proto: {protocol}");
        }

        var bindings = new List<(string, PortBinding)>(last - first + 1);
        for (var port = first; port <= last; port++)
        {
            var hostPort = host is not { } h ? ""
                : first == last && h.First != h.Last ? $"{h.First}-{h.Last}"
                : Text(h.First + port - first);
            bindings.Add(($"{port}/{protocol}", new PortBinding { HostIp = address, HostPort = hostPort }));
        }

        return bindings;
    }

    /// <summary>Reads <c>port[-range][/protocol]</c>.</summary>
    public static IEnumerable<string> ParseExposed(string text)
    {
        if (text.Contains(':'))
        {
            throw new FormatException($"invalid port format for --expose: {text}");
        }

        var slash = text.IndexOf('/');
        var ports = slash < 0 ? text : text[..slash];
        var protocol = slash < 0 ? "tcp" : text[(slash + 1)..];
        var (first, last) = Range(ports)
            ?? throw new FormatException($"invalid range format for --expose: {ports}, error: {RangeError(ports)}");
        return Enumerable.Range(first, last - first + 1).Select(port => $"{port}/{protocol}");
    }

    private static string FromLongForm(string text)
    {
        string published = "", target = "", protocol = "tcp";
        foreach (var option in text.Split(','))
        {
            var (key, value) = MapOption.Split(option);
            if (value.Length == 0)
            {
                throw new FormatException($"invalid publish opts format (should be name=value but got '{option}')");
            }

            switch (key)
            {
                case "published":
                    published = value;
                    break;
                case "target":
                    target = value;
                    break;
                case "protocol":
                    protocol = value;
                    break;
            }
        }

        return $"{published}:{target}/{protocol}";
    }

    private static (string Address, string HostPorts, string ContainerPorts) Split(string text)
    {
        var last = text.LastIndexOf(':');
        if (last < 0)
        {
            return ("", "", text);
        }

        var before = last == 0 ? -1 : text.LastIndexOf(':', last - 1);
        return before < 0
            ? ("", text[..last], text[(last + 1)..])
            : (text[..before], text[(before + 1)..last], text[(last + 1)..]);
    }

    private static string CheckedAddress(string address)
    {
        if (address.StartsWith('[') && address.EndsWith(']'))
        {
            address = address[1..^1];
        }

        return address.Length == 0 || (IPAddress.TryParse(address, out var ip) && (address.Contains(':') || address.Count(static c => c == '.') == 3) && ip is not null)
            ? address
            : throw new FormatException($"invalid IP address: {address}");
    }

    private static (int First, int Last)? Range(string text)
    {
        var dash = text.IndexOf('-');
        var first = Port(dash < 0 ? text : text[..dash]);
        var last = dash < 0 ? first : Port(text[(dash + 1)..]);
        return first is { } f && last is { } l && f <= l ? (f, l) : null;
    }

    private static string RangeError(string text)
    {
        try
        {
            var dash = text.IndexOf('-');
            GoNumber.ParseUint(dash < 0 ? text : text[..dash], 16);
            if (dash >= 0)
            {
                GoNumber.ParseUint(text[(dash + 1)..], 16);
            }

            return $"invalid range specified for port: {text}";
        }
        catch (FormatException e)
        {
            return e.Message;
        }
    }

    private static int? Port(string text) =>
        ushort.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) ? port : null;

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
