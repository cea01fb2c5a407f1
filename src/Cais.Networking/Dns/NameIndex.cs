using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Net;

namespace Cais.Networking.Dns;

/// <summary>The names in one network. Written by one thread, read by any without waiting.</summary>
internal sealed class NameIndex
{
    private readonly ConcurrentDictionary<string, ImmutableArray<Endpoint>> _byName = new(StringComparer.OrdinalIgnoreCase);
    private readonly ConcurrentDictionary<IPAddress, Endpoint> _byAddress = new();

    public void Add(Endpoint endpoint)
    {
        foreach (var name in endpoint.DnsNames)
        {
            var others = _byName.GetValueOrDefault(name, []);
            _byName[name] = [.. others.Where(e => e.Id != endpoint.Id), endpoint];
        }

        foreach (var address in Addresses(endpoint))
        {
            _byAddress[address] = endpoint;
        }
    }

    public void Remove(Endpoint endpoint)
    {
        foreach (var name in endpoint.DnsNames)
        {
            var others = _byName.GetValueOrDefault(name, []).RemoveAll(e => e.Id == endpoint.Id);
            if (others.IsEmpty)
            {
                _byName.TryRemove(name, out _);
            }
            else
            {
                _byName[name] = others;
            }
        }

        foreach (var address in Addresses(endpoint))
        {
            _byAddress.TryRemove(address, out _);
        }
    }

    public ImmutableArray<Endpoint> Find(string name) => _byName.GetValueOrDefault(name, []);

    public Endpoint? Find(IPAddress address) => _byAddress.GetValueOrDefault(address);

    private static IEnumerable<IPAddress> Addresses(Endpoint endpoint) => new[] { endpoint.IPv4Address, endpoint.IPv6Address }.OfType<IPAddress>();
}
