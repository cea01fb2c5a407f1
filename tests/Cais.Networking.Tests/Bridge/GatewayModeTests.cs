using System.Net;
using Cais.Networking.Tests.Lab;

namespace Cais.Networking.Tests.Bridge;

/// <summary>How packets get in and out where addresses are not, or not only, translated.</summary>
[Trait("Tier", "integration")]
public sealed class GatewayModeTests
{
    private const string Mode4 = "com.docker.network.bridge.gateway_mode_ipv4";
    private const string Mode6 = "com.docker.network.bridge.gateway_mode_ipv6";
    private static readonly PortRequest Web = new(80, PortProtocol.Tcp, null, 8080);

    [Fact]
    public async Task In_a_routed_network_published_ports_answer_at_the_containers_address_and_nothing_is_translated()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front", s => s with { Options = Options((Mode4, "routed")), Ipam = [new IpamConfig(IPNetwork.Parse("10.8.0.0/24"))] });
        lab.Outside.AddRoute("10.8.0.0/24", Testbed.HostAddress, "uplink");
        var (sandbox, inside) = await lab.Run("front", Web);
        using var published = inside.Serve(80);
        using var other = inside.Serve(81);
        using var seen = lab.Outside.Serve(7000);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.Equal(Testbed.OutsideAddress, await lab.Outside.Ask(address, 80));
        Assert.True(await lab.Outside.CannotReach(address, 81));
        Assert.True(await lab.Outside.CannotReach(Testbed.HostAddress, 8080));
        Assert.Equal(address, await inside.Ask(Testbed.OutsideAddress, 7000));
        Assert.Equal(0, lab.Outside.Run("busybox", "ping", "-c", "1", "-W", "5", address).Exit);
    }

    [Fact]
    public async Task Each_family_has_a_mode_of_its_own()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front", s => s with
        {
            EnableIPv6 = true,
            Options = Options((Mode6, "routed")),
            Ipam = [new IpamConfig(IPNetwork.Parse("10.8.0.0/24")), new IpamConfig(IPNetwork.Parse("2001:db8:8::/64"))],
        });
        lab.Outside.AddRoute("2001:db8:8::/64", Testbed.HostAddressV6, "uplink");
        var (sandbox, inside) = await lab.Run("front", Web);
        using var v4 = inside.Serve(80);
        using var v6 = inside.Serve(80, sandbox.Endpoints[0].IPv6Address);
        using var seen4 = lab.Outside.Serve(7000);
        using var seen6 = lab.Outside.Serve(7000, IPAddress.Parse(Testbed.OutsideAddressV6));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        Assert.Equal(Testbed.OutsideAddressV6, await lab.Outside.Ask(sandbox.Endpoints[0].IPv6Address!.ToString(), 80));
        Assert.Equal(Testbed.HostAddress, await inside.Ask(Testbed.OutsideAddress, 7000));
        Assert.Equal(sandbox.Endpoints[0].IPv6Address!.ToString(), await inside.Ask(Testbed.OutsideAddressV6, 7000));
    }

    [Fact]
    public async Task Without_protection_every_port_answers_at_the_containers_address_too()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("open", s => s with { Options = Options((Mode4, "nat-unprotected")), Ipam = [new IpamConfig(IPNetwork.Parse("10.8.0.0/24"))] });
        lab.Outside.AddRoute("10.8.0.0/24", Testbed.HostAddress, "uplink");
        var (sandbox, inside) = await lab.Run("open", Web);
        using var published = inside.Serve(80);
        using var other = inside.Serve(81);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        Assert.NotNull(await lab.Outside.Ask(address, 81));
    }

    [Fact]
    public async Task An_isolated_network_has_no_address_on_the_host_and_must_be_internal()
    {
        await using var lab = await Testbed.Create();
        var refused = await Assert.ThrowsAsync<NetworkException>(() => lab.Create("alone", s => s with { Options = Options((Mode4, "isolated")) }));
        Assert.Equal("gateway mode 'isolated' can only be used for an internal network", refused.Message);
        var network = await lab.Create("alone", s => s with { Internal = true, Options = Options((Mode4, "isolated"), (Mode6, "isolated")) });
        var (sandbox, inside) = await lab.Run("alone");
        var (_, other) = await lab.Run("alone");
        using var server = inside.Serve(80);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.NotNull(await other.Ask(address, 80));
        Assert.True(await lab.Host.CannotReach(address, 80));
        var bridge = lab.Host.Route.FindLink(network.BridgeName!)!.Index;
        Assert.DoesNotContain(lab.Host.Do(lab.Host.Route.Addresses), a => a.Index == bridge && !a.Address.IsIPv6LinkLocal);
    }

    [Fact]
    public async Task From_a_trusted_interface_containers_are_reached_by_their_own_addresses()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("lan", s => s with
        {
            Options = Options(("com.docker.network.bridge.trusted_host_interfaces", "uplink:other0")),
            Ipam = [new IpamConfig(IPNetwork.Parse("10.8.0.0/24"))],
        });
        await lab.Create("plain", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.9.0.0/24"))] });
        lab.Outside.AddRoute("10.8.0.0/15", Testbed.HostAddress, "uplink");
        var (trusted, inside) = await lab.Run("lan");
        var (plain, other) = await lab.Run("plain");
        using var server = inside.Serve(80);
        using var hidden = other.Serve(80);
        Assert.NotNull(await lab.Outside.Ask(trusted.Endpoints[0].IPv4Address!.ToString(), 80));
        Assert.True(await lab.Outside.CannotReach(plain.Endpoints[0].IPv4Address!.ToString(), 80));
    }

    private static Dictionary<string, string> Options(params (string Key, string Value)[] options) => options.ToDictionary(o => o.Key, o => o.Value);
}
