using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Cais.Networking.Addresses;

/// <summary>Addresses as numbers, for arithmetic in both families.</summary>
internal static class AddressNumber
{
    public static UInt128 ToNumber(this IPAddress address)
    {
        Span<byte> bytes = stackalloc byte[16];
        return !address.TryWriteBytes(bytes, out var count) ? throw new ArgumentException($"no address: {address}", nameof(address))
            : count == 4 ? BinaryPrimitives.ReadUInt32BigEndian(bytes)
            : BinaryPrimitives.ReadUInt128BigEndian(bytes);
    }

    public static IPAddress ToAddress(this UInt128 number, AddressFamily family)
    {
        Span<byte> bytes = stackalloc byte[16];
        if (family == AddressFamily.InterNetwork)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes, (uint)number);
            return new IPAddress(bytes[..4]);
        }

        BinaryPrimitives.WriteUInt128BigEndian(bytes, number);
        return new IPAddress(bytes);
    }

    public static int Bits(AddressFamily family) => family == AddressFamily.InterNetwork ? 32 : 128;

    public static UInt128 First(this IPNetwork network) => network.BaseAddress.ToNumber();

    public static UInt128 Last(this IPNetwork network)
    {
        var host = Bits(network.BaseAddress.AddressFamily) - network.PrefixLength;
        return network.First() + (host == 128 ? UInt128.MaxValue : (UInt128.One << host) - 1);
    }

    public static bool Overlaps(this IPNetwork network, IPNetwork other) =>
        network.BaseAddress.AddressFamily == other.BaseAddress.AddressFamily &&
        (network.Contains(other.BaseAddress) || other.Contains(network.BaseAddress));

    public static bool Contains(this IPNetwork network, IPNetwork other) =>
        network.BaseAddress.AddressFamily == other.BaseAddress.AddressFamily && network.PrefixLength <= other.PrefixLength &&
        network.Contains(other.BaseAddress);

    /// <summary>Reads <c>address/prefix</c>; the address may have host bits, which a network must not.</summary>
    public static bool TryParseInterface(string text, out IPAddress address, out IPNetwork network)
    {
        address = IPAddress.None;
        network = default;
        var slash = text.IndexOf('/', StringComparison.Ordinal);
        if (slash < 0 || !IPAddress.TryParse(text.AsSpan(0, slash), out var parsed) ||
            !int.TryParse(text.AsSpan(slash + 1), System.Globalization.NumberStyles.None, null, out var prefix) ||
            prefix > Bits(parsed.AddressFamily) || parsed.ScopeIdOrZero() != 0)
        {
            return false;
        }

        address = parsed;
        network = Mask(parsed, prefix);
        return true;
    }

    /// <summary>The network of that prefix length that the address is in.</summary>
    public static IPNetwork Mask(IPAddress address, int prefixLength)
    {
        var host = Bits(address.AddressFamily) - prefixLength;
        var number = host == 128 ? UInt128.Zero : (address.ToNumber() >> host) << host;
        return new IPNetwork(number.ToAddress(address.AddressFamily), prefixLength);
    }

    private static long ScopeIdOrZero(this IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6 ? address.ScopeId : 0;
}
