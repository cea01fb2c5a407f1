using System.Runtime.InteropServices;

namespace Cais.Linux.Netlink;

/// <summary>Something that happened in a network namespace, by anyone's hand.</summary>
public enum NetworkEvent
{
    /// <summary>An interface is gone.</summary>
    LinkDeleted,

    /// <summary>An interface has lost an address.</summary>
    AddressDeleted,

    /// <summary>A table, chain, rule, set or element was removed from the packet filter.</summary>
    FilterReduced,

    /// <summary>The kernel had more to tell than there was room for: anything may have happened.</summary>
    Overrun,
}

/// <summary>Takes an event: what, the interface's or table's name, the chain's name if any, the interface's index, and the socket that made the change.</summary>
public delegate void NetworkEventHandler(NetworkEvent kind, string name, string? chain, int index, uint portId);

/// <summary>Listens to changes of links, addresses and packet filter in the namespace of the thread that opened it.</summary>
public sealed unsafe class NetworkEvents : IDisposable
{
    private const int LinkGroup = 1;
    private const int AddressGroup = 5;
    private const int AddressGroupV6 = 9;
    private const int FilterGroup = 7;
    private const int CloseOnExec = 0x80000;
    private const short Readable = 1;
    private readonly NetlinkSocket _links;
    private readonly NetlinkSocket _filter;
    private readonly FileDescriptor _stop;

    private NetworkEvents(NetlinkSocket links, NetlinkSocket filter, FileDescriptor stop)
    {
        _links = links;
        _filter = filter;
        _stop = stop;
    }

    public static NetworkEvents Open()
    {
        var stop = NetworkNative.eventfd(0, CloseOnExec);
        if (stop < 0)
        {
            throw LinuxException.FromLastError("create event descriptor");
        }

        var events = new NetworkEvents(NetlinkSocket.Open(NetlinkProtocol.Route), NetlinkSocket.Open(NetlinkProtocol.Netfilter), new FileDescriptor(stop));
        try
        {
            events._links.Join(LinkGroup);
            events._links.Join(AddressGroup);
            events._links.Join(AddressGroupV6);
            events._filter.Join(FilterGroup);
            return events;
        }
        catch
        {
            events.Dispose();
            throw;
        }
    }

    /// <summary>Hands over events on the calling thread until <see cref="Stop"/>.</summary>
    public void Listen(NetworkEventHandler handler)
    {
        ArgumentNullException.ThrowIfNull(handler);
        var descriptors = stackalloc NetworkNative.PollDescriptor[3];
        descriptors[0] = new NetworkNative.PollDescriptor { Descriptor = _stop.Number, Events = Readable };
        descriptors[1] = new NetworkNative.PollDescriptor { Descriptor = _links.Descriptor.Number, Events = Readable };
        descriptors[2] = new NetworkNative.PollDescriptor { Descriptor = _filter.Descriptor.Number, Events = Readable };
        while (true)
        {
            if (NetworkNative.poll(descriptors, 3, -1) < 0)
            {
                if ((Errno)Marshal.GetLastPInvokeError() is var errno && errno != Errno.EINTR)
                {
                    throw new LinuxException(errno, "wait for network events");
                }

                continue;
            }

            if (descriptors[0].Returned != 0)
            {
                return;
            }

            Receive(_links, handler);
            Receive(_filter, handler);
        }
    }

    /// <summary>Ends <see cref="Listen"/>, from any thread.</summary>
    public void Stop()
    {
        var one = 1L;
        _ = NetworkNative.write(_stop, (byte*)&one, sizeof(long));
    }

    public void Dispose()
    {
        _links.Dispose();
        _filter.Dispose();
        _stop.Dispose();
    }

    private static void Receive(NetlinkSocket socket, NetworkEventHandler handler)
    {
        try
        {
            socket.ReceiveEvents((in message) => Report(message, handler));
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOBUFS)
        {
            handler(NetworkEvent.Overrun, "", null, 0, 0);
        }
    }

    private static void Report(in NetlinkMessage message, NetworkEventHandler handler)
    {
        // The table's name is attribute 1 of all of these; a rule's chain is attribute 2, a chain's own name 3.
        switch (message.Type)
        {
            case RouteMessage.DeleteLink:
                handler(NetworkEvent.LinkDeleted, LinkInfo.Parse(message).Name, null, 0, message.PortId);
                break;
            case RouteMessage.DeleteAddress:
                handler(NetworkEvent.AddressDeleted, "", null, message.Header<AddressHeader>().Index, message.PortId);
                break;
            case Nft.DeleteTable or Nft.DeleteSet or Nft.DeleteElements:
                handler(NetworkEvent.FilterReduced, Text(message, 1) ?? "", null, 0, message.PortId);
                break;
            case Nft.DeleteRule:
                handler(NetworkEvent.FilterReduced, Text(message, 1) ?? "", Text(message, Nft.RuleChain), 0, message.PortId);
                break;
            case Nft.DeleteChain:
                handler(NetworkEvent.FilterReduced, Text(message, 1) ?? "", Text(message, Nft.ChainName), 0, message.PortId);
                break;
            default:
                break;
        }
    }

    private static string? Text(in NetlinkMessage message, int attribute) =>
        message.Attributes<NetfilterHeader>().TryFind(attribute, out var found) ? found.AsString() : null;
}
