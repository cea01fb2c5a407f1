using System.Buffers.Binary;
using System.Net;

namespace Cais.Linux.Netlink;

/// <summary>The connection tracking table of one network namespace: that of the thread which opened it. For one user at a time.</summary>
public sealed class ConntrackSocket : IDisposable
{
    private const ushort Get = (1 << 8) | 1;
    private const ushort Delete = (1 << 8) | 2;
    private const int OriginalTuple = 1;
    private const int TupleAddresses = 1;
    private const int TupleProtocol = 2;
    private const int ProtocolNumber = 1;
    private const int DestinationPort = 3;
    private const int Identifier = 12;
    private const int Filter = 25;
    private const int FilterOriginal = 1;
    private const uint FilterProtocol = 1 << 3;
    private const uint FilterDestinationPort = 1 << 5;
    private readonly NetlinkSocket _socket;
    private readonly NetlinkBuffer _request = new();

    private ConntrackSocket(NetlinkSocket socket) => _socket = socket;

    public static ConntrackSocket Open() => new(NetlinkSocket.Open(NetlinkProtocol.Netfilter));

    /// <summary>
    /// Forgets flows to a port, so that their next packet is looked at afresh: translations are decided once a flow, and a UDP flow that goes on
    /// never ends. Returns how many there were.
    /// </summary>
    /// <param name="protocol">IP protocol number.</param>
    /// <param name="port">Destination port before translation.</param>
    /// <param name="destination">Destination address before translation; null or "any" for all.</param>
    public int Forget(byte protocol, ushort port, IPAddress destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var family = (byte)(destination.GetAddressBytes().Length == 4 ? NetworkNative.AF_INET : NetworkNative.AF_INET6);
        var flows = Find(family, protocol, port, destination);
        foreach (var (tuple, identifier) in flows)
        {
            _request.Clear();
            _request.BeginMessage(Delete, NetlinkFlags.Request | NetlinkFlags.Acknowledge, 1);
            _request.Header(new NetfilterHeader { Family = family });
            _request.Put(OriginalTuple | (1 << 15), tuple);
            _request.Put(Identifier, identifier);
            _request.EndMessage();

            // A flow that ended meanwhile is as good.
            _socket.Send(_request.Written);
        }

        return flows.Count;
    }

    public void Dispose() => _socket.Dispose();

    private List<(byte[] Tuple, byte[] Identifier)> Find(byte family, byte protocol, ushort port, IPAddress destination)
    {
        Span<byte> bigEndianPort = stackalloc byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bigEndianPort, port);
        _request.Clear();
        _request.BeginMessage(Get, NetlinkFlags.Request | NetlinkFlags.Dump, 1);
        _request.Header(new NetfilterHeader { Family = family });
        var original = _request.BeginNested(OriginalTuple);
        var transport = _request.BeginNested(TupleProtocol);
        _request.PutByte(ProtocolNumber, protocol);
        _request.Put(DestinationPort, bigEndianPort);
        _request.EndNested(transport);
        _request.EndNested(original);
        var filter = _request.BeginNested(Filter);
        _request.PutUInt32(FilterOriginal, FilterProtocol | FilterDestinationPort);
        _request.EndNested(filter);
        _request.EndMessage();

        // Older kernels do not filter: so look again.
        var any = destination.Equals(IPAddress.Any) || destination.Equals(IPAddress.IPv6Any);
        var address = destination.GetAddressBytes();
        var portBytes = bigEndianPort.ToArray();
        var flows = new List<(byte[], byte[])>();
        _socket.Dump(_request.Written, "list connections", (in message) =>
        {
            var attributes = message.Attributes<NetfilterHeader>();
            if (attributes.TryFind(OriginalTuple, out var tuple) && attributes.TryFind(Identifier, out var identifier) &&
                tuple.Nested.TryFind(TupleProtocol, out var proto) && proto.Nested.TryFind(ProtocolNumber, out var number) && number.AsByte() == protocol &&
                proto.Nested.TryFind(DestinationPort, out var to) && to.Value.SequenceEqual(portBytes) &&
                (any || (tuple.Nested.TryFind(TupleAddresses, out var addresses) && HasAddress(addresses.Nested, address))))
            {
                flows.Add((tuple.Value.ToArray(), identifier.Value.ToArray()));
            }
        });
        return flows;
    }

    private static bool HasAddress(NetlinkAttributes addresses, byte[] destination)
    {
        var attribute = destination.Length == 4 ? 2 : 4;
        return addresses.TryFind(attribute, out var found) && found.Value.SequenceEqual(destination);
    }
}
