using System.Net;
using System.Text.Json;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Plugins;

/// <summary>Networks and addresses that plugins keep, with plugins written for the test.</summary>
[Trait("Tier", "integration")]
public sealed class NetworkPluginTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_plugins_interface_goes_into_the_container_and_comes_back()
    {
        await using var lab = await Testbed.Create();
        using var plugin = Cables(lab);
        var network = await lab.Create("wired", s => s with
        {
            Driver = "cable",
            Ipam = [new IpamConfig(IPNetwork.Parse("10.50.0.0/24"))],
            Options = new Dictionary<string, string> { ["color"] = "blue" },
        });
        var created = plugin.Last("NetworkDriver.CreateNetwork");
        Assert.Equal(network.Id, created.GetProperty("NetworkID").GetString());
        Assert.Equal("blue", created.GetProperty("Options").GetProperty("com.docker.network.generic").GetProperty("color").GetString());
        Assert.Equal("10.50.0.0/24", created.GetProperty("IPv4Data")[0].GetProperty("Pool").GetString());
        Assert.Equal("10.50.0.1/24", created.GetProperty("IPv4Data")[0].GetProperty("Gateway").GetString());

        var (sandbox, inside) = await lab.Run("wired", new PortRequest(80, PortProtocol.Tcp, null, 8080));
        Assert.Equal("10.50.0.2/24", plugin.Last("NetworkDriver.CreateEndpoint").GetProperty("Interface").GetProperty("Address").GetString());
        Assert.Equal(sandbox.NamespacePath, plugin.Last("NetworkDriver.Join").GetProperty("SandboxKey").GetString());
        var endpoint = Assert.Single(sandbox.Endpoints);
        Assert.Equal("cab0", endpoint.InterfaceName);
        Assert.Equal("02-00-00-00-00-77", BitConverter.ToString(endpoint.MacAddress!.GetAddressBytes()));
        Assert.Contains("10.50.0.2/24", inside.Run("ip", "-4", "-o", "address", "show", "cab0").Output, StringComparison.Ordinal);
        Assert.Contains("02:00:00:00:00:77", inside.Run("ip", "link", "show", "cab0").Output, StringComparison.Ordinal);
        var routes = inside.Run("ip", "route").Output;
        Assert.Contains("default via 10.50.0.1 dev cab0", routes, StringComparison.Ordinal);
        Assert.Contains("198.51.100.0/24 via 10.50.0.7 dev cab0", routes, StringComparison.Ordinal);

        await lab.Controller.DisconnectAsync(sandbox.ContainerId, "wired", Cancel);
        Assert.Contains("cable-in", lab.Links());
        Assert.Equal(1, plugin.Count("NetworkDriver.Leave"));
        Assert.Equal(endpoint.Id, plugin.Last("NetworkDriver.DeleteEndpoint").GetProperty("EndpointID").GetString());

        await lab.Controller.ConnectAsync(sandbox.ContainerId, new EndpointSpec { Network = "wired" }, Cancel);
        Assert.Contains("10.50.0.2/24", inside.Run("ip", "-4", "-o", "address", "show", "cab0").Output, StringComparison.Ordinal);
        await lab.Stop(sandbox);
        Assert.Equal(2, plugin.Count("NetworkDriver.DeleteEndpoint"));
        await lab.Controller.RemoveAsync("wired", Cancel);
        Assert.Equal(network.Id, plugin.Last("NetworkDriver.DeleteNetwork").GetProperty("NetworkID").GetString());
    }

    [Fact]
    public async Task A_plugin_that_says_no_leaves_nothing_and_is_quoted()
    {
        await using var lab = await Testbed.Create();
        using var plugin = FakePlugin.Start(Path.Combine(lab.PluginDirectory, "sour.sock"), ["NetworkDriver"], (method, _) => method switch
        {
            "NetworkDriver.CreateNetwork" => "{}",
            "NetworkDriver.CreateEndpoint" => "!{\"Err\":\"no cable left\"}",
            _ => "{}",
        });
        await lab.Create("wired", s => s with { Driver = "sour" });
        var before = lab.Links();
        for (var i = 0; i < 3; i++)
        {
            var refused = await Assert.ThrowsAsync<NetworkException>(() => lab.Run("wired"));
            Assert.Contains("no cable left", refused.Message, StringComparison.Ordinal);
        }

        Assert.Equal(before, lab.Links());
        Assert.All(plugin.Asked.Where(a => a.Method == "NetworkDriver.CreateEndpoint"),
            a => Assert.EndsWith(".2/16", a.Body.GetProperty("Interface").GetProperty("Address").GetString(), StringComparison.Ordinal));
        using var odd = FakePlugin.Start(Path.Combine(lab.PluginDirectory, "odd.sock"), ["NetworkDriver"], (_, _) => """{"Scope":"cosmic"}""");
        Assert.Contains(
            "expecting 'local' or 'global'",
            (await Assert.ThrowsAsync<NetworkException>(() => lab.Create("other", s => s with { Driver = "odd" }))).Message,
            StringComparison.Ordinal);
        var unknown = await Assert.ThrowsAsync<NetworkException>(() => lab.Create("other", s => s with { Driver = "nobody" }));
        Assert.Equal(NetworkError.NotFound, unknown.Error);
        Assert.Equal("could not find plugin nobody in v1 plugin registry: plugin not found", unknown.Message);
    }

    [Fact]
    public async Task A_plugin_that_is_silent_holds_up_nobody_else()
    {
        await using var lab = await Testbed.Create();
        using var plugin = Cables(lab);
        await lab.Create("wired", s => s with { Driver = "cable" });
        plugin.Silent = true;
        using var impatient = new CancellationTokenSource();
        var waiting = lab.Controller.CreateSandboxAsync(lab.Spec("wired"), impatient.Token);
        await Eventually.Holds(() => Task.FromResult(plugin.Count("NetworkDriver.CreateEndpoint") == 1), "the plugin was asked");
        var (_, _) = await lab.Run("bridge");
        Assert.False(waiting.IsCompleted);
        plugin.Silent = false;
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task A_plugin_gives_out_pools_and_addresses()
    {
        await using var lab = await Testbed.Create();
        using var plugin = Pools(lab);
        var network = await lab.Create("pooled", s => s with { IpamDriver = "pools", IpamOptions = new Dictionary<string, string> { ["site"] = "north" } });
        Assert.Equal("10.60.0.0/24", network.Spec.Ipam[0].Subnet.ToString());
        Assert.Equal("10.60.0.254", network.Spec.Ipam[0].Gateway!.ToString());
        Assert.Equal("north", plugin.Last("IpamDriver.RequestPool").GetProperty("Options").GetProperty("site").GetString());
        var (one, inside) = await lab.Run("pooled");
        var (_, other) = await lab.Run("pooled");
        Assert.Equal("10.60.0.1", one.Endpoints[0].IPv4Address!.ToString());
        using var server = inside.Serve(80);
        Assert.Equal("10.60.0.2", await other.Ask("10.60.0.1", 80));
        Assert.Contains("default via 10.60.0.254", inside.Run("ip", "route").Output, StringComparison.Ordinal);
        await lab.Stop(one);
        Assert.Equal("10.60.0.1", plugin.Last("IpamDriver.ReleaseAddress").GetProperty("Address").GetString());
    }

    [Fact]
    public async Task Pools_go_back_with_the_network_or_when_it_cannot_be()
    {
        await using var lab = await Testbed.Create();
        using var plugin = Pools(lab);
        await lab.Create("pooled", s => s with { IpamDriver = "pools" });
        await Assert.ThrowsAsync<NetworkException>(() => lab.Create("pooled", s => s with { IpamDriver = "pools" }));
        Assert.Equal(1, plugin.Count("IpamDriver.ReleasePool"));
        await lab.Controller.RemoveAsync("pooled", Cancel);
        Assert.Equal(2, plugin.Count("IpamDriver.ReleasePool"));
        Assert.Equal(plugin.Count("IpamDriver.RequestAddress"), plugin.Count("IpamDriver.ReleaseAddress"));
    }

    [Fact]
    public async Task What_a_daemon_that_crashed_had_taken_from_plugins_goes_back()
    {
        await using var lab = await Testbed.Create();
        using var plugin = Pools(lab);
        await lab.Create("pooled", s => s with { IpamDriver = "pools" });
        var (kept, _) = await lab.Run("pooled");
        var (gone, _) = await lab.Run("pooled");
        await lab.Restart(kept.ContainerId);
        await Eventually.Holds(() => Task.FromResult(plugin.Count("IpamDriver.ReleaseAddress") == 1), "the address goes back");
        Assert.Equal(gone.Endpoints[0].IPv4Address!.ToString(), plugin.Last("IpamDriver.ReleaseAddress").GetProperty("Address").GetString());
        await lab.Stop(kept);
        Assert.Equal(2, plugin.Count("IpamDriver.ReleaseAddress"));
    }

    /// <summary>A driver whose networks are one veth pair, which it makes for every endpoint anew.</summary>
    private static FakePlugin Cables(Testbed lab) => FakePlugin.Start(Path.Combine(lab.PluginDirectory, "cable.sock"), ["NetworkDriver"], (method, _) =>
    {
        switch (method)
        {
            case "NetworkDriver.GetCapabilities":
                return """{"Scope":"local"}""";
            case "NetworkDriver.CreateEndpoint":
                lab.Host.Run("ip", "link", "delete", "cable-out");
                Assert.Equal(0, lab.Host.Run("ip", "link", "add", "cable-out", "type", "veth", "peer", "name", "cable-in").Exit);
                Assert.Equal(0, lab.Host.Run("ip", "link", "set", "cable-out", "up").Exit);
                return """{"Interface":{"MacAddress":"02:00:00:00:00:77"}}""";
            case "NetworkDriver.Join":
                return """
                    {"InterfaceName":{"SrcName":"cable-in","DstPrefix":"cab"},"Gateway":"10.50.0.1",
                     "StaticRoutes":[{"Destination":"198.51.100.0/24","RouteType":0,"NextHop":"10.50.0.7"}]}
                    """;
            default:
                return "{}";
        }
    });

    /// <summary>An address driver that counts upwards.</summary>
    private static FakePlugin Pools(Testbed lab)
    {
        var next = 0;
        return FakePlugin.Start(Path.Combine(lab.PluginDirectory, "pools.sock"), ["IpamDriver"], (method, body) => method switch
        {
            "IpamDriver.GetDefaultAddressSpaces" => """{"LocalDefaultAddressSpace":"here","GlobalDefaultAddressSpace":"all"}""",
            "IpamDriver.RequestPool" => body.GetProperty("AddressSpace").GetString() == "here"
                ? """{"PoolID":"pool-1","Pool":"10.60.0.0/24","Data":{}}"""
                : """{"Err":"unknown space"}""",
            "IpamDriver.RequestAddress" => IsGateway(body)
                ? """{"Address":"10.60.0.254/24"}"""
                : $$"""{"Address":"10.60.0.{{Interlocked.Increment(ref next)}}/24"}""",
            "IpamDriver.GetCapabilities" => null,
            _ => "{}",
        });
    }

    private static bool IsGateway(JsonElement body) =>
        body.TryGetProperty("Options", out var options) && options.TryGetProperty("RequestAddressType", out var type) && type.GetString() == "com.docker.network.gateway";
}
