using System.Globalization;
using Cais.Build.Checks;
using Cais.Build.Language;

namespace Cais.Build.Planning;

/// <summary>What EXPOSE takes: <c>[[ip:]host:]port[-port][/proto]</c>, of which only ports and protocol are recorded.</summary>
internal static class PortSpecification
{
    private const int MostPorts = 65536;

    public static IEnumerable<string> Read(string text, SourceRange range, CheckReport checks, SourceRange instruction)
    {
        DockerfileException Error(string why) => new($"invalid containerPort: {text}: {why}", range);
        var slash = text.LastIndexOf('/');
        var protocol = slash < 0 ? "tcp" : text[(slash + 1)..];
        var ports = slash < 0 ? text : text[..slash];
        var lower = protocol.ToLowerInvariant();
        if (lower != protocol)
        {
            checks.Add(Rules.ExposeProtoCasing, $"Defined protocol '{text}' in EXPOSE instruction should be lowercase", instruction);
        }

        if (lower is not ("tcp" or "udp" or "sctp"))
        {
            throw Error("the protocol must be tcp, udp or sctp");
        }

        var colon = ports.LastIndexOf(':');
        if (colon >= 0)
        {
            checks.Add(Rules.ExposeInvalidFormat, $"EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'", instruction);
            ports = ports[(colon + 1)..];
        }

        var dash = ports.IndexOf('-', StringComparison.Ordinal);
        var (low, high) = dash < 0 ? (ports, ports) : (ports[..dash], ports[(dash + 1)..]);
        if (!int.TryParse(low, NumberStyles.None, CultureInfo.InvariantCulture, out var first) || !int.TryParse(high, NumberStyles.None, CultureInfo.InvariantCulture, out var last)
            || first >= MostPorts || last >= MostPorts || first > last)
        {
            throw Error("a port from 0 to 65535 or a range of them was expected");
        }

        return Enumerable.Range(first, last - first + 1).Select(p => $"{p}/{lower}");
    }
}
