using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

namespace Cais.Linux.Netlink;

/// <summary>
/// The expressions of a rule, written in the order in which the kernel works through them; a comparison that does not hold ends the rule.
/// The first methods are the kernel's own expressions, the later ones the usual combinations, as the nft program would make them.
/// </summary>
public sealed class NftRule
{
    private const int InterfaceNameLength = 16;
    private readonly NetlinkBuffer _buffer;

    internal NftRule(NetlinkBuffer buffer) => _buffer = buffer;

    public NftRule Meta(NftMeta key, NftRegister to)
    {
        var (element, data) = Begin("meta");
        _buffer.PutUInt32BigEndian(2, (uint)key);
        _buffer.PutUInt32BigEndian(1, (uint)to);
        return End(element, data);
    }

    public NftRule Conntrack(NftConntrack key, NftRegister to)
    {
        var (element, data) = Begin("ct");
        _buffer.PutUInt32BigEndian(2, (uint)key);
        _buffer.PutUInt32BigEndian(1, (uint)to);
        return End(element, data);
    }

    /// <summary>The kind of the destination address (RTN_…; 2 is local), by the routing tables.</summary>
    public NftRule DestinationKind(NftRegister to)
    {
        const uint addressType = 3, destination = 2;
        var (element, data) = Begin("fib");
        _buffer.PutUInt32BigEndian(3, destination);
        _buffer.PutUInt32BigEndian(2, addressType);
        _buffer.PutUInt32BigEndian(1, (uint)to);
        return End(element, data);
    }

    public NftRule Payload(NftHeader header, uint offset, uint length, NftRegister to)
    {
        var (element, data) = Begin("payload");
        _buffer.PutUInt32BigEndian(1, (uint)to);
        _buffer.PutUInt32BigEndian(2, (uint)header);
        _buffer.PutUInt32BigEndian(3, offset);
        _buffer.PutUInt32BigEndian(4, length);
        return End(element, data);
    }

    /// <summary>Writes a register into the packet and mends the Internet checksum at <paramref name="checksumOffset"/> of the same header.</summary>
    public NftRule WritePayload(NftRegister from, NftHeader header, uint offset, uint length, uint checksumOffset)
    {
        const uint internetChecksum = 1;
        var (element, data) = Begin("payload");
        _buffer.PutUInt32BigEndian(5, (uint)from);
        _buffer.PutUInt32BigEndian(2, (uint)header);
        _buffer.PutUInt32BigEndian(3, offset);
        _buffer.PutUInt32BigEndian(4, length);
        _buffer.PutUInt32BigEndian(6, internetChecksum);
        _buffer.PutUInt32BigEndian(7, checksumOffset);
        return End(element, data);
    }

    /// <summary>Goes on only if the register holds the value, or with <paramref name="not"/> if it does not.</summary>
    public NftRule Compare(NftRegister register, ReadOnlySpan<byte> value, bool not = false)
    {
        var (element, data) = Begin("cmp");
        _buffer.PutUInt32BigEndian(1, (uint)register);
        _buffer.PutUInt32BigEndian(2, not ? 1u : 0u);
        Value(3, value);
        return End(element, data);
    }

    /// <summary>Register = register AND mask.</summary>
    public NftRule Mask(NftRegister register, ReadOnlySpan<byte> mask)
    {
        var (element, data) = Begin("bitwise");
        _buffer.PutUInt32BigEndian(1, (uint)register);
        _buffer.PutUInt32BigEndian(2, (uint)register);
        _buffer.PutUInt32BigEndian(3, (uint)mask.Length);
        Value(4, mask);
        Span<byte> zero = stackalloc byte[16];
        zero.Clear();
        Value(5, zero[..mask.Length]);
        return End(element, data);
    }

    /// <summary>Goes on only if the set has the key that starts in the register, or with <paramref name="not"/> if it has not.</summary>
    public NftRule Lookup(string set, NftRegister key, bool not = false)
    {
        var (element, data) = Begin("lookup");
        _buffer.PutString(1, set);
        _buffer.PutUInt32BigEndian(2, (uint)key);
        if (not)
        {
            _buffer.PutUInt32BigEndian(5, 1);
        }

        return End(element, data);
    }

    /// <summary>Loads what the map has for the key; goes on only if it has something. Into the verdict register: does that.</summary>
    public NftRule LookupMap(string map, NftRegister key, NftRegister to)
    {
        var (element, data) = Begin("lookup");
        _buffer.PutString(1, map);
        _buffer.PutUInt32BigEndian(2, (uint)key);
        _buffer.PutUInt32BigEndian(3, (uint)to);
        return End(element, data);
    }

    public NftRule Load(NftRegister to, ReadOnlySpan<byte> value)
    {
        var (element, data) = Begin("immediate");
        _buffer.PutUInt32BigEndian(1, (uint)to);
        Value(2, value);
        return End(element, data);
    }

    public NftRule Verdict(NftVerdict verdict)
    {
        var (element, data) = Begin("immediate");
        _buffer.PutUInt32BigEndian(1, (uint)NftRegister.Verdict);
        var value = _buffer.BeginNested(2);
        WriteVerdict(_buffer, verdict);
        _buffer.EndNested(value);
        return End(element, data);
    }

    /// <summary>Translates the destination to the address and port in the registers.</summary>
    public NftRule TranslateDestination(NftFamily family, NftRegister address, NftRegister port)
    {
        var (element, data) = Begin("nat");
        _buffer.PutUInt32BigEndian(1, 1);
        _buffer.PutUInt32BigEndian(2, (uint)family);
        _buffer.PutUInt32BigEndian(3, (uint)address);
        _buffer.PutUInt32BigEndian(5, (uint)port);
        return End(element, data);
    }

    /// <summary>Translates the source to the address of the interface that the packet leaves by.</summary>
    public NftRule Masquerade()
    {
        var (element, data) = Begin("masq");
        return End(element, data);
    }

    /// <summary>Drops the packet and tells its sender that it was not allowed (ICMP administratively prohibited, either family).</summary>
    public NftRule Reject()
    {
        const uint icmpx = 2;
        const byte administrativelyProhibited = 3;
        var (element, data) = Begin("reject");
        _buffer.PutUInt32BigEndian(1, icmpx);
        _buffer.PutByte(2, administrativelyProhibited);
        return End(element, data);
    }

    /// <summary>Keeps connection tracking away from the packet.</summary>
    public NftRule Untracked()
    {
        var element = _buffer.BeginNested(Nft.ListElement);
        _buffer.PutString(Nft.ExpressionName, "notrack");
        _buffer.EndNested(element);
        return this;
    }

    public NftRule IncomingInterface(string name, bool not = false) =>
        Meta(NftMeta.IncomingName, NftRegister.R0).Compare(NftRegister.R0, InterfaceName(name), not);

    public NftRule OutgoingInterface(string name, bool not = false) =>
        Meta(NftMeta.OutgoingName, NftRegister.R0).Compare(NftRegister.R0, InterfaceName(name), not);

    /// <summary>The packet belongs to a connection that was let through before (<c>ct state established,related</c>).</summary>
    public NftRule Established() => ConntrackBits(NftConntrack.State, 2 | 4);

    /// <summary>The connection's destination was translated (<c>ct status dnat</c>).</summary>
    public NftRule DestinationTranslated() => ConntrackBits(NftConntrack.Status, 32);

    public NftRule IsFamily(NftFamily family) => Meta(NftMeta.Family, NftRegister.R0).Compare(NftRegister.R0, [(byte)family]);

    public NftRule TransportIs(byte protocol) => Meta(NftMeta.TransportProtocol, NftRegister.R0).Compare(NftRegister.R0, [protocol]);

    public NftRule DestinationIsLocal() =>
        DestinationKind(NftRegister.R0).Compare(NftRegister.R0, [2, 0, 0, 0]);

    public NftRule Source(IPNetwork network, bool not = false) => Address(network, source: true, not);

    public NftRule Destination(IPNetwork network, bool not = false) => Address(network, source: false, not);

    public NftRule DestinationPortIs(ushort port)
    {
        Span<byte> value = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(value, port);
        return Payload(NftHeader.Transport, 2, 2, NftRegister.R0).Compare(NftRegister.R0, value);
    }

    /// <summary>An interface name as sets and comparisons hold it: sixteen bytes, zeros behind.</summary>
    public static byte[] InterfaceName(string name)
    {
        var bytes = new byte[InterfaceNameLength];
        var count = Encoding.UTF8.GetBytes(name, bytes);
        return count < InterfaceNameLength ? bytes : throw new ArgumentException($"interface name {name} is longer than 15 bytes", nameof(name));
    }

    internal static void WriteVerdict(NetlinkBuffer buffer, NftVerdict verdict)
    {
        var nested = buffer.BeginNested(Nft.DataVerdict);
        buffer.PutUInt32BigEndian(Nft.VerdictCode, (uint)verdict.Code);
        if (verdict.Chain is not null)
        {
            buffer.PutString(Nft.VerdictChain, verdict.Chain);
        }

        buffer.EndNested(nested);
    }

    private NftRule ConntrackBits(NftConntrack key, uint bits) =>
        Conntrack(key, NftRegister.R0)
            .Mask(NftRegister.R0, MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in bits)))
            .Compare(NftRegister.R0, [0, 0, 0, 0], not: true);

    private NftRule Address(IPNetwork network, bool source, bool not)
    {
        var v4 = network.BaseAddress.AddressFamily == AddressFamily.InterNetwork;
        var length = v4 ? 4u : 16u;
        var offset = (v4, source) switch
        {
            (true, true) => 12u,
            (true, false) => 16u,
            (false, true) => 8u,
            (false, false) => 24u,
        };
        IsFamily(v4 ? NftFamily.IPv4 : NftFamily.IPv6).Payload(NftHeader.Network, offset, length, NftRegister.R0);
        if (network.PrefixLength < length * 8)
        {
            Span<byte> mask = stackalloc byte[(int)length];
            mask.Clear();
            for (var bit = 0; bit < network.PrefixLength; bit++)
            {
                mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
            }

            Mask(NftRegister.R0, mask);
        }

        return Compare(NftRegister.R0, network.BaseAddress.GetAddressBytes(), not);
    }

    private (int Element, int Data) Begin(string name)
    {
        var element = _buffer.BeginNested(Nft.ListElement);
        _buffer.PutString(Nft.ExpressionName, name);
        return (element, _buffer.BeginNested(Nft.ExpressionData));
    }

    private NftRule End(int element, int data)
    {
        _buffer.EndNested(data);
        _buffer.EndNested(element);
        return this;
    }

    private void Value(int type, ReadOnlySpan<byte> value)
    {
        var nested = _buffer.BeginNested(type);
        _buffer.Put(Nft.DataValue, value);
        _buffer.EndNested(nested);
    }
}
