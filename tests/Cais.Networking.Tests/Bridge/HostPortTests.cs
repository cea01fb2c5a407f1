using System.Net;
using System.Net.Sockets;
using Cais.Networking.Tests.Lab;

namespace Cais.Networking.Tests.Bridge;

/// <summary>Taking host ports: what is free, what is not, and what the user is told.</summary>
[Trait("Tier", "integration")]
public sealed class HostPortTests
{
    [Fact]
    public async Task Another_programs_port_is_refused_in_the_kernels_words_and_nothing_is_kept()
    {
        await using var lab = await Testbed.Create();
        using var other = lab.Host.Serve(8080);
        var spec = lab.Spec("bridge", new PortRequest(81, PortProtocol.Tcp, null, 8081), new PortRequest(80, PortProtocol.Tcp, null, 8080));
        var failure = await Assert.ThrowsAsync<PortAllocatedException>(() => lab.Run(spec));
        Assert.Matches($"^driver failed programming external connectivity on endpoint {spec.ContainerName} \\([0-9a-f]{{64}}\\): ", failure.Message);
        Assert.EndsWith("listen tcp4 0.0.0.0:8080: bind: address already in use", failure.Message, StringComparison.Ordinal);
        other.Dispose();
        var (sandbox, _) = await lab.Run(spec);
        await lab.Stop(sandbox);
        Assert.Empty(await lab.Leftovers());
    }

    [Theory]
    [InlineData(PortProtocol.Tcp)]
    [InlineData(PortProtocol.Udp)]
    public async Task Other_programs_see_a_published_port_as_taken_until_the_container_is_gone(PortProtocol protocol)
    {
        await using var lab = await Testbed.Create();
        var (sandbox, _) = await lab.Run("bridge", new PortRequest(80, protocol, null, 8080));
        Assert.Equal(SocketError.AddressAlreadyInUse, Assert.Throws<SocketException>(Bind).SocketErrorCode);
        await lab.Stop(sandbox);
        Bind();

        void Bind() => lab.Host.Do(() =>
        {
            using var socket = protocol == PortProtocol.Tcp
                ? new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
                : new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
            socket.Bind(new IPEndPoint(IPAddress.Any, 8080));
        });
    }

    [Theory]
    [InlineData(PortProtocol.Tcp, "-Htln")]
    [InlineData(PortProtocol.Udp, "-Huln")]
    public async Task One_socket_holds_a_port_for_both_families(PortProtocol protocol, string list)
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        var (sandbox, _) = await lab.Run("bridge", new PortRequest(80, protocol, null, 8080));
        Assert.Equal(2, sandbox.Ports.Count);
        Assert.Single(Holders());
        await lab.Restart(sandbox.ContainerId);
        Assert.Single(Holders());

        string[] Holders() => lab.Host.Run("ss", list, "sport = :8080").Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public async Task A_port_that_another_program_has_over_IPv6_alone_is_named_so()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        using var other = lab.Host.Do(() =>
        {
            var socket = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { DualMode = false };
            socket.Bind(new IPEndPoint(IPAddress.IPv6Any, 8080));
            socket.Listen();
            return socket;
        });
        var failure = await Assert.ThrowsAsync<PortAllocatedException>(() => lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, null, 8080)));
        Assert.EndsWith("listen tcp6 [::]:8080: bind: address already in use", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ports_without_a_wish_come_from_the_ephemeral_range_and_differ()
    {
        await using var lab = await Testbed.Create();
        var (one, _) = await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp), new PortRequest(81, PortProtocol.Tcp));
        var (other, _) = await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp));
        var ports = one.Ports.Concat(other.Ports).Select(p => p.HostPort).ToList();
        Assert.Equal(3, ports.Distinct().Count());
        Assert.All(ports, p => Assert.InRange(p, 32768, 60999));
    }

    [Fact]
    public async Task Both_families_get_the_same_port()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        using var blocker = lab.Host.Serve(32768, IPAddress.IPv6Loopback);
        var (sandbox, _) = await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp));
        Assert.Equal(2, sandbox.Ports.Count);
        Assert.Equal(sandbox.Ports[0].HostPort, sandbox.Ports[1].HostPort);
        Assert.NotEqual(32768, sandbox.Ports[0].HostPort);
    }

    [Fact]
    public async Task A_range_gives_its_first_free_port_until_none_is_left()
    {
        await using var lab = await Testbed.Create();
        using var blocker = lab.Host.Serve(9001);
        var range = new PortRequest(80, PortProtocol.Tcp, null, 9000, 9002);
        Assert.Equal(9000, (await lab.Run("bridge", range)).Sandbox.Ports[0].HostPort);
        Assert.Equal(9002, (await lab.Run("bridge", range)).Sandbox.Ports[0].HostPort);
        await Assert.ThrowsAsync<PortAllocatedException>(() => lab.Run("bridge", range));
    }

    [Fact]
    public async Task The_same_port_is_free_for_another_protocol_and_another_address()
    {
        await using var lab = await Testbed.Create();
        await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, IPAddress.Loopback, 8080));
        await lab.Run("bridge", new PortRequest(80, PortProtocol.Udp, null, 8080), new PortRequest(80, PortProtocol.Sctp, null, 8080));
        await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, IPAddress.Parse(Testbed.HostAddress), 8080));
        await Assert.ThrowsAsync<PortAllocatedException>(() => lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, null, 8080)));
    }

    [Fact]
    public async Task An_address_that_is_not_the_hosts_is_refused()
    {
        await using var lab = await Testbed.Create();
        var failure = await Assert.ThrowsAsync<NetworkException>(() =>
            lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, IPAddress.Parse("203.0.113.9"), 8080)));
        Assert.EndsWith("listen tcp4 203.0.113.9:8080: bind: cannot assign requested address", failure.Message, StringComparison.Ordinal);
    }
}
