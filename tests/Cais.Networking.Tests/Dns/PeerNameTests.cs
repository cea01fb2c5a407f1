using System.Net;
using Cais.Networking.Dns;
using Cais.Networking.Tests.Lab;
using Cais.Testing;

namespace Cais.Networking.Tests.Dns;

/// <summary>Names between the hosts of overlay networks.</summary>
[Trait("Tier", "integration")]
public sealed class PeerNameTests
{
    [Fact]
    public async Task Hosts_of_an_overlay_find_each_others_containers_by_name()
    {
        await using var first = await Testbed.Create();
        await using var second = await Testbed.Create();
        first.Host.Connect(second.Host, "fabric", "198.51.100.1/24", "fabric", "198.51.100.2/24");
        await first.Create("span", s => Overlay(s, "198.51.100.2", "10.9.0.1", "10.9.1.0/24"));
        await second.Create("there", s => Overlay(s, "198.51.100.1", "10.9.0.2", "10.9.2.0/24"));
        var spec = first.Spec("span");
        var (one, _) = await first.Run(spec with { ContainerName = "first", Endpoints = [spec.Endpoints[0] with { Aliases = ["web"] }] });
        var (_, other) = await second.Run("there");
        var address = one.Endpoints[0].IPv4Address!;

        await Finds("web");
        await Finds("first.there");
        await Finds("WEB", stream: true);
        await Eventually.Holds(
            () => other.Run("busybox", "nslookup", address.ToString(), "127.0.0.11").Output.Contains("name = first.span", StringComparison.Ordinal), "the address is found backwards");
        Assert.Empty(await NameServerTests.Ask(other, "nobody"));

        await first.Restart(one.ContainerId);
        await Finds("web");
        await first.Stop(one);
        Assert.Empty(await NameServerTests.Ask(other, "web"));

        // A machine too busy to answer in time is asked again.
        Task Finds(string name, bool stream = false) =>
            Eventually.Holds(async () => (await NameServerTests.Ask(other, name, stream: stream)).SequenceEqual([address]), $"{name} is found");
    }

    [Fact]
    public async Task A_host_tells_names_to_the_peers_of_that_network_alone()
    {
        await using var first = await Testbed.Create();
        await using var second = await Testbed.Create();
        first.Host.Connect(second.Host, "fabric", "198.51.100.1/24", "fabric", "198.51.100.2/24");

        // The second host calls the first its peer, which knows another one.
        await first.Create("span", s => Overlay(s, "198.51.100.77", "10.9.0.1", "10.9.1.0/24"));
        await second.Create("span", s => Overlay(s, "198.51.100.1", "10.9.0.2", "10.9.2.0/24"));
        await first.Run(first.Spec("span") with { ContainerName = "secret" });
        var (_, other) = await second.Run("span");
        Assert.Empty(await NameServerTests.Ask(other, "secret"));
    }

    [Fact]
    public async Task Networks_on_one_tunnel_port_are_kept_apart_by_their_identifiers()
    {
        await using var first = await Testbed.Create();
        await using var second = await Testbed.Create();
        first.Host.Connect(second.Host, "fabric", "198.51.100.1/24", "fabric", "198.51.100.2/24");
        await first.Create("red", s => Overlay(s, "198.51.100.2", "10.9.0.1", "10.9.1.0/24"));
        await second.Create("blue", s => Overlay(s, "198.51.100.1", "10.8.0.2", "10.8.2.0/24", identifier: "300"));
        await first.Run(first.Spec("red") with { ContainerName = "ruby" });
        var (_, other) = await second.Run("blue");
        Assert.Empty(await NameServerTests.Ask(other, "ruby"));
    }

    [Theory]
    [InlineData("web.256.overlay", 256u, "web")]
    [InlineData("4.3.2.1.in-addr.arpa.7.overlay", 7u, "4.3.2.1.in-addr.arpa")]
    public void A_question_is_taken_apart(string text, uint identifier, string name) => Assert.Equal((identifier, name), PeerQuestion.Read(text));

    [Theory]
    [InlineData("web")]
    [InlineData("web.overlay")]
    [InlineData(".256.overlay")]
    [InlineData("web.x.overlay")]
    [InlineData("web.99999999999.overlay")]
    public void What_is_no_question_is_none(string text) => Assert.Null(PeerQuestion.Read(text));

    [Fact]
    public void An_answer_is_believed_only_as_far_as_it_is_one_to_the_question()
    {
        var question = PeerQuestion.Write(77, 256, "web", DnsType.A)!;
        var answer = DnsQuery.Parse(question, out _)!.Answer(DnsCode.NoError, [[10, 9, 1, 2], [10, 9, 1, 3]], 0, 4096);
        Assert.Equal(2, PeerQuestion.ReadAnswer(question, answer, DnsType.A)!.Count);
        Assert.Null(PeerQuestion.ReadAnswer(PeerQuestion.Write(78, 256, "web", DnsType.A)!, answer, DnsType.A));
        Assert.Null(PeerQuestion.ReadAnswer(PeerQuestion.Write(77, 256, "wEb2", DnsType.A)!, answer, DnsType.A));
        for (var length = 0; length < answer.Length; length++)
        {
            Assert.Null(PeerQuestion.ReadAnswer(question, answer.AsSpan(0, length), DnsType.A));
        }

        var random = new Random(5);
        for (var i = 0; i < 2000; i++)
        {
            var damaged = (byte[])answer.Clone();
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            var records = PeerQuestion.ReadAnswer(question, damaged, DnsType.A);
            Assert.True(records is null || records.All(r => r.Length == 4));
        }
    }

    private static NetworkSpec Overlay(NetworkSpec spec, string peer, string gateway, string range, string identifier = "256") => spec with
    {
        Driver = "overlay",
        Options = new Dictionary<string, string> { ["cais.network.overlay.peers"] = peer, ["com.docker.network.driver.overlay.vxlanid_list"] = identifier },
        Ipam = [new IpamConfig(IPNetwork.Parse(range[..range.IndexOf('.', 3)] + ".0.0/16"), IPNetwork.Parse(range), IPAddress.Parse(gateway))],
    };
}
