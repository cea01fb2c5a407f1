using System.Net;
using Cais.Networking.Kernel;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Bridge;

/// <summary>Who reaches whom.</summary>
[Trait("Tier", "integration")]
public sealed class ConnectivityTests
{
    [Fact]
    public async Task A_container_has_dockers_addresses_and_a_default_route()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run();
        var endpoint = Assert.Single(sandbox.Endpoints);
        Assert.Equal("eth0", endpoint.InterfaceName);
        Assert.Equal(IPAddress.Parse("172.17.0.2"), endpoint.IPv4Address);
        Assert.Equal(16, endpoint.IPv4PrefixLength);
        Assert.Equal(IPAddress.Parse("172.17.0.1"), endpoint.IPv4Gateway);
        Assert.Equal("0242AC110002", endpoint.MacAddress!.ToString());
        var links = inside.Do(inside.Route.Links);
        Assert.Equal(["lo", "eth0"], links.OrderBy(l => l.Index).Select(l => l.Name));
        Assert.All(links, l => Assert.True(l.IsUp));
        Assert.Equal(endpoint.MacAddress, links[1].MacAddress);
        Assert.Contains(inside.Do(inside.Route.Routes), r => r.Destination.PrefixLength == 0 && IPAddress.Parse("172.17.0.1").Equals(r.Gateway));
        Assert.Equal("1", inside.Do(() => Sysctl.Read("ipv6/conf/eth0/disable_ipv6")));
        Assert.Equal("0", inside.Do(() => Sysctl.Read("ipv6/conf/default/disable_ipv6")));
    }

    [Fact]
    public async Task Outbound_connections_come_from_the_hosts_address()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run();
        using var server = lab.Outside.Serve(7);
        Assert.Equal(Testbed.HostAddress, await inside.Ask(Testbed.OutsideAddress, 7));
    }

    [Fact]
    public async Task Without_masquerade_they_come_from_the_containers_own()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IpMasquerade = false });
        lab.Outside.AddRoute("172.17.0.0/16", Testbed.HostAddress, "uplink");
        var (_, inside) = await lab.Run();
        using var server = lab.Outside.Serve(7);
        Assert.Equal("172.17.0.2", await inside.Ask(Testbed.OutsideAddress, 7));
    }

    [Fact]
    public async Task Outbound_IPv6_comes_from_the_hosts_address()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true, FixedCidrV6 = IPNetwork.Parse("fd00:1::/64") });
        var (sandbox, inside) = await lab.Run();
        Assert.Equal(IPAddress.Parse("fd00:1::2"), sandbox.Endpoints[0].IPv6Address);
        using var server = lab.Outside.Serve(7, IPAddress.IPv6Any);
        Assert.Equal(Testbed.HostAddressV6, await inside.Ask(Testbed.OutsideAddressV6, 7));
    }

    [Theory]
    [InlineData("0")]
    [InlineData("1")]
    public async Task Neighbours_talk_unless_told_not_to(string bridgeNetfilter)
    {
        await using var lab = await Testbed.Create();
        lab.Host.Do(() => Sysctl.Write("bridge/bridge-nf-call-iptables", bridgeNetfilter));
        await lab.Create("quiet", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" } });
        foreach (var (network, talk) in new[] { ("bridge", true), ("quiet", false) })
        {
            var (sandbox, one) = await lab.Run(network);
            var (_, other) = await lab.Run(network);
            using var server = one.Serve(80);
            var address = sandbox.Endpoints[0].IPv4Address!.ToString();
            Assert.True(talk ? await other.Ask(address, 80) is not null : await other.CannotReach(address, 80));
            Assert.NotNull(await lab.Host.Ask(address, 80));
        }
    }

    [Fact]
    public async Task A_container_that_claims_anothers_hardware_address_gets_none_of_its_traffic()
    {
        await using var lab = await Testbed.Create();
        var (victim, inside) = await lab.Run();
        var (_, attacker) = await lab.Run();
        var (_, third) = await lab.Run();
        using var server = inside.Serve(80);
        var mac = victim.Endpoints[0].MacAddress!.GetAddressBytes();
        Assert.Equal((0, ""), attacker.Run("ip", "link", "set", "eth0", "address", string.Join(':', mac.Select(b => b.ToString("x2")))));
        attacker.Run("busybox", "ping", "-c", "3", "-i", "0.05", "-W", "1", "172.17.0.4");

        Assert.Contains($"dev {victim.Endpoints[0].HostInterfaceName} ", Entry(), StringComparison.Ordinal);
        Assert.NotNull(await third.Ask(victim.Endpoints[0].IPv4Address!.ToString(), 80));
        Assert.NotNull(await lab.Host.Ask(victim.Endpoints[0].IPv4Address!.ToString(), 80));

        string Entry() => lab.Host.Run("bridge", "fdb", "show", "br", "docker0").Output.Split('\n').Single(l => l.StartsWith(string.Join(':', mac.Select(b => b.ToString("x2"))), StringComparison.Ordinal) && !l.Contains("vlan", StringComparison.Ordinal) && l.Contains("master docker0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Networks_do_not_reach_each_other_in_any_direction()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("a", s => s with { EnableIPv6 = true });
        await lab.Create("b", s => s with { EnableIPv6 = true });
        var machines = new List<(Sandbox Sandbox, Machine Inside)> { await lab.Run("a"), await lab.Run("b"), await lab.Run() };
        foreach (var (sandbox, inside) in machines)
        {
            using var v4 = inside.Serve(80);
            using var v6 = inside.Serve(81, IPAddress.IPv6Any);
            foreach (var (_, other) in machines.Where(m => m.Inside != inside))
            {
                Assert.True(await other.CannotReach(sandbox.Endpoints[0].IPv4Address!.ToString(), 80));
                if (sandbox.Endpoints[0].IPv6Address is { } address)
                {
                    Assert.True(await other.CannotReach(address.ToString(), 81));
                }
            }
        }
    }

    [Fact]
    public async Task Nothing_leaves_or_enters_an_internal_network()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("inner", s => s with { Internal = true });
        var (sandbox, one) = await lab.Run("inner", new PortRequest(80, PortProtocol.Tcp, null, 8080));
        var (_, other) = await lab.Run("inner");
        var (_, stranger) = await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, null, 8081));
        Assert.Empty(sandbox.Ports);
        Assert.Null(sandbox.Endpoints[0].IPv4Gateway);
        using var server = one.Serve(80);
        using var published = stranger.Serve(80);
        using var outside = lab.Outside.Serve(7);
        var address = sandbox.Endpoints[0].IPv4Address!.ToString();
        Assert.NotNull(await other.Ask(address, 80));
        Assert.True(await stranger.CannotReach(address, 80));

        // Not even with a route that the container adds itself.
        one.AddRoute("0.0.0.0/0", lab.Controller.Get("inner").Spec.Ipam[0].Gateway!.ToString(), "eth0");
        Assert.True(await one.CannotReach(Testbed.OutsideAddress, 7));
        Assert.True(await one.CannotReach(Testbed.HostAddress, 8081));
    }

    [Fact]
    public async Task Forwarding_that_we_turned_on_opens_no_way_between_others()
    {
        await using var lab = await Testbed.Create();
        using var third = Machine.Create("third");
        lab.Host.Connect(third, "second", "198.51.100.1/24", "uplink", "198.51.100.2/24");
        third.AddRoute("0.0.0.0/0", "198.51.100.1", "uplink");
        lab.Outside.AddRoute("198.51.100.0/24", Testbed.HostAddress, "uplink");
        using var server = third.Serve(80);
        Assert.Equal("1", lab.Host.Do(() => Sysctl.Read("ipv4/ip_forward")));
        Assert.True(await lab.Outside.CannotReach("198.51.100.2", 80));
        await lab.Restart();
        Assert.True(await lab.Outside.CannotReach("198.51.100.2", 80));
        lab.Options = lab.Options with { IpForwardNoDrop = true };
        await lab.Restart();
        Assert.NotNull(await lab.Outside.Ask("198.51.100.2", 80));
    }

    [Fact]
    public async Task The_none_network_has_loopback_alone_and_the_host_network_no_namespace()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("none");
        Assert.Equal("lo", Assert.Single(inside.Do(inside.Route.Links)).Name);
        Assert.Equal("none", Assert.Single(sandbox.Endpoints).NetworkName);
        var host = await lab.Controller.CreateSandboxAsync(lab.Spec("host"), TestContext.Current.CancellationToken);
        Assert.Null(host.NamespacePath);
        Assert.Equal("host", Assert.Single(host.Endpoints).NetworkName);
    }

    [Fact]
    public async Task A_container_joins_and_leaves_networks_while_it_runs()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("back");
        var (sandbox, inside) = await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp, null, 8080));
        var (peer, other) = await lab.Run("back");
        using var server = other.Serve(80);
        var address = peer.Endpoints[0].IPv4Address!.ToString();
        Assert.True(await inside.CannotReach(address, 80));

        var endpoint = await lab.Controller.ConnectAsync(sandbox.ContainerId, new EndpointSpec { Network = "back" }, TestContext.Current.CancellationToken);
        Assert.Equal("eth1", endpoint.InterfaceName);
        Assert.NotNull(await inside.Ask(address, 80));
        Assert.Equal(2, lab.Controller.EndpointsOf(lab.Controller.Get("back").Id).Count);

        await lab.Controller.DisconnectAsync(sandbox.ContainerId, "bridge", TestContext.Current.CancellationToken);
        Assert.DoesNotContain(inside.Do(inside.Route.Links), l => l.Name == "eth0" && l.IsUp);
        Assert.DoesNotContain(sandbox.Endpoints[0].IPv4Address!.ToString(), inside.Run("ip", "address").Output, StringComparison.Ordinal);
        await Eventually.Holds(() => inside.Do(inside.Route.Links).Select(l => l.Name).SequenceEqual(["lo", "eth1"]), "the interface is gone");
        using var outside = lab.Outside.Serve(7);
        Assert.NotNull(await inside.Ask(Testbed.OutsideAddress, 7));
        using var published = inside.Serve(80);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task An_interface_comes_back_under_its_name_at_once()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("back");
        var (sandbox, inside) = await lab.Run("bridge");
        var (peer, other) = await lab.Run("back");
        using var server = other.Serve(80);
        for (var i = 0; i < 5; i++)
        {
            var endpoint = await lab.Controller.ConnectAsync(sandbox.ContainerId, new EndpointSpec { Network = "back" }, TestContext.Current.CancellationToken);
            Assert.Equal("eth1", endpoint.InterfaceName);
            Assert.NotNull(await inside.Ask(peer.Endpoints[0].IPv4Address!.ToString(), 80));
            await lab.Controller.DisconnectAsync(sandbox.ContainerId, "back", TestContext.Current.CancellationToken);
        }
    }

    [Fact]
    public async Task The_default_route_follows_the_priority_of_networks()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("a");
        await lab.Create("b");
        var spec = lab.Spec(null) with
        {
            Endpoints = [new EndpointSpec { Network = "a" }, new EndpointSpec { Network = "b", GatewayPriority = 5 }],
        };
        var (sandbox, inside) = await lab.Run(spec);
        Assert.Equal(["eth0", "eth1"], sandbox.Endpoints.Select(e => e.InterfaceName));
        var route = Assert.Single(inside.Do(inside.Route.Routes), r => r.Destination.PrefixLength == 0);
        Assert.Equal(sandbox.Endpoints[1].IPv4Gateway, route.Gateway);
    }
}
