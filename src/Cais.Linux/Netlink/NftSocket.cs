namespace Cais.Linux.Netlink;

/// <summary>The packet filter of one network namespace: that of the thread which opened it. For one user at a time.</summary>
public sealed class NftSocket : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkBuffer _request = new();

    private NftSocket(NetlinkSocket socket) => _socket = socket;

    public static NftSocket Open() => new(NetlinkSocket.Open(NetlinkProtocol.Netfilter));

    /// <summary>The kernel's number for this socket.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>Commits the transaction and clears the batch.</summary>
    /// <exception cref="LinuxException">The first change that the kernel refused; none was made.</exception>
    public void Execute(NftBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.IsEmpty)
        {
            return;
        }

        var last = (uint)batch.Operations.Count;
        var acks = _socket.Send(batch.Finish());
        LinuxException? failure = null;
        var finished = false;
        foreach (var ack in acks)
        {
            finished |= ack.Sequence == last;
            if (ack.Error != Errno.None && failure is null)
            {
                // Sequence 0 is the transaction itself: refused before or behind its changes.
                var operation = ack.Sequence >= 1 && ack.Sequence <= last ? batch.Operations[(int)ack.Sequence - 1] : "commit packet filter transaction";
                failure = NetlinkSocket.Failure(ack, $"nftables: {operation}");
            }
        }

        batch.Clear();
        if (failure is not null)
        {
            throw failure;
        }

        if (!finished)
        {
            throw new NetlinkFormatException("the kernel did not acknowledge a packet filter transaction");
        }
    }

    /// <summary>Names of the table's chains; empty when there is no such table.</summary>
    public List<string> Chains(NftFamily family, string table) => Names(Nft.GetChain, family, table, Nft.ChainTable, Nft.ChainName, "list chains");

    /// <summary>Names of the table's sets and maps; empty when there is no such table.</summary>
    public List<string> Sets(NftFamily family, string table) => Names(Nft.GetSet, family, table, Nft.SetTable, Nft.SetName, "list sets");

    /// <summary>Keys of a set's elements.</summary>
    /// <exception cref="LinuxException">ENOENT: there is no such set.</exception>
    public List<byte[]> Keys(NftFamily family, string table, string set)
    {
        var keys = new List<byte[]>();
        BeginDump(Nft.GetElements, family);
        _request.PutString(Nft.ListTable, table);
        _request.PutString(Nft.ListSet, set);
        _request.EndMessage();
        _socket.Dump(_request.Written, $"list set {set}", (in message) =>
        {
            if (!message.Attributes<NetfilterHeader>().TryFind(Nft.ListElements, out var list))
            {
                return;
            }

            foreach (var element in list.Nested)
            {
                if (element.Nested.TryFind(Nft.ElementKey, out var key) && key.Nested.TryFind(Nft.DataValue, out var value))
                {
                    keys.Add(value.Value.ToArray());
                }
            }
        });
        return keys;
    }

    public void Dispose() => _socket.Dispose();

    private List<string> Names(ushort type, NftFamily family, string table, int tableAttribute, int nameAttribute, string operation)
    {
        var names = new List<string>();
        BeginDump(type, family);
        _request.PutString(tableAttribute, table);
        _request.EndMessage();
        try
        {
            _socket.Dump(_request.Written, operation, (in message) =>
            {
                var attributes = message.Attributes<NetfilterHeader>();
                if (attributes.TryFind(tableAttribute, out var of) && of.AsString() == table && attributes.TryFind(nameAttribute, out var name))
                {
                    names.Add(name.AsString());
                }
            });
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            return [];
        }

        return names;
    }

    private void BeginDump(ushort type, NftFamily family)
    {
        _request.Clear();
        _request.BeginMessage(type, NetlinkFlags.Request | NetlinkFlags.Dump, 1);
        _request.Header(new NetfilterHeader { Family = (byte)family });
    }
}
