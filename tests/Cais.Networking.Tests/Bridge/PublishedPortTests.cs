using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Numerics;
using Cais.Networking.Kernel;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Bridge;

/// <summary>Published ports from everywhere they must work, and from where they must not.</summary>
[Trait("Tier", "integration")]
public sealed partial class PublishedPortTests
{
    private static readonly PortRequest Web = new(80, PortProtocol.Tcp, null, 8080);

    [Fact]
    public async Task A_machine_outside_reaches_it_and_is_seen_by_its_own_address()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.Equal(Testbed.OutsideAddress, await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task The_host_reaches_it_by_loopback_and_by_its_own_addresses()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.Equal("172.17.0.1", await lab.Host.Ask("127.0.0.1", 8080));
        Assert.NotNull(await lab.Host.Ask(Testbed.HostAddress, 8080));
        Assert.NotNull(await lab.Host.Ask("172.17.0.1", 8080));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task Neighbours_and_the_container_itself_reach_it_by_the_hosts_address(string bridgeNetfilter)
    {
        await using var lab = await Testbed.Create();
        lab.Host.Do(() => Sysctl.Write("bridge/bridge-nf-call-iptables", bridgeNetfilter));
        var (_, inside) = await lab.Run("bridge", Web);
        var (_, neighbour) = await lab.Run("bridge");
        using var server = inside.Serve(80);
        Assert.NotNull(await neighbour.Ask(Testbed.HostAddress, 8080));
        Assert.NotNull(await neighbour.Ask("172.17.0.1", 8080));
        Assert.NotNull(await inside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task Containers_of_other_networks_reach_it_by_the_hosts_address_only()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("other");
        var (sandbox, inside) = await lab.Run("bridge", Web);
        var (_, stranger) = await lab.Run("other");
        using var server = inside.Serve(80);
        Assert.NotNull(await stranger.Ask(Testbed.HostAddress, 8080));
        Assert.True(await stranger.CannotReach(sandbox.Endpoints[0].IPv4Address!.ToString(), 80));
    }

    [Fact]
    public async Task Over_IPv6_it_works_from_outside_from_the_host_and_back_to_itself()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80, IPAddress.IPv6Any);
        Assert.Equal([IPAddress.Any, IPAddress.IPv6Any], sandbox.Ports.Select(p => p.HostAddress));
        Assert.Equal(Testbed.OutsideAddressV6, await lab.Outside.Ask(Testbed.HostAddressV6, 8080));
        Assert.NotNull(await lab.Host.Ask(Testbed.HostAddressV6, 8080));
        Assert.NotNull(await inside.Ask(Testbed.HostAddressV6, 8080));
    }

    [Fact]
    public async Task A_container_without_IPv6_is_reached_over_IPv6_all_the_same()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.Equal([IPAddress.Any, IPAddress.IPv6Any], sandbox.Ports.Select(p => p.HostAddress));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddressV6, 8080));
        Assert.NotNull(await lab.Host.Ask("::1", 8080));
        server.Dispose();
        Assert.Null(await lab.Host.Ask("::1", 8080));
    }

    [Fact]
    public async Task Without_a_packet_filter_ports_are_relayed()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { FirewallV4 = false, FirewallV6 = false });
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.Equal("172.17.0.1", await lab.Outside.Ask(Testbed.HostAddress, 8080));
        Assert.Equal("", lab.Host.Run("nft", "list", "ruleset").Output);
    }

    [Fact]
    public async Task The_hosts_IPv6_loopback_reaches_containers_that_have_IPv6()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80, IPAddress.IPv6Any);
        Assert.NotNull(await lab.Host.Ask("::1", 8080));
    }

    [Fact]
    public async Task Bound_to_one_address_it_does_not_answer_on_others()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web with { HostAddress = IPAddress.Loopback });
        using var server = inside.Serve(80);
        Assert.NotNull(await lab.Host.Ask("127.0.0.1", 8080));
        Assert.True(await lab.Outside.CannotReach(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task Udp_goes_there_and_back()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", new PortRequest(53, PortProtocol.Udp, null, 5353));
        using var server = inside.Do(() => new UdpClient(new IPEndPoint(IPAddress.Any, 53)));
        using var client = lab.Outside.Do(() => new UdpClient(Testbed.HostAddress, 5353));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await client.SendAsync(new byte[] { 1, 2, 3 }, limit.Token);
        var received = await server.ReceiveAsync(limit.Token);
        Assert.Equal(Testbed.OutsideAddress, received.RemoteEndPoint.Address.ToString());
        await server.SendAsync(received.Buffer, received.RemoteEndPoint, limit.Token);
        Assert.Equal([1, 2, 3], (await client.ReceiveAsync(limit.Token)).Buffer);
    }

    [Fact]
    public async Task A_sender_that_never_pauses_reaches_the_ports_next_owner()
    {
        await using var lab = await Testbed.Create();
        var port = new PortRequest(53, PortProtocol.Udp, null, 5353);
        using var client = lab.Outside.Do(() => new UdpClient(Testbed.HostAddress, 5353));
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var (first, _) = await lab.Run("bridge", port);
        await client.SendAsync(new byte[] { 1 }, limit.Token);
        await lab.Stop(first);
        await lab.Run();
        var (second, inside) = await lab.Run("bridge", port);
        Assert.NotEqual(first.Endpoints[0].IPv4Address, second.Endpoints[0].IPv4Address);
        using var server = inside.Do(() => new UdpClient(new IPEndPoint(IPAddress.Any, 53)));
        var received = server.ReceiveAsync(limit.Token).AsTask();
        await Eventually.Holds(
            async () =>
            {
                try
                {
                    await client.SendAsync(new byte[] { 2 }, limit.Token);
                }
                catch (SocketException)
                {
                    // The first container refused what it was sent: the error comes with the next send.
                }

                return received.IsCompleted;
            },
            "the new container receives");
        Assert.Equal([2], (await received).Buffer);
    }

    private const int InterNetwork = 2, RawSocket = 3, Sctp = 132;

    [System.Runtime.InteropServices.LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    private static partial int OpenSocket(int family, int type, int protocol);

    [Fact]
    public async Task Sctp_is_translated_although_this_kernel_cannot_speak_it()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", new PortRequest(36412, PortProtocol.Sctp, null, 2905));
        using var receiver = inside.Do(() => Raw());
        using var sender = lab.Outside.Do(() => Raw());
        var initiation = Initiation(4000, 2905);
        var buffer = new byte[256];
        var receiving = receiver.ReceiveAsync(buffer, TestContext.Current.CancellationToken).AsTask();
        await Eventually.Holds(
            async () =>
            {
                await sender.SendToAsync(initiation, new IPEndPoint(IPAddress.Parse(Testbed.HostAddress), 0), TestContext.Current.CancellationToken);
                return receiving.IsCompleted;
            },
            "the packet arrives");
        var header = buffer.AsSpan((buffer[0] & 0x0f) * 4);
        Assert.Equal(4000, BinaryPrimitives.ReadUInt16BigEndian(header));
        Assert.Equal(36412, BinaryPrimitives.ReadUInt16BigEndian(header[2..]));

        // .NET has no name for the protocol and so opens no socket of it.
        static Socket Raw() => new(new SafeSocketHandle(OpenSocket(InterNetwork, RawSocket, Sctp), ownsHandle: true));
    }

    [Fact]
    public async Task Ports_that_were_not_published_cannot_be_reached_from_outside_even_with_a_route_to_the_container()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        lab.Outside.AddRoute("172.17.0.0/16", Testbed.HostAddress, "uplink");
        using var published = inside.Serve(80);
        using var other = inside.Serve(81);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.True(await lab.Outside.CannotReach(address, 81));
        Assert.True(await lab.Outside.CannotReach(address, 80));
        Assert.NotNull(await lab.Host.Ask(address, 81));
    }

    [Fact]
    public async Task Direct_routing_opens_published_ports_and_no_others()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { AllowDirectRouting = true });
        var (sandbox, inside) = await lab.Run("bridge", Web);
        lab.Outside.AddRoute("172.17.0.0/16", Testbed.HostAddress, "uplink");
        using var published = inside.Serve(80);
        using var other = inside.Serve(81);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.NotNull(await lab.Outside.Ask(address, 80));
        Assert.True(await lab.Outside.CannotReach(address, 81));
    }

    [Fact]
    public async Task No_container_reaches_services_on_the_hosts_loopback()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var secret = lab.Host.Serve(9999, IPAddress.Loopback);

        // What an attacker with all rights in the container would do: send packets for 127.0.0.1 out of the interface.
        Assert.Equal(0, inside.Run("ip", "address", "delete", "127.0.0.1/8", "dev", "lo").Exit);
        Assert.Equal(0, inside.Run("ip", "route", "add", "127.0.0.0/8", "via", "172.17.0.1").Exit);
        inside.Do(() => Sysctl.Write("ipv4/conf/eth0/route_localnet", "1"));
        Assert.True(await inside.CannotReach("127.0.0.1", 9999));
        Assert.True(await inside.CannotReach("127.0.0.1", 8080));
    }

    [Fact]
    public async Task No_machine_outside_reaches_ports_published_on_loopback()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web with { HostAddress = IPAddress.Loopback });
        using var server = inside.Serve(80);
        Assert.Equal(0, lab.Outside.Run("ip", "address", "delete", "127.0.0.1/8", "dev", "lo").Exit);
        Assert.Equal(0, lab.Outside.Run("ip", "route", "add", "127.0.0.0/8", "via", Testbed.HostAddress).Exit);
        lab.Outside.Do(() => Sysctl.Write("ipv4/conf/uplink/route_localnet", "1"));
        lab.Host.Do(() => Sysctl.Write("ipv4/conf/uplink/route_localnet", "1"));
        Assert.True(await lab.Outside.CannotReach("127.0.0.1", 8080));
    }

    [Fact]
    public async Task A_user_filters_by_the_original_port_and_the_rule_outlives_the_daemon()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web, new PortRequest(80, PortProtocol.Tcp, null, 8081));
        using var server = inside.Serve(80);
        var rule = $"add rule inet cais user_published ip saddr {Testbed.OutsideAddress} tcp dport 8080 drop";
        Assert.Equal((0, ""), lab.Host.Run(["nft", .. rule.Split(' ')]));
        Assert.True(await lab.Outside.CannotReach(Testbed.HostAddress, 8080));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8081));
        Assert.NotNull(await lab.Host.Ask("127.0.0.1", 8080));

        await lab.Restart(sandbox.ContainerId);
        Assert.True(await lab.Outside.CannotReach(Testbed.HostAddress, 8080));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8081));
    }

    [Fact]
    public async Task Traffic_that_is_not_for_this_machine_does_not_visit_the_users_chain()
    {
        await using var lab = await Testbed.Create();
        await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, null, 8080));
        var (_, inside) = await lab.Run("bridge");
        Assert.Equal((0, ""), lab.Host.Run("nft", "add", "rule", "inet", "cais", "user_published", "drop"));
        using var server = lab.Outside.Serve(8080);
        Assert.NotNull(await inside.Ask(Testbed.OutsideAddress, 8080));
    }

    [Fact]
    public async Task The_nft_program_can_read_back_what_it_prints_of_the_table()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        await lab.Create("inner", s => s with { Internal = true });
        await lab.Run("bridge", Web, new PortRequest(9, PortProtocol.Sctp, IPAddress.Parse(Testbed.HostAddress), 9));
        var (_, first) = lab.Host.Run("nft", "list", "table", "inet", "cais");
        Assert.Contains("tcp . 8080 : 172.17.0.2 . 80", first, StringComparison.Ordinal);
        Assert.Contains($"sctp . {Testbed.HostAddress} . 9 : 172.17.0.2 . 9", first, StringComparison.Ordinal);
        Assert.Contains("\"docker0\" : goto to_default", first, StringComparison.Ordinal);
        var file = Path.GetTempFileName();
        await File.WriteAllTextAsync(file, first, TestContext.Current.CancellationToken);
        Assert.Equal((0, ""), lab.Outside.Run("nft", "-f", file));
        File.Delete(file);
    }

    /// <summary>The packet that opens an association (RFC 9260 section 3.3.2), with its CRC32c: connection tracking looks at it.</summary>
    private static byte[] Initiation(ushort from, ushort to)
    {
        var packet = new byte[32];
        BinaryPrimitives.WriteUInt16BigEndian(packet, from);
        BinaryPrimitives.WriteUInt16BigEndian(packet.AsSpan(2), to);
        byte[] chunk = [1, 0, 0, 20, 0, 0, 0, 7, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 9];
        chunk.CopyTo(packet, 12);
        var checksum = uint.MaxValue;
        foreach (var value in packet)
        {
            checksum = BitOperations.Crc32C(checksum, value);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(packet.AsSpan(8), ~checksum);
        return packet;
    }
}
