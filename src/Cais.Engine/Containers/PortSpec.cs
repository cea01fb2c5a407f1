using System.Globalization;
using System.Net;
using Cais.Networking;

namespace Cais.Engine.Containers;

/// <summary>A container's port as the API writes it: <c>80/tcp</c>.</summary>
internal readonly record struct PortSpec(ushort Port, PortProtocol Protocol)
{
    public static bool TryParse(string text, out PortSpec port)
    {
        port = default;
        var slash = text.IndexOf('/');
        var protocol = slash < 0 ? "tcp" : text[(slash + 1)..].ToLowerInvariant();
        if (!ushort.TryParse(slash < 0 ? text : text[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out var number) || number == 0)
        {
            return false;
        }

        PortProtocol? kind = protocol switch
        {
            "tcp" or "" => PortProtocol.Tcp,
            "udp" => PortProtocol.Udp,
            "sctp" => PortProtocol.Sctp,
            _ => null,
        };
        port = new(number, kind ?? default);
        return kind is not null;
    }

    /// <summary>The ports a container publishes: those it names, and with <c>-P</c> all that are exposed.</summary>
    public static IReadOnlyList<PortRequest> Requests(ContainerRecord container)
    {
        var requests = new List<PortRequest>();
        foreach (var (text, bindings) in container.HostConfig.PortBindings ?? new Dictionary<string, IReadOnlyList<Api.PortBinding>?>())
        {
            if (!TryParse(text, out var port))
            {
                throw EngineException.InvalidParameter($"invalid port specification: \"{text}\"");
            }

            foreach (var binding in bindings is { Count: > 0 } ? bindings : [new Api.PortBinding()])
            {
                var (first, last) = Range(binding.HostPort);
                var address = string.IsNullOrEmpty(binding.HostIp) ? null
                    : IPAddress.TryParse(binding.HostIp, out var parsed) ? parsed
                    : throw EngineException.InvalidParameter($"invalid IP address: {binding.HostIp}");
                requests.Add(new PortRequest(port.Port, port.Protocol, address, first, last));
            }
        }

        if (container.HostConfig.PublishAllPorts == true)
        {
            foreach (var exposed in container.Config.ExposedPorts?.Keys ?? [])
            {
                if (TryParse(exposed, out var port) && !requests.Exists(r => r.ContainerPort == port.Port && r.Protocol == port.Protocol))
                {
                    requests.Add(new PortRequest(port.Port, port.Protocol));
                }
            }
        }

        return requests;
    }

    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Port}/{Protocol.ToString().ToLowerInvariant()}");

    private static (ushort First, ushort Last) Range(string? text)
    {
        if (string.IsNullOrEmpty(text))
        {
            return (0, 0);
        }

        var parts = text.Split('-', 2);
        if (ushort.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var first))
        {
            if (parts.Length == 1)
            {
                return (first, first);
            }

            if (ushort.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var last) && last >= first)
            {
                return (first, last);
            }
        }

        throw EngineException.InvalidParameter($"invalid port specification: \"{text}\"");
    }
}
