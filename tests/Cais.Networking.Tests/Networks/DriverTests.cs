using System.Net;
using Cais.Networking.Tests.Lab;

namespace Cais.Networking.Tests.Networks;

/// <summary>Networks that are no plain bridge.</summary>
[Trait("Tier", "integration")]
public sealed class DriverTests
{
    [Fact]
    public async Task Macvlan_containers_are_machines_on_the_hosts_network()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("lan", s => s with
        {
            Driver = "macvlan",
            Options = new Dictionary<string, string> { ["parent"] = "uplink" },
            Ipam = [new IpamConfig(IPNetwork.Parse("192.0.2.0/24"), IPNetwork.Parse("192.0.2.128/28"), IPAddress.Parse("192.0.2.254"))],
        });
        var (one, inside) = await lab.Run("lan");
        var (_, other) = await lab.Run("lan");
        Assert.Equal("192.0.2.128", one.Endpoints[0].IPv4Address!.ToString());
        using var server = inside.Serve(80);
        Assert.Equal(Testbed.OutsideAddress, await lab.Outside.Ask("192.0.2.128", 80));
        Assert.Equal("192.0.2.129", await other.Ask("192.0.2.128", 80));
        await lab.Controller.DisconnectAsync(one.ContainerId, "lan", TestContext.Current.CancellationToken);
        Assert.Equal("lo", Assert.Single(inside.Do(inside.Route.Links)).Name);
    }

    [Fact]
    public async Task Macvlan_without_a_parent_connects_containers_with_each_other_only()
    {
        await using var lab = await Testbed.Create();
        var network = await lab.Create("lan", s => s with { Driver = "macvlan" });
        var (one, inside) = await lab.Run("lan");
        var (two, other) = await lab.Run("lan");
        using var server = inside.Serve(80);
        Assert.NotNull(await other.Ask(one.Endpoints[0].IPv4Address!.ToString(), 80));
        await lab.Stop(one);
        await lab.Stop(two);
        await lab.Controller.RemoveAsync("lan", TestContext.Current.CancellationToken);
        Assert.DoesNotContain($"dm-{network.Id[..12]}", lab.Links());
    }

    [Fact]
    public async Task A_missing_parent_a_wrong_mode_and_a_kernel_without_ipvlan_are_said_clearly()
    {
        await using var lab = await Testbed.Create();
        var missing = await Assert.ThrowsAsync<NetworkException>(() =>
            lab.Create("a", s => s with { Driver = "macvlan", Options = new Dictionary<string, string> { ["parent"] = "eth9" } }));
        Assert.Contains("parent interface eth9", missing.Message, StringComparison.Ordinal);
        var mode = await Assert.ThrowsAsync<NetworkException>(() =>
            lab.Create("a", s => s with { Driver = "macvlan", Options = new Dictionary<string, string> { ["macvlan_mode"] = "best" } }));
        Assert.Contains("macvlan mode 'best'", mode.Message, StringComparison.Ordinal);
        try
        {
            await lab.Create("a", s => s with { Driver = "ipvlan", Options = new Dictionary<string, string> { ["parent"] = "uplink" } });
        }
        catch (NetworkException e)
        {
            Assert.Equal(NetworkError.Unsupported, e.Error);
            Assert.Contains("no ipvlan driver", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task An_overlay_joins_containers_on_two_hosts()
    {
        await using var first = await Testbed.Create();
        await using var second = await Testbed.Create();
        first.Host.Connect(second.Host, "fabric", "198.51.100.1/24", "fabric", "198.51.100.2/24");
        await first.Create("span", s => Overlay(s, "198.51.100.2", "10.9.0.1", "10.9.1.0/24"));
        await second.Create("span", s => Overlay(s, "198.51.100.1", "10.9.0.2", "10.9.2.0/24"));
        var (one, inside) = await first.Run("span");
        var (_, other) = await second.Run("span");
        using var server = inside.Serve(80);
        Assert.Equal("10.9.1.0", one.Endpoints[0].IPv4Address!.ToString());
        Assert.Equal("10.9.2.0", await other.Ask("10.9.1.0", 80));
        Assert.Equal(1450, other.Do(() => other.Route.FindLink("eth0"))!.Mtu);

        // A new daemon finds the tunnel as it is, or makes it again.
        await first.Crash();
        first.Host.Run("ip", "link", "delete", $"vx-{one.Endpoints[0].NetworkId[..12]}");
        await first.Restart(one.ContainerId);
        Assert.NotNull(await other.Ask("10.9.1.0", 80));
    }

    [Fact]
    public async Task A_network_that_cannot_be_made_now_stops_no_daemon_and_works_when_it_can()
    {
        await using var lab = await Testbed.Create();
        lab.Host.Connect(lab.Outside, "lan", "198.51.100.1/24", "lan", "198.51.100.2/24");
        await lab.Create("late", s => s with
        {
            Driver = "macvlan",
            Options = new Dictionary<string, string> { ["parent"] = "lan" },
            Ipam = [new IpamConfig(IPNetwork.Parse("198.51.100.0/24"), IPNetwork.Parse("198.51.100.128/28"))],
        });
        await lab.Crash();
        lab.Host.Run("ip", "link", "delete", "lan");
        await lab.Restart();
        var failure = await Assert.ThrowsAsync<NetworkException>(() => lab.Run("late"));
        Assert.Contains("parent interface lan", failure.Message, StringComparison.Ordinal);
        await lab.Run();
        lab.Host.Connect(lab.Outside, "lan", "198.51.100.1/24", "lan", "198.51.100.2/24");
        var (sandbox, inside) = await lab.Run("late");
        using var server = inside.Serve(80);
        Assert.NotNull(await lab.Outside.Ask(sandbox.Endpoints[0].IPv4Address!.ToString(), 80));
    }

    private static NetworkSpec Overlay(NetworkSpec spec, string peer, string gateway, string range) => spec with
    {
        Driver = "overlay",
        Options = new Dictionary<string, string> { ["cais.network.overlay.peers"] = peer },
        Ipam = [new IpamConfig(IPNetwork.Parse("10.9.0.0/16"), IPNetwork.Parse(range), IPAddress.Parse(gateway))],
    };
}
