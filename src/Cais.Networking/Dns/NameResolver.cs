using System.Net;
using System.Net.Sockets;
using Cais.Networking.State;

namespace Cais.Networking.Dns;

/// <summary>What the embedded server knows itself: names and addresses in the networks that the asker is in.</summary>
internal sealed class NameResolver(NetworkTable networks)
{
    private int _rotation;

    /// <summary>Record data for the answer; empty when the name is known and has none of that type; null when it is somebody else's name.</summary>
    public IReadOnlyList<byte[]>? Resolve(SandboxRecord asker, DnsQuery query)
    {
        switch (query.Type)
        {
            case DnsType.A or DnsType.Aaaa:
                var family = query.Type == DnsType.A ? AddressFamily.InterNetwork : AddressFamily.InterNetworkV6;
                return Addresses(asker, query.Name, family);
            case DnsType.Ptr when DnsQuery.ReverseAddress(query.Name) is { } address:
                return Names(asker, address);
            default:
                // Other questions about our names have no answer; they must not leave the host.
                return Addresses(asker, query.Name, AddressFamily.InterNetwork) is null ? null : [];
        }
    }

    private static IPAddress? AddressOf(Endpoint endpoint, AddressFamily family) =>
        family == AddressFamily.InterNetwork ? endpoint.IPv4Address : endpoint.IPv6Address;

    private IEnumerable<NetworkState> NetworksOf(SandboxRecord asker)
    {
        foreach (var endpoint in asker.Sandbox.Endpoints)
        {
            if (networks.TryGet(endpoint.NetworkId, out var state) && state.Network.HasNameService)
            {
                yield return state;
            }
        }
    }

    private List<byte[]>? Addresses(SandboxRecord asker, string name, AddressFamily family)
    {
        if (name is "host.docker.internal" or "gateway.docker.internal")
        {
            return [.. NetworksOf(asker).SelectMany(n => n.Network.Spec.Ipam).Select(p => p.Gateway).OfType<IPAddress>()
                .Where(a => a.AddressFamily == family).Take(1).Select(a => a.GetAddressBytes())];
        }

        var found = Find(asker, name);
        if (found.Count == 0)
        {
            return null;
        }

        var addresses = found.Select(e => AddressOf(e, family)).OfType<IPAddress>().Distinct().Select(a => a.GetAddressBytes()).ToList();
        if (addresses.Count > 1)
        {
            // Each asker in turn sees another one first.
            var start = (int)((uint)Interlocked.Increment(ref _rotation) % (uint)addresses.Count);
            addresses = [.. addresses[start..], .. addresses[..start]];
        }

        return addresses;
    }

    private List<Endpoint> Find(SandboxRecord asker, string name)
    {
        foreach (var endpoint in asker.Sandbox.Endpoints)
        {
            if (endpoint.Spec.Links.TryGetValue(name, out var linked) && networks.TryGet(endpoint.NetworkId, out var state) && state.Names.Find(linked) is { IsEmpty: false } others)
            {
                return [.. others];
            }
        }

        foreach (var network in NetworksOf(asker))
        {
            var found = network.Names.Find(name);

            // A name may be said with its network behind it: web.front.
            var suffix = "." + network.Network.Name;
            if (found.IsEmpty && name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase))
            {
                found = network.Names.Find(name[..^suffix.Length]);
            }

            if (!found.IsEmpty)
            {
                return [.. found];
            }
        }

        return [];
    }

    private List<byte[]>? Names(SandboxRecord asker, IPAddress address)
    {
        foreach (var network in NetworksOf(asker))
        {
            if (network.Names.Find(address) is { } endpoint && DnsQuery.EncodeName($"{endpoint.ContainerName}.{network.Network.Name}") is { } encoded)
            {
                return [encoded];
            }
        }

        return null;
    }
}
