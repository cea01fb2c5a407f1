using System.Diagnostics.CodeAnalysis;

namespace Cais.Networking.State;

/// <summary>All networks. Changed by the kernel thread alone, read by any thread.</summary>
internal sealed class NetworkTable
{
    private readonly Dictionary<string, NetworkState> _byId = [];
    private readonly Lock _gate = new();

    public IReadOnlyList<Network> List()
    {
        lock (_gate)
        {
            return [.. _byId.Values.Select(s => s.Network).OrderBy(n => n.Name, StringComparer.Ordinal)];
        }
    }

    public IReadOnlyList<NetworkState> States()
    {
        lock (_gate)
        {
            return [.. _byId.Values];
        }
    }

    /// <summary>By full id, then name, then unambiguous start of the id: Docker's order, so that no name can hide an id.</summary>
    /// <exception cref="NetworkException">InvalidParameter: more than one network's id starts so.</exception>
    public bool TryGet(string nameOrId, [NotNullWhen(true)] out NetworkState? found)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(nameOrId, out found))
            {
                return true;
            }

            found = _byId.Values.FirstOrDefault(s => s.Network.Name == nameOrId);
            if (found is not null || nameOrId.Length == 0)
            {
                return found is not null;
            }

            var matches = _byId.Values.Where(s => s.Network.Id.StartsWith(nameOrId, StringComparison.Ordinal)).Take(2).ToList();
            found = matches.Count > 0 ? matches[0] : null;
            return matches.Count < 2
                ? found is not null
                : throw new NetworkException(NetworkError.InvalidParameter, $"network {nameOrId} is ambiguous (2 matches found based on ID prefix)");
        }
    }

    /// <exception cref="NetworkException">NotFound.</exception>
    public NetworkState Get(string nameOrId) =>
        TryGet(nameOrId, out var found) ? found : throw new NetworkException(NetworkError.NotFound, $"network {nameOrId} not found");

    public IReadOnlyList<Endpoint> EndpointsOf(string networkId)
    {
        lock (_gate)
        {
            return _byId.TryGetValue(networkId, out var state) ? [.. state.Endpoints.Values] : [];
        }
    }

    public void Set(NetworkState state)
    {
        lock (_gate)
        {
            _byId[state.Network.Id] = state;
        }
    }

    public void Remove(string id)
    {
        lock (_gate)
        {
            _byId.Remove(id);
        }
    }

    public void Restore(NetworkState state, Endpoint endpoint)
    {
        lock (_gate)
        {
            state.Restore(endpoint);
        }
    }

    /// <summary>Notes who is in the network; its addresses were taken before.</summary>
    public void Add(Endpoint endpoint)
    {
        lock (_gate)
        {
            _byId[endpoint.NetworkId].Add(endpoint);
        }
    }

    public void Remove(Endpoint endpoint)
    {
        lock (_gate)
        {
            if (_byId.TryGetValue(endpoint.NetworkId, out var state))
            {
                state.Remove(endpoint);
            }
        }
    }
}
