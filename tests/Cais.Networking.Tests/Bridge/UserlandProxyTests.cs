using System.Net;
using System.Net.Sockets;
using Cais.Networking.Kernel;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Bridge;

/// <summary>What the daemon carries itself, by its option.</summary>
[Trait("Tier", "integration")]
public sealed class UserlandProxyTests
{
    private static readonly PortRequest Web = new(80, PortProtocol.Tcp, null, 8080);
    private static readonly PortRequest Names = new(53, PortProtocol.Udp, null, 5353);

    [Fact]
    public async Task With_the_proxy_loopback_needs_no_route_localnet()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { UserlandProxy = true });
        var (_, inside) = await lab.Run("bridge", Web, Names);
        using var server = inside.Serve(80);
        using var echo = Echo(inside);
        Assert.Equal("0", lab.Host.Do(() => Sysctl.Read("ipv4/conf/docker0/route_localnet")));
        Assert.NotNull(await lab.Host.Ask("127.0.0.1", 8080));
        Assert.NotNull(await lab.Host.Ask("::1", 8080));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        await Answers(lab.Host, IPAddress.Loopback);
    }

    [Fact]
    public async Task Without_the_proxy_only_the_kernel_carries()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { UserlandProxy = false });
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.NotNull(await lab.Host.Ask("127.0.0.1", 8080));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        Assert.True(await lab.Host.CannotReach("::1", 8080));
        Assert.Equal(IPAddress.Any, Assert.Single(sandbox.Ports).HostAddress);
    }

    [Theory]
    [InlineData("::1", true)]
    [InlineData(Testbed.HostAddressV6, false)]
    public async Task Datagrams_over_IPv6_reach_a_container_that_has_IPv4_only(string address, bool fromHost)
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Names);
        using var echo = Echo(inside);
        await Answers(fromHost ? lab.Host : lab.Outside, IPAddress.Parse(address));
    }

    /// <summary>Answers every datagram with the same.</summary>
    private static Socket Echo(Machine machine)
    {
        var socket = machine.Do(() =>
        {
            var made = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            made.Bind(new IPEndPoint(IPAddress.Any, 53));
            return made;
        });
        _ = Task.Run(async () =>
        {
            var buffer = new byte[2048];
            try
            {
                while (true)
                {
                    var received = await socket.ReceiveFromAsync(buffer, new IPEndPoint(IPAddress.Any, 0));
                    await socket.SendToAsync(buffer.AsMemory(0, received.ReceivedBytes), received.RemoteEndPoint);
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        });
        return socket;
    }

    private static async Task Answers(Machine asker, IPAddress address)
    {
        using var client = asker.Do(() => new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp));
        await client.ConnectAsync(new IPEndPoint(address, 5353), TestContext.Current.CancellationToken);
        var buffer = new byte[64];
        await Eventually.Holds(
            async () =>
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
                try
                {
                    await client.SendAsync("quay"u8.ToArray(), limit.Token);
                    return await client.ReceiveAsync(buffer, limit.Token) == 4 && buffer.AsSpan(0, 4).SequenceEqual("quay"u8);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    return false;
                }
            },
            "an answer over udp");
    }
}
