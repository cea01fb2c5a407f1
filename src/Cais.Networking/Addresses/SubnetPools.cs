using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Addresses;

/// <summary>Chooses subnets for networks that name none, from the daemon's default address pools.</summary>
internal sealed class SubnetPools(IReadOnlyList<AddressPool> pools)
{
    /// <summary>Docker's: fifteen networks of 65,534 addresses, then sixteen of 4,094; IPv6 networks of a unique local prefix (RFC 4193).</summary>
    private static readonly AddressPool[] Defaults =
    [
        .. Enumerable.Range(17, 15).Select(n => new AddressPool(new IPNetwork(new IPAddress([172, (byte)n, 0, 0]), 16), 16)),
        new AddressPool(new IPNetwork(new IPAddress([192, 168, 0, 0]), 16), 20),
    ];

    private readonly IReadOnlyList<AddressPool> _pools = pools.Count > 0 ? pools : Defaults;

    /// <summary>The first subnet that overlaps none of those in use; null when there is none.</summary>
    /// <param name="family">Which address family.</param>
    /// <param name="inUse">Subnets of other networks and routes of the host.</param>
    /// <param name="uniqueLocal">A /48 of this machine for IPv6, taken when no pool is for IPv6.</param>
    public IPNetwork? Choose(AddressFamily family, IReadOnlyCollection<IPNetwork> inUse, IPNetwork uniqueLocal)
    {
        var candidates = _pools.Where(p => p.Base.BaseAddress.AddressFamily == family);
        if (family == AddressFamily.InterNetworkV6 && !candidates.Any())
        {
            candidates = [new AddressPool(uniqueLocal, 64)];
        }

        return candidates.Select(pool => Choose(pool, inUse)).FirstOrDefault(found => found is not null);
    }

    private static IPNetwork? Choose(AddressPool pool, IReadOnlyCollection<IPNetwork> inUse)
    {
        var family = pool.Base.BaseAddress.AddressFamily;
        var bits = AddressNumber.Bits(family) - pool.Size;
        var last = pool.Base.Last();
        for (var number = pool.Base.First(); number <= last;)
        {
            var candidate = new IPNetwork(number.ToAddress(family), pool.Size);
            var blocker = inUse.Where(used => candidate.Overlaps(used)).Select(used => (IPNetwork?)used).FirstOrDefault();
            if (blocker is null)
            {
                return candidate;
            }

            // Behind the blocker, however large it is, and on a boundary again.
            var next = UInt128.Max(blocker.Value.Last(), candidate.Last());
            if (next >= last)
            {
                return null;
            }

            number = ((next >> bits) + 1) << bits;
        }

        return null;
    }
}
