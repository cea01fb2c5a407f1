using System.Net;
using System.Net.NetworkInformation;
using Cais.Linux.Netlink;

namespace Cais.Linux.Tests.Netlink;

/// <summary>Netlink messages as bytes, against what iproute2 and nft put on the wire, and against replies that lie.</summary>
public sealed class NetlinkCodecTests
{
    [Fact]
    public void An_address_is_added_with_the_bytes_that_iproute2_sends()
    {
        var batch = new RouteBatch();
        batch.AddAddress(3, "docker0", IPAddress.Parse("172.17.0.1"), 16);
        batch.Buffer.EndMessage();
        Assert.Equal(
            "30000000140001050100000000000000" + // length 48, RTM_NEWADDR, request|create|replace, sequence 1
            "0210000003000000" + // AF_INET, /16, index 3
            "08000200ac110001" + // IFA_LOCAL
            "08000100ac110001" + // IFA_ADDRESS
            "08000400ac11ffff", // IFA_BROADCAST
            Hex(batch.Buffer.Written));
    }

    [Fact]
    public void A_default_route_names_no_destination()
    {
        var batch = new RouteBatch();
        batch.AddRoute(IPNetwork.Parse("0.0.0.0/0"), IPAddress.Parse("172.17.0.1"), 2);
        batch.Buffer.EndMessage();
        Assert.Equal(
            "2c000000180001050100000000000000" + // length 44, RTM_NEWROUTE
            "02000000fe03000100000000" + // AF_INET, main table, boot, universe, unicast
            "08000500ac110001" + // RTA_GATEWAY
            "0800040002000000", // RTA_OIF
            Hex(batch.Buffer.Written));
    }

    [Fact]
    public void Elements_of_a_concatenated_map_have_the_bytes_that_nft_sends()
    {
        var batch = new NftBatch(NftFamily.Inet, "t");
        batch.AddElements("d", [new NftElement([6, 0, 0, 0, 1, 2, 3, 4, 0, 0x50, 0, 0], [172, 17, 0, 2, 0, 0x50, 0, 0])]);
        Assert.Contains(
            "2c000380" + "28000180" + "14000180" + "10000100" + "06000000" + "01020304" + "00500000" + "10000280" + "0c000100" + "ac110002" + "00500000",
            Hex(batch.Finish()),
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_transaction_is_framed_and_asks_for_one_acknowledgement()
    {
        var batch = new NftBatch(NftFamily.Inet, "t");
        batch.AddTable();
        batch.AddChain("x");
        var flags = new List<(ushort Type, NetlinkFlags Flags, uint Sequence)>();
        var reader = new NetlinkReader(batch.Finish());
        while (reader.TryRead(out var message))
        {
            flags.Add((message.Type, message.Flags, message.Sequence));
        }

        Assert.Equal(
            [
                (Nft.BatchBegin, NetlinkFlags.Request, 0u),
                (Nft.NewTable, NetlinkFlags.Request | NetlinkFlags.Create, 1u),
                (Nft.NewChain, NetlinkFlags.Request | NetlinkFlags.Create | NetlinkFlags.Acknowledge, 2u),
                (Nft.BatchEnd, NetlinkFlags.Request, 3u),
            ],
            flags);
    }

    [Fact]
    public void Ten_thousand_elements_are_split_so_that_no_length_overflows()
    {
        var batch = new NftBatch(NftFamily.Inet, "t");
        batch.AddElements("d", [.. Enumerable.Range(0, 10_000).Select(i => new NftElement(new byte[24], new byte[20]))]);
        var elements = 0;
        var reader = new NetlinkReader(batch.Finish());
        while (reader.TryRead(out var message))
        {
            if (message.Type == Nft.NewElements)
            {
                Assert.True(message.Attributes<NetfilterHeader>().TryFind(Nft.ListElements, out var list));
                foreach (var element in list.Nested)
                {
                    elements += element.Type;
                }
            }
        }

        Assert.Equal(10_000, elements);
    }

    [Fact]
    public void The_kernels_own_words_become_part_of_the_error()
    {
        // NLMSG_ERROR, capped, with extended acknowledgement: -EEXIST, the request's header, NLMSGERR_ATTR_MSG.
        var bytes = Convert.FromHexString(
            "40000000" + "0200" + "0003" + "07000000" + "00000000" + "efffffff" + "30000000" + "1400" + "0506" + "07000000" + "00000000" +
            "19000100" + Convert.ToHexString("Address already there"u8) + "000000");
        bytes[0] = (byte)bytes.Length;
        var reader = new NetlinkReader(bytes);
        Assert.True(reader.TryRead(out var message));
        var ack = NetlinkSocket.ParseAck(message);
        Assert.Equal((7u, Errno.EEXIST, "Address already there"), (ack.Sequence, ack.Error, ack.Explanation));
        Assert.Equal("add address (Address already there): file exists", NetlinkSocket.Failure(ack, "add address").Message);
    }

    [Fact]
    public void A_link_is_read_with_its_kind_master_and_address()
    {
        var link = ParseLink(LinkMessage());
        Assert.Equal(new LinkInfo(7, "veth1", "veth", true, 1400, 3, 2, PhysicalAddress.Parse("02:42:ac:11:00:02")), link);
    }

    [Fact]
    public void A_truncated_message_is_refused_at_every_length()
    {
        var whole = LinkMessage();
        for (var length = 1; length < whole.Length; length++)
        {
            var cut = whole[..length];
            Assert.Throws<NetlinkFormatException>(() => ParseLink(cut));

            // The same with a header that admits the shorter length: then an attribute lies.
            if (length >= 16)
            {
                cut[0] = (byte)length;
                Parse(cut);
            }
        }
    }

    [Fact]
    public void Replies_full_of_nonsense_are_refused_or_read_but_never_worse()
    {
        var random = new Random(20261124);
        for (var round = 0; round < 20_000; round++)
        {
            var bytes = LinkMessage();
            for (var change = random.Next(1, 6); change > 0; change--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            Parse(bytes);
        }
    }

    [Theory]
    [InlineData("ffffffff")]
    [InlineData("0f000000")]
    [InlineData("00000000")]
    public void A_length_that_cannot_be_is_refused(string length)
    {
        var bytes = LinkMessage();
        Convert.FromHexString(length).CopyTo(bytes, 0);
        Assert.Throws<NetlinkFormatException>(() => ParseLink(bytes));
    }

    [Fact]
    public void An_interface_name_that_is_too_long_is_refused() =>
        Assert.Throws<ArgumentException>(() => NftRule.InterfaceName("sixteen-letters-"));

    /// <summary>Reads bytes in every way there is; only the format exception may come out.</summary>
    private static void Parse(byte[] bytes)
    {
        try
        {
            var reader = new NetlinkReader(bytes);
            while (reader.TryRead(out var message))
            {
                Quietly(() => ParseLink(bytes));
                Quietly(() => NetlinkSocket.ParseAck(Read(bytes)));
                Quietly(() => AddressInfo.Parse(Read(bytes)));
                Quietly(() => RouteInfo.Parse(Read(bytes)));
            }
        }
        catch (NetlinkFormatException)
        {
            // As it should be.
        }

        static void Quietly(Action action)
        {
            try
            {
                action();
            }
            catch (NetlinkFormatException)
            {
                // As it should be.
            }
        }
    }

    private static NetlinkMessage Read(byte[] bytes)
    {
        var reader = new NetlinkReader(bytes);
        return reader.TryRead(out var message) ? message : default;
    }

    private static LinkInfo ParseLink(byte[] bytes) => LinkInfo.Parse(Read(bytes));

    private static byte[] LinkMessage()
    {
        var buffer = new NetlinkBuffer();
        buffer.BeginMessage(RouteMessage.NewLink, NetlinkFlags.None, 1);
        buffer.Header(new LinkHeader { Index = 7, Flags = 0x1043 });
        buffer.PutString(LinkAttribute.Name, "veth1");
        buffer.PutInt32(LinkAttribute.Mtu, 1400);
        buffer.PutInt32(LinkAttribute.Master, 3);
        buffer.PutInt32(LinkAttribute.Link, 2);
        buffer.Put(LinkAttribute.Address, [0x02, 0x42, 172, 17, 0, 2]);
        var info = buffer.BeginNested(LinkAttribute.Info);
        buffer.PutString(LinkAttribute.InfoKind, "veth");
        buffer.EndNested(info);
        buffer.EndMessage();
        return buffer.Written.ToArray();
    }

    private static string Hex(ReadOnlySpan<byte> bytes) => Convert.ToHexStringLower(bytes);
}
