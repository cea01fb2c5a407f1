using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Addresses;

/// <summary>
/// Which addresses of one subnet are given out. Gives the lowest free one of its range, as Docker does; the network's own address and the
/// IPv4 broadcast address are never given out. Lives in memory: the owner builds it again from what it has on record.
/// </summary>
internal sealed class AddressBlock
{
    private readonly HashSet<UInt128> _taken = [];
    private readonly UInt128 _first;
    private readonly UInt128 _last;
    private UInt128 _lowestFree;

    public AddressBlock(IPNetwork subnet, IPNetwork? range = null)
    {
        Subnet = subnet;
        Range = range ?? subnet;
        _first = Range.First();
        _last = Range.Last();
        _lowestFree = _first;

        // A subnet of one or two addresses has no room for reserved ones (RFC 3021, RFC 6164).
        if (AddressNumber.Bits(subnet.BaseAddress.AddressFamily) - subnet.PrefixLength >= 2)
        {
            _taken.Add(subnet.First());
            if (Family == AddressFamily.InterNetwork)
            {
                _taken.Add(subnet.Last());
            }
        }
    }

    public IPNetwork Subnet { get; }

    /// <summary>The part from which <see cref="TakeNext"/> takes.</summary>
    public IPNetwork Range { get; }

    public AddressFamily Family => Subnet.BaseAddress.AddressFamily;

    /// <summary>Addresses of the subnet that nobody can get: given out, or reserved.</summary>
    public UInt128 InUse => (UInt128)_taken.Count;

    /// <summary>Addresses of the range that are free.</summary>
    public UInt128 Available => _last - _first + 1 - (UInt128)_taken.Count(n => n >= _first && n <= _last);

    /// <summary>Takes the lowest free address of the range; null when there is none.</summary>
    public IPAddress? TakeNext()
    {
        for (var number = _lowestFree; number <= _last; number++)
        {
            if (_taken.Add(number))
            {
                _lowestFree = number == _last ? number : number + 1;
                return number.ToAddress(Family);
            }

            if (number == _last)
            {
                break;
            }
        }

        _lowestFree = _last;
        return null;
    }

    /// <summary>Takes a given address of the subnet; false when it is taken, reserved or outside.</summary>
    public bool TryTake(IPAddress address) => Subnet.Contains(address) && _taken.Add(address.ToNumber());

    /// <summary>Gives an address back. Releasing what was never taken does nothing.</summary>
    public void Release(IPAddress address)
    {
        var number = address.ToNumber();
        if (IsReserved(number) || !_taken.Remove(number))
        {
            return;
        }

        if (number >= _first && number <= _last && number < _lowestFree)
        {
            _lowestFree = number;
        }
    }

    private bool IsReserved(UInt128 number) =>
        AddressNumber.Bits(Family) - Subnet.PrefixLength >= 2 &&
        (number == Subnet.First() || (Family == AddressFamily.InterNetwork && number == Subnet.Last()));
}
