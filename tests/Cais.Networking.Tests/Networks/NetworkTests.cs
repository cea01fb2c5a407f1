using System.Net;
using System.Net.NetworkInformation;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Networks;

/// <summary>Making, naming and removing networks, and what the user is told when it cannot be.</summary>
[Trait("Tier", "integration")]
public sealed class NetworkTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Three_networks_are_there_from_the_start_and_cannot_be_removed()
    {
        await using var lab = await Testbed.Create();
        Assert.Equal([("bridge", "bridge"), ("host", "host"), ("none", "null")], lab.Controller.List().Select(n => (n.Name, n.Driver)));
        var ids = lab.Controller.List().Select(n => n.Id).ToList();
        foreach (var name in new[] { "bridge", "host", "none" })
        {
            await Fails(NetworkError.Forbidden, $"{name} is a pre-defined network and cannot be removed", () => lab.Controller.RemoveAsync(name, Cancellation));
        }

        await lab.Restart();
        Assert.Equal(ids, lab.Controller.List().Select(n => n.Id));
    }

    [Fact]
    public async Task A_network_is_found_by_name_id_and_start_of_id_also_by_the_next_daemon()
    {
        await using var lab = await Testbed.Create();
        var made = await lab.Create("web", s => s with { Labels = new Dictionary<string, string> { ["a"] = "b" } });
        await lab.Restart();
        Assert.Equal(made.Id, lab.Controller.Get("web").Id);
        Assert.Equal("web", lab.Controller.Get(made.Id).Name);
        Assert.Equal("web", lab.Controller.Get(made.Id[..6]).Name);
        Assert.Equal("b", lab.Controller.Get("web").Spec.Labels["a"]);
        Assert.Null(lab.Controller.Find("we"));
        Assert.Equal("network we not found", Assert.Throws<NetworkException>(() => lab.Controller.Get("we")).Message);
    }

    [Fact]
    public async Task Subnets_follow_each_other_and_come_back_when_a_network_is_removed()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("a");
        await lab.Create("b");
        Assert.Equal(["172.18.0.0/16", "172.19.0.0/16"], new[] { "a", "b" }.Select(n => lab.Controller.Get(n).Spec.Ipam[0].Subnet.ToString()));
        await lab.Controller.RemoveAsync("a", Cancellation);
        await lab.Create("c");
        Assert.Equal("172.18.0.0/16", lab.Controller.Get("c").Spec.Ipam[0].Subnet.ToString());
    }

    [Fact]
    public async Task Given_pools_ranges_gateways_and_auxiliary_addresses_are_kept_to()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("mine", s => s with
        {
            Ipam =
            [
                new IpamConfig(
                    IPNetwork.Parse("10.1.0.0/16"),
                    IPNetwork.Parse("10.1.5.0/29"),
                    IPAddress.Parse("10.1.5.1"),
                    new Dictionary<string, IPAddress> { ["router"] = IPAddress.Parse("10.1.5.2") }),
            ],
        });
        Assert.Equal("10.1.5.0", (await lab.Run("mine")).Sandbox.Endpoints[0].IPv4Address!.ToString());
        Assert.Equal("10.1.5.3", (await lab.Run("mine")).Sandbox.Endpoints[0].IPv4Address!.ToString());
        var fixedOne = lab.Spec(null) with { Endpoints = [new EndpointSpec { Network = "mine", IPv4Address = IPAddress.Parse("10.1.9.9") }] };
        Assert.Equal("10.1.9.9", (await lab.Run(fixedOne)).Sandbox.Endpoints[0].IPv4Address!.ToString());
        var again = lab.Spec(null) with { Endpoints = fixedOne.Endpoints };
        await Fails(NetworkError.Forbidden, "Address already in use", () => lab.Run(again));
        var outside = lab.Spec(null) with { Endpoints = [new EndpointSpec { Network = "mine", IPv4Address = IPAddress.Parse("10.2.0.1") }] };
        await Fails(NetworkError.InvalidParameter, "no configured subnet contains IP address 10.2.0.1", () => lab.Run(outside));
    }

    [Fact]
    public async Task A_full_network_says_so_and_keeps_nothing()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("small", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.1.0.0/30"))] });
        var (only, _) = await lab.Run("small");
        await Fails(NetworkError.Exhausted, "no available IPv4 addresses on this network's address pools: small", () => lab.Run("small"));
        await lab.Stop(only);
        Assert.Equal("10.1.0.2", (await lab.Run("small")).Sandbox.Endpoints[0].IPv4Address!.ToString());
    }

    [Fact]
    public async Task When_all_subnets_are_used_up_the_next_network_is_refused()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { DefaultAddressPools = [new AddressPool(IPNetwork.Parse("10.0.0.0/23"), 24)] });
        await lab.Create("second");
        await Fails(NetworkError.Exhausted, "all predefined address pools have been fully subnetted", () => lab.Create("third"));
        Assert.Null(lab.Controller.Find("third"));
    }

    [Fact]
    public async Task What_makes_no_sense_is_refused_in_words()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("a", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.1.0.0/16"))] });
        await Fails(NetworkError.Conflict, "network with name a already exists", () => lab.Create("a"));
        await Fails(NetworkError.Forbidden, "Pool overlaps with other one", () => lab.Create("b", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.1.2.0/24"))] }));
        await Fails(NetworkError.Forbidden, "operation is not permitted on predefined host network", () => lab.Create("host"));
        await Fails(NetworkError.InvalidParameter, "includes invalid characters", () => lab.Create("a b"));
        await Fails(NetworkError.InvalidParameter, "gateway 10.3.0.1", () =>
            lab.Create("c", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.2.0.0/16"), Gateway: IPAddress.Parse("10.3.0.1"))] }));
        await Fails(NetworkError.InvalidParameter, "ip-range 10.3.0.0/24", () =>
            lab.Create("c", s => s with { Ipam = [new IpamConfig(IPNetwork.Parse("10.2.0.0/16"), IPNetwork.Parse("10.3.0.0/24"))] }));
        await Fails(NetworkError.InvalidParameter, "enable_icc", () => lab.Create("c", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "maybe" } }));
        await Fails(NetworkError.InvalidParameter, "invalid interface name", () => lab.Create("c", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.name"] = "../../x" } }));
        await Fails(NetworkError.NotFound, "could not find plugin weave", () => lab.Create("c", s => s with { Driver = "weave" }));
        await Fails(NetworkError.Conflict, "is not a bridge", () => lab.Create("c", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.name"] = "uplink" } }));
        Assert.Equal(4, lab.Controller.List().Count);
    }

    [Fact]
    public async Task A_network_in_use_cannot_be_removed()
    {
        await using var lab = await Testbed.Create();
        var network = await lab.Create("web");
        var (sandbox, _) = await lab.Run("web");
        await Fails(NetworkError.Forbidden, "error while removing network: network web has active endpoints (name:\"c1\"", () => lab.Controller.RemoveAsync("web", Cancellation));
        await lab.Stop(sandbox);
        await lab.Controller.RemoveAsync("web", Cancellation);
        Assert.DoesNotContain(network.BridgeName, lab.Links());
        Assert.Null(lab.Controller.Find("web"));
    }

    [Fact]
    public async Task A_bridge_that_belongs_to_the_user_stays_when_the_network_goes()
    {
        await using var lab = await Testbed.Create();
        lab.Host.Run("ip", "link", "add", "mybr", "type", "bridge");
        await lab.Create("mine", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.name"] = "mybr" } });
        await Fails(NetworkError.Forbidden, "networks have same bridge name", () =>
            lab.Create("other", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.bridge.name"] = "mybr" } }));
        await lab.Controller.RemoveAsync("mine", Cancellation);
        Assert.Contains("mybr", lab.Links());
    }

    [Fact]
    public async Task Mtu_mac_address_and_interface_name_are_as_asked_for()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("jumbo", s => s with { Options = new Dictionary<string, string> { ["com.docker.network.driver.mtu"] = "1400" } });
        var spec = lab.Spec(null) with
        {
            Endpoints =
            [
                new EndpointSpec
                {
                    Network = "jumbo",
                    MacAddress = PhysicalAddress.Parse("02:11:22:33:44:55"),
                    Options = new Dictionary<string, string>
                    {
                        ["com.docker.network.endpoint.ifname"] = "lan0",
                        ["com.docker.network.endpoint.sysctls"] = "net.ipv4.conf.IFNAME.log_martians=1",
                    },
                },
            ],
        };
        var (_, inside) = await lab.Run(spec);
        var link = inside.Do(() => inside.Route.FindLink("lan0"))!;
        Assert.Equal((1400, "021122334455"), (link.Mtu, link.MacAddress.ToString()));
        Assert.Equal("1", inside.Do(() => Cais.Networking.Kernel.Sysctl.Read("ipv4/conf/lan0/log_martians")));
    }

    [Fact]
    public async Task Hosts_and_resolv_conf_say_what_docker_says()
    {
        await using var lab = await Testbed.Create(new NetworkOptions { DnsSearch = ["example.org"] });
        lab.ResolvConf = "# mine\nnameserver 127.0.0.1\nnameserver 192.0.2.53\nsearch host.example\noptions timeout:1\n";
        await lab.Create("web");
        var (plain, _) = await lab.Run(lab.Spec() with { Hostname = "box", Domainname = "example.com" });
        var (named, _) = await lab.Run("web");
        Assert.Equal(
            "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::\tip6-localnet\nff00::\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n" +
            "10.0.0.5\tdb\n172.17.0.1\thost.docker.internal\n172.17.0.2\tbox.example.com box\n",
            lab.Controller.HostsFile(plain.ContainerId, ["db:10.0.0.5", "host.docker.internal:host-gateway"]));
        var (dotted, _) = await lab.Run(lab.Spec() with { Hostname = "box.example.net" });
        Assert.EndsWith("\tbox.example.net box\n", lab.Controller.HostsFile(dotted.ContainerId, []), StringComparison.Ordinal);
        Assert.Contains("\n\nnameserver 192.0.2.53\nsearch example.org\noptions timeout:1\n\n# Based on host file: ", lab.Controller.ResolvConf(plain.ContainerId), StringComparison.Ordinal);
        Assert.Contains("\n\nnameserver 127.0.0.11\nsearch example.org\noptions timeout:1 ndots:0\n\n# Based on host file: ", lab.Controller.ResolvConf(named.ContainerId), StringComparison.Ordinal);
        Assert.Throws<NetworkException>(() => lab.Controller.HostsFile(plain.ContainerId, ["db:nonsense"]));
        Assert.Throws<NetworkException>(() => lab.Controller.HostsFile(plain.ContainerId, ["a b:10.0.0.1"]));
    }

    [Fact]
    public async Task A_random_life_with_crashes_never_gives_anything_twice_and_loses_nothing()
    {
        var seed = Seeds.Value;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        var random = new Random(seed);
        await using var lab = await Testbed.Create();
        await lab.Create("tiny", s => s with { EnableIPv6 = true, Ipam = [new IpamConfig(IPNetwork.Parse("10.1.0.0/29"))] });
        var running = new List<Sandbox>();
        for (var step = 0; step < 60; step++)
        {
            switch (random.Next(10))
            {
                case < 6:
                    try
                    {
                        var ports = new PortRequest(80, PortProtocol.Tcp, null, (ushort)(random.Next(2) == 0 ? 0 : 9000 + random.Next(3)));
                        running.Add((await lab.Run(random.Next(2) == 0 ? "tiny" : "bridge", ports)).Sandbox);
                    }
                    catch (NetworkException e) when (e.Error is NetworkError.Exhausted or NetworkError.PortAllocated)
                    {
                        // Full, or taken: nothing may be kept then.
                    }

                    break;
                case < 9 when running.Count > 0:
                    var leaving = running[random.Next(running.Count)];
                    running.Remove(leaving);
                    await lab.Stop(leaving);
                    break;
                default:
                    // Some containers die while no daemon runs.
                    var survivors = running.Where(_ => random.Next(4) > 0).ToList();
                    await lab.Restart([.. survivors.Select(s => s.ContainerId)]);
                    running = survivors;
                    break;
            }

            var endpoints = running.SelectMany(s => s.Endpoints).ToList();
            Assert.Equal(endpoints.Count, endpoints.DistinctBy(e => e.IPv4Address).Count());
            var bindings = running.SelectMany(s => s.Ports).ToList();
            Assert.Equal(bindings.Count, bindings.DistinctBy(b => (b.HostPort, b.HostAddress)).Count());
            Assert.Equal(bindings.Count(b => b.HostAddress.Equals(IPAddress.Any)), lab.Elements("publish4_any"));
            Assert.Equal(running.Count, lab.Controller.EndpointsOf(lab.Controller.Get("tiny").Id).Count + lab.Controller.EndpointsOf(lab.Controller.Get("bridge").Id).Count);
        }

        foreach (var sandbox in running)
        {
            await lab.Stop(sandbox);
        }

        Assert.Equal("172.17.0.2", (await lab.Run()).Sandbox.Endpoints[0].IPv4Address!.ToString());
        await lab.Restart();
        Assert.Empty(await lab.Leftovers());
    }

    private static async Task Fails(NetworkError error, string words, Func<Task> action)
    {
        var failure = await Assert.ThrowsAnyAsync<NetworkException>(action);
        Assert.Contains(words, failure.Message, StringComparison.Ordinal);
        Assert.Equal(error, failure.Error);
    }
}
