using System.Buffers.Binary;
using Cais.Linux.Netlink;

namespace Cais.Networking.Dns;

/// <summary>
/// Lets port 53 of 127.0.0.11 stand for the ports that the embedded server really has, by changing port numbers on the way out of either
/// side. Stateless: connection tracking, which would cost every packet of the container, stays off.
/// </summary>
internal static class PortRewrite
{
    private const string Table = "cais_dns";
    private const string Chain = "output";
    private const byte Tcp = 6;
    private const byte Udp = 17;
    private const uint SourceOffset = 0;
    private const uint DestinationOffset = 2;

    /// <summary>Before connection tracking, for those containers that turn it on.</summary>
    private const int RawPriority = -300;

    /// <summary>Makes or replaces the rules in the calling thread's namespace.</summary>
    /// <param name="udpPort">The server's.</param>
    /// <param name="tcpPort">The server's.</param>
    /// <param name="close">Closes the socket, for which the kernel takes some 10 ms: it frees what was replaced before it returns.</param>
    public static void Install(ushort udpPort, ushort tcpPort, Action<IDisposable> close)
    {
        var filter = NftSocket.Open();
        try
        {
            Install(filter, udpPort, tcpPort);
        }
        finally
        {
            close(filter);
        }
    }

    private static void Install(NftSocket filter, ushort udpPort, ushort tcpPort)
    {
        var batch = new NftBatch(NftFamily.IPv4, Table);

        // Adding before deleting makes deleting work whether it was there or not.
        batch.AddTable();
        batch.DeleteTable();
        batch.AddTable();
        batch.AddBaseChain(Chain, "filter", NftHook.Output, RawPriority);
        Rewrite(batch, Udp, udpPort, checksumOffset: 6);
        Rewrite(batch, Tcp, tcpPort, checksumOffset: 16);
        filter.Execute(batch);
    }

    private static void Rewrite(NftBatch batch, byte protocol, ushort port, uint checksumOffset)
    {
        var real = Bytes(port);
        var shown = Bytes(53);
        var server = Sandboxes.NameFiles.InternalServer.GetAddressBytes();
        batch.AddRule(Chain, r => r
            .Payload(NftHeader.Network, 16, 4, NftRegister.R0).Compare(NftRegister.R0, server)
            .TransportIs(protocol)
            .Payload(NftHeader.Transport, DestinationOffset, 2, NftRegister.R0).Compare(NftRegister.R0, shown)
            .Load(NftRegister.R0, real)
            .WritePayload(NftRegister.R0, NftHeader.Transport, DestinationOffset, 2, checksumOffset)
            .Untracked());
        batch.AddRule(Chain, r => r
            .Payload(NftHeader.Network, 12, 4, NftRegister.R0).Compare(NftRegister.R0, server)
            .TransportIs(protocol)
            .Payload(NftHeader.Transport, SourceOffset, 2, NftRegister.R0).Compare(NftRegister.R0, real)
            .Load(NftRegister.R0, shown)
            .WritePayload(NftRegister.R0, NftHeader.Transport, SourceOffset, 2, checksumOffset)
            .Untracked());
    }

    private static byte[] Bytes(ushort port)
    {
        var bytes = new byte[2];
        BinaryPrimitives.WriteUInt16BigEndian(bytes, port);
        return bytes;
    }
}
