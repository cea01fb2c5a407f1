namespace Cais.Linux.Netlink;

/// <summary>Links, addresses and routes of one network namespace: that of the thread which opened it. For one user at a time.</summary>
public sealed class RouteSocket : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkBuffer _request = new();

    private RouteSocket(NetlinkSocket socket) => _socket = socket;

    public static RouteSocket Open() => new(NetlinkSocket.Open(NetlinkProtocol.Route));

    /// <summary>The kernel's number for this socket.</summary>
    public uint PortId => _socket.PortId;

    /// <summary>
    /// Sends the batch in one call and clears it. Returns the interfaces that the kernel echoed.
    /// </summary>
    /// <param name="batch">The changes.</param>
    /// <param name="tolerate">Errors that mean the change was made already (or undone already).</param>
    /// <exception cref="LinuxException">The first failure; the others were applied all the same.</exception>
    public IReadOnlyList<LinkInfo> Execute(RouteBatch batch, params ReadOnlySpan<Errno> tolerate)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.IsEmpty)
        {
            return [];
        }

        // One acknowledgement, for the last, tells that all were worked through; failures report themselves.
        batch.Buffer.AddFlags(batch.LastMessage, NetlinkFlags.Acknowledge);
        batch.Buffer.EndMessage();
        List<LinkInfo>? echoed = null;
        var acks = _socket.Send(batch.Buffer.Written, (in message) =>
        {
            if (message.Type == RouteMessage.NewLink)
            {
                (echoed ??= []).Add(LinkInfo.Parse(message));
            }
        });
        var last = (uint)batch.Operations.Count;
        LinuxException? failure = null;
        var finished = false;
        foreach (var ack in acks)
        {
            finished |= ack.Sequence == last;
            if (ack.Error != Errno.None && !tolerate.Contains(ack.Error) && failure is null)
            {
                var operation = ack.Sequence >= 1 && ack.Sequence <= last ? batch.Operations[(int)ack.Sequence - 1] : "change network configuration";
                failure = NetlinkSocket.Failure(ack, operation);
            }
        }

        batch.Clear();
        return failure is not null ? throw failure
            : finished ? echoed ?? []
            : throw new NetlinkFormatException("the kernel did not acknowledge a batch of network changes");
    }

    /// <summary>The interface of that name, or null.</summary>
    public LinkInfo? FindLink(string name)
    {
        var batch = new RouteBatch();
        batch.RequestLink(name);
        return Execute(batch, Errno.ENODEV) is [var link, ..] ? link : null;
    }

    public List<LinkInfo> Links()
    {
        var links = new List<LinkInfo>();
        Dump(RouteMessage.GetLink, default(LinkHeader), "list interfaces", (in message) => links.Add(LinkInfo.Parse(message)));
        return links;
    }

    public List<AddressInfo> Addresses()
    {
        var addresses = new List<AddressInfo>();
        Dump(RouteMessage.GetAddress, default(AddressHeader), "list addresses", (in message) =>
        {
            if (AddressInfo.Parse(message) is { } address)
            {
                addresses.Add(address);
            }
        });
        return addresses;
    }

    /// <summary>The unicast routes of the main table, both families.</summary>
    public List<RouteInfo> Routes()
    {
        var routes = new List<RouteInfo>();
        Dump(RouteMessage.GetRoute, default(RouteHeader), "list routes", (in message) =>
        {
            if (RouteInfo.Parse(message) is { } route)
            {
                routes.Add(route);
            }
        });
        return routes;
    }

    public void Dispose() => _socket.Dispose();

    private void Dump<THeader>(ushort type, THeader header, string operation, NetlinkMessageHandler entry) where THeader : unmanaged
    {
        _request.Clear();
        _request.BeginMessage(type, NetlinkFlags.Request | NetlinkFlags.Dump, 1);
        _request.Header(header);
        _request.EndMessage();
        _socket.Dump(_request.Written, operation, entry);
    }
}
