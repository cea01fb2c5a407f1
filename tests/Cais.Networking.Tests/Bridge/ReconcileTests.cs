using System.Net;
using System.Text.Json;
using Cais.Linux.Netlink;
using Cais.Networking.State;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Bridge;

/// <summary>After crashes and hands that tidied up: what should be there is put back, what should not is freed.</summary>
[Trait("Tier", "integration")]
public sealed class ReconcileTests
{
    private static readonly PortRequest Web = new(80, PortProtocol.Tcp, null, 8080);

    [Fact]
    public async Task Nothing_is_left_when_containers_are_gone()
    {
        await using var lab = await Testbed.Create();
        var network = await lab.Create("extra", s => s with { EnableIPv6 = true });
        var sandboxes = new List<Sandbox>();
        for (var i = 0; i < 5; i++)
        {
            sandboxes.Add((await lab.Run("bridge", new PortRequest(80, PortProtocol.Tcp))).Sandbox);
            sandboxes.Add((await lab.Run("extra", new PortRequest(80, PortProtocol.Udp))).Sandbox);
        }

        foreach (var sandbox in sandboxes)
        {
            await lab.Stop(sandbox);
        }

        await lab.Controller.RemoveAsync("extra", TestContext.Current.CancellationToken);
        Assert.Empty(await lab.Leftovers());
        Assert.DoesNotContain(network.BridgeName, lab.Links());
        Assert.Equal(1, lab.Elements("bridges"));
        Assert.Equal(2, lab.Elements("masquerade4"));
    }

    [Fact]
    public async Task A_new_daemon_finds_running_containers_with_their_addresses_and_ports()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        await lab.Restart(sandbox.ContainerId);
        Assert.Equal(Json(sandbox), Json(lab.Controller.GetSandbox(sandbox.ContainerId)!));
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        var failure = await Assert.ThrowsAsync<PortAllocatedException>(() => lab.Run("bridge", Web));
        Assert.EndsWith("Bind for 0.0.0.0:8080 failed: port is already allocated", failure.Message, StringComparison.Ordinal);
        var (next, _) = await lab.Run();
        Assert.Equal(IPAddress.Parse("172.17.0.3"), next.Endpoints[0].IPv4Address);
    }

    private static string Json(Sandbox sandbox) =>
        JsonSerializer.Serialize(new SandboxRecord(sandbox, new SandboxSpec { ContainerId = "", ContainerName = "" }), NetworkJson.Default.SandboxRecord);

    [Fact]
    public async Task A_new_daemon_frees_what_containers_that_died_meanwhile_had()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, _) = await lab.Run("bridge", Web);
        await lab.Restart();
        Assert.Null(lab.Controller.GetSandbox(sandbox.ContainerId));
        var (again, _) = await lab.Run("bridge", Web);
        Assert.Equal(sandbox.Endpoints[0].IPv4Address, again.Endpoints[0].IPv4Address);
        await lab.Stop(again);
        await lab.Stop(sandbox);
        Assert.Empty(await lab.Leftovers());
    }

    [Fact]
    public async Task A_new_daemon_ends_the_disconnecting_that_was_begun()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("back");
        var (sandbox, inside) = await lab.Run("bridge");
        var endpoint = await lab.Controller.ConnectAsync(sandbox.ContainerId, new EndpointSpec { Network = "back" }, TestContext.Current.CancellationToken);
        await lab.Controller.DisconnectAsync(sandbox.ContainerId, "back", TestContext.Current.CancellationToken);
        await lab.Crash();

        // As if it had died before the kernel was told.
        if (lab.Links().Contains(endpoint.HostInterfaceName))
        {
            Assert.Equal(0, lab.Host.Run("ip", "link", "delete", endpoint.HostInterfaceName!).Exit);
        }

        Assert.Equal((0, ""), lab.Host.Run("ip", "link", "add", endpoint.HostInterfaceName!, "type", "veth"));
        await lab.Restart(sandbox.ContainerId);
        Assert.DoesNotContain(endpoint.HostInterfaceName, lab.Links());
    }

    [Fact]
    public async Task A_container_that_cannot_be_mended_keeps_no_daemon_from_starting()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge");
        var (well, other) = await lab.Run("bridge", Web);
        using var server = other.Serve(80);
        await lab.Crash();
        Assert.Equal(0, lab.Host.Run("ip", "link", "delete", sandbox.Endpoints[0].HostInterfaceName!).Exit);
        Assert.Equal((0, ""), inside.Run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "other"));
        await lab.Restart(sandbox.ContainerId, well.ContainerId);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task Namespaces_that_no_record_knows_are_cleared_away()
    {
        await using var lab = await Testbed.Create();
        var stray = Path.Combine(lab.RunDirectory, "netns", "0123456789ab");
        NetworkNamespace.Bind(lab.Outside.Namespace, stray);
        await File.WriteAllTextAsync(Path.Combine(lab.RunDirectory, "netns", "halfway"), "", TestContext.Current.CancellationToken);
        await lab.Restart();
        Assert.False(File.Exists(stray));
        Assert.Empty(await lab.Leftovers());
    }

    [Fact]
    public async Task After_a_reboot_nothing_is_held_and_everything_works()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, _) = await lab.Run("bridge", Web);
        await lab.Create("mine");
        var bridge = lab.Controller.Get("mine").BridgeName!;
        await lab.Crash();
        NetworkNamespace.Unbind(sandbox.NamespacePath!);
        lab.Host.Run("nft", "flush", "ruleset");
        lab.Host.Run("ip", "link", "delete", "docker0");
        lab.Host.Run("ip", "link", "delete", bridge);

        // The daemon may even be told that the container runs: its namespace says otherwise.
        await lab.Restart(sandbox.ContainerId);
        Assert.Null(lab.Controller.GetSandbox(sandbox.ContainerId));
        var (_, inside) = await lab.Run("mine", Web);
        using var server = inside.Serve(80);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task A_flushed_rule_set_comes_back_whole_with_the_next_daemon()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        await lab.Crash();
        lab.Host.Run("nft", "flush", "ruleset");
        await lab.Restart(sandbox.ContainerId);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Theory]
    [InlineData("flush", "ruleset")]
    [InlineData("delete", "table", "inet", "cais")]
    [InlineData("flush", "table", "inet", "cais")]
    [InlineData("flush", "map", "inet", "cais", "publish4_any")]
    public async Task What_somebody_takes_from_the_table_comes_back_by_itself(params string[] command)
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        var before = lab.Host.Run("nft", "list", "table", "inet", "cais");
        Assert.Equal((0, ""), lab.Host.Run(["nft", .. command]));
        await Eventually.Holds(() => lab.Host.Run("nft", "list", "table", "inet", "cais") == before, "the table is as before");
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task Chains_and_sets_that_the_user_added_to_the_table_stay()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, _) = await lab.Run("bridge", Web);
        Assert.Equal((0, ""), lab.Host.Run(
            "nft",
            "add set inet cais office { type ipv4_addr; elements = { 198.51.100.7 }; }; add chain inet cais mine; add rule inet cais mine ip saddr @office accept; add rule inet cais user_published jump mine"));
        Assert.Equal((0, ""), lab.Host.Run("nft", "delete element inet cais published4_any { tcp . 8080 }"));
        await Eventually.Holds(() => lab.Elements("published4_any") == 1, "the element is back");
        await lab.Restart(sandbox.ContainerId);
        Assert.Equal(1, lab.Elements("office"));
        Assert.Contains("ip saddr @office accept", lab.Host.Run("nft", "list", "chain", "inet", "cais", "mine").Output, StringComparison.Ordinal);
        Assert.Contains("jump mine", lab.Host.Run("nft", "list", "chain", "inet", "cais", "user_published").Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Repairs_disturb_no_new_connection()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        using var outside = lab.Outside.Serve(7);
        for (var round = 0; round < 20; round++)
        {
            Assert.Equal((0, ""), lab.Host.Run("nft", "delete element inet cais published4_any { tcp . 8080 }"));
            for (var i = 0; i < 20; i++)
            {
                Assert.Equal(Testbed.HostAddress, await inside.Ask(Testbed.OutsideAddress, 7));
                Assert.Equal(Testbed.OutsideAddress, await lab.Outside.Ask(Testbed.HostAddress, 8080));
            }

            await Eventually.Holds(() => lab.Elements("published4_any") == 1, "the element is back");
        }
    }

    [Fact]
    public async Task A_table_that_somebody_made_differently_is_made_anew()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        await lab.Crash();
        lab.Host.Run("nft", "delete table inet cais");
        Assert.Equal((0, ""), lab.Host.Run("nft", "add table inet cais; add chain inet cais nat_prerouting { type nat hook prerouting priority -99; }; add set inet cais publish4 { type mark; }"));
        await lab.Restart(sandbox.ContainerId);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task A_deleted_bridge_comes_back_by_itself_with_its_containers()
    {
        await using var lab = await Testbed.Create();
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        lab.Host.Run("ip", "link", "delete", "docker0");
        await Eventually.Holds(async () => await lab.Outside.Ask(Testbed.HostAddress, 8080, TimeSpan.FromSeconds(2)) is not null, "the container answers again");
    }

    [Theory]
    [InlineData("flush", "dev", "docker0")]
    [InlineData("delete", "172.17.0.1/16", "dev", "docker0")]
    [InlineData("-6", "flush", "dev", "docker0")]
    public async Task Deleted_addresses_of_a_bridge_come_back_by_themselves(params string[] command)
    {
        await using var lab = await Testbed.Create(new NetworkOptions { IPv6 = true });
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        using var outside = lab.Outside.Serve(7);
        using var outside6 = lab.Outside.Serve(7, System.Net.IPAddress.Parse(Testbed.OutsideAddressV6));
        Assert.Equal((0, ""), command[0] == "-6" ? lab.Host.Run(["ip", "-6", "address", .. command[1..]]) : lab.Host.Run(["ip", "address", .. command]));
        await Eventually.Holds(async () => await inside.Ask(Testbed.OutsideAddress, 7, TimeSpan.FromSeconds(2)) is not null, "IPv4 leads out again");
        await Eventually.Holds(async () => await inside.Ask(Testbed.OutsideAddressV6, 7, TimeSpan.FromSeconds(2)) is not null, "IPv6 leads out again");
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task A_deleted_interface_comes_back_by_itself()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        lab.Host.Run("ip", "link", "delete", sandbox.Endpoints[0].HostInterfaceName!);
        await Eventually.Holds(async () => await lab.Outside.Ask(Testbed.HostAddress, 8080, TimeSpan.FromSeconds(2)) is not null, "the container answers again");
    }

    [Fact]
    public async Task Rules_of_others_are_never_touched()
    {
        await using var lab = await Testbed.Create();
        Assert.Equal((0, ""), lab.Host.Run("nft", "add", "table", "inet", "mine"));
        Assert.Equal((0, ""), lab.Host.Run("nft", "add chain inet mine keep { type filter hook input priority 0 ; }"));
        await lab.Restart();
        Assert.Contains("chain keep", lab.Host.Run("nft", "list", "table", "inet", "mine").Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_deleted_bridge_comes_back_with_its_containers_at_the_next_start()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        await lab.Crash();
        lab.Host.Run("ip", "link", "delete", "docker0");
        Assert.True(await lab.Outside.CannotReach(Testbed.HostAddress, 8080));
        await lab.Restart(sandbox.ContainerId);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        Assert.NotNull(await lab.Host.Ask("127.0.0.1", 8080));
    }

    [Fact]
    public async Task A_deleted_bridge_comes_back_with_the_next_container()
    {
        await using var lab = await Testbed.Create();
        lab.Host.Run("ip", "link", "delete", "docker0");
        var (_, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
    }

    [Fact]
    public async Task A_deleted_interface_comes_back_inside_with_its_address_and_routes()
    {
        await using var lab = await Testbed.Create();
        var (sandbox, inside) = await lab.Run("bridge", Web);
        using var server = inside.Serve(80);
        await lab.Crash();
        lab.Host.Run("ip", "link", "delete", sandbox.Endpoints[0].HostInterfaceName!);
        await lab.Restart(sandbox.ContainerId);
        Assert.NotNull(await lab.Outside.Ask(Testbed.HostAddress, 8080));
        using var outside = lab.Outside.Serve(7);
        Assert.NotNull(await inside.Ask(Testbed.OutsideAddress, 7));
    }

    [Fact]
    public async Task Changed_bridge_settings_are_put_right()
    {
        await using var lab = await Testbed.Create();
        await lab.Crash();
        lab.Host.Run("ip", "link", "set", "docker0", "down", "mtu", "1280");
        lab.Host.Run("ip", "address", "flush", "dev", "docker0");
        await lab.Restart();
        var link = lab.Host.Do(() => lab.Host.Route.FindLink("docker0"))!;
        Assert.True(link.IsUp);
        Assert.Equal(1500, link.Mtu);
        Assert.Contains(lab.Host.Do(lab.Host.Route.Addresses), a => a.Index == link.Index && a.Address.Equals(IPAddress.Parse("172.17.0.1")));
    }

    [Fact]
    public async Task The_default_bridge_takes_its_address_from_the_settings_and_moves_when_nobody_is_in_it()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { BridgeAddress = "10.11.12.1/24" });
        var (sandbox, _) = await lab.Run();
        Assert.Equal(IPAddress.Parse("10.11.12.2"), sandbox.Endpoints[0].IPv4Address);
        lab.Options = lab.Options with { BridgeAddress = "10.11.13.1/24" };
        await lab.Restart(sandbox.ContainerId);
        Assert.Equal(IPAddress.Parse("10.11.12.3"), (await lab.Run()).Sandbox.Endpoints[0].IPv4Address);
        await lab.Restart();
        Assert.Equal(IPAddress.Parse("10.11.13.2"), (await lab.Run()).Sandbox.Endpoints[0].IPv4Address);
    }

    [Fact]
    public async Task The_default_bridge_avoids_subnets_that_the_host_has_already()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { BridgeName = "none" });
        lab.Host.AddAddress("uplink", "172.17.5.1/24");
        lab.Options = lab.Options with { BridgeName = "docker0" };
        await lab.Restart();
        Assert.Equal(IPNetwork.Parse("172.18.0.0/16"), lab.Controller.Get("bridge").Spec.Ipam[0].Subnet);
    }

    [Fact]
    public async Task A_start_that_fails_halfway_leaves_nothing()
    {
        await using var lab = await Testbed.Create();
        var spec = lab.Spec("bridge", Web);
        var broken = spec with
        {
            Endpoints = [spec.Endpoints[0] with { Options = new Dictionary<string, string> { ["com.docker.network.endpoint.sysctls"] = "net.ipv4.conf.IFNAME.no_such=1" } }],
        };
        var failure = await Assert.ThrowsAsync<NetworkException>(() => lab.Run(broken));
        Assert.Equal(NetworkError.InvalidParameter, failure.Error);
        Assert.Empty(lab.Controller.EndpointsOf(lab.Controller.Get("bridge").Id));
        Assert.Null(lab.Controller.GetSandbox(spec.ContainerId));
        var (sandbox, _) = await lab.Run(spec);
        Assert.Equal(IPAddress.Parse("172.17.0.2"), sandbox.Endpoints[0].IPv4Address);
        await lab.Stop(sandbox);
        Assert.Empty(await lab.Leftovers());
    }
}
