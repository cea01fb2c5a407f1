using System.Net;
using System.Net.NetworkInformation;
using Cais.Linux.Netlink;
using Cais.Oci.Runtime;
using Cais.Runtime.Tests.Specification;
using Cais.Runtime.Tests.Support;

namespace Cais.Runtime.Tests.Containers;

/// <summary>Interfaces that move into the container.</summary>
[Trait("Tier", "integration")]
public sealed class NetworkInterfaceTests : IDisposable
{
    private readonly TestBundle _bundle = new();
    private readonly string _name = $"crt{Environment.ProcessId % 100_000}a";
    private readonly string _peer = $"crt{Environment.ProcessId % 100_000}b";

    public NetworkInterfaceTests()
    {
        using var here = NetworkNamespace.OpenCurrent();
        using var socket = RouteSocket.Open();
        var batch = new RouteBatch();
        batch.AddVeth(_name, 0, _peer, here, PhysicalAddress.Parse("02-00-00-00-00-77"), 1400);
        socket.Execute(batch);
        var link = socket.FindLink(_name)!;
        batch.AddAddress(link.Index, _name, IPAddress.Parse("192.0.2.7"), 24);
        batch.AddAddress(link.Index, _name, IPAddress.Parse("2001:db8::7"), 64);
        socket.Execute(batch);
    }

    public void Dispose()
    {
        _bundle.Dispose();
        using var socket = RouteSocket.Open();
        var batch = new RouteBatch();
        batch.DeleteLink(_peer);
        socket.Execute(batch, Cais.Linux.Errno.ENODEV);
    }

    private string Shell(string script, string? newName = null) => _bundle.Shell(script, spec => Take(spec, newName));

    private Spec Take(Spec spec, string? newName) => spec.With(linux => linux with
    {
        NetDevices = new Dictionary<string, NetDevice> { [_name] = new NetDevice { Name = newName } },
    });

    private bool IsHere
    {
        get
        {
            using var socket = RouteSocket.Open();
            return socket.FindLink(_name) is not null;
        }
    }

    [Fact]
    [Sentence("config-linux.md", "netdevices-available")]
    [Sentence("config-linux.md", "netdevices-attributes")]
    [Sentence("config-linux.md", "netdevices-up")]
    public void An_interface_arrives_up_and_with_its_addresses()
    {
        var text = Shell($"ls /sys/class/net; cat /sys/class/net/{_name}/mtu; cat /proc/net/if_inet6; cat /proc/net/fib_trie; cat /sys/class/net/{_name}/flags");
        Assert.StartsWith($"{_name}\nlo\n1400\n", text, StringComparison.Ordinal);
        Assert.Contains("20010db8000000000000000000000007", text, StringComparison.Ordinal);
        Assert.Contains("192.0.2.7", text, StringComparison.Ordinal);
        Assert.Equal(1, Convert.ToInt32(text.Split('\n')[^1], 16) & 1);
    }

    [Fact]
    [Sentence("config-linux.md", "netdevices-available")]
    public void It_can_have_another_name_inside() => Assert.Equal("lo\nnew0", Shell("ls /sys/class/net", "new0"));

    [Fact]
    [Sentence("config-linux.md", "netdevices-template")]
    public void A_template_gets_a_free_number() => Assert.Equal("lo\nport0", Shell("ls /sys/class/net", "port%d"));

    [Fact]
    [Sentence("config-linux.md", "netdevices-exists")]
    public void A_name_that_is_taken_inside_is_refused_and_the_interface_stays()
    {
        var error = Assert.Throws<RuntimeException>(() => _bundle.Create(Take(_bundle.Spec("true"), "lo")));
        Assert.Equal("netDevices: an interface lo exists already in the container's network namespace", error.Message);
        Assert.True(IsHere);
    }

    [Theory]
    [InlineData("lo")]
    [InlineData("same0")]
    [Sentence("config-linux.md", "netdevices-check")]
    public void One_that_cannot_be_moved_keeps_all_where_they_are(string secondName)
    {
        var spec = _bundle.Spec("true").With(linux => linux with
        {
            NetDevices = new Dictionary<string, NetDevice> { [_name] = new NetDevice { Name = "same0" }, [_peer] = new NetDevice { Name = secondName } },
        });
        Assert.Contains($"an interface {secondName} exists already", Assert.Throws<RuntimeException>(() => _bundle.Create(spec)).Message, StringComparison.Ordinal);
        Assert.True(IsHere);
    }

    [Fact]
    [Sentence("config-linux.md", "netdevices-lifecycle")]
    [Sentence("config-linux.md", "netdevices-not-back")]
    public void Nothing_brings_it_back_at_the_end()
    {
        Shell("true");
        Assert.False(IsHere);
    }

    [Theory]
    [InlineData("nonesuch9", null, "there is no interface nonesuch9")]
    [InlineData("lo", "a/b", "no name for an interface")]
    [InlineData("lo", "longer-than-15-bytes", "no name for an interface")]
    [Sentence("config-linux.md", "netdevices-check")]
    public void What_cannot_be_moved_is_told(string name, string? newName, string message)
    {
        var spec = _bundle.Spec("true").With(linux => linux with { NetDevices = new Dictionary<string, NetDevice> { [name] = new NetDevice { Name = newName } } });
        Assert.Contains(message, Assert.Throws<RuntimeException>(() => _bundle.Create(spec)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_hosts_own_network_is_no_target()
    {
        var spec = Take(_bundle.Spec("true"), null);
        spec = spec.With(linux => linux with { Namespaces = [.. linux.Namespaces!.Where(space => space.Type != "network")] });
        Assert.Equal("netDevices need a network namespace to go to", Assert.Throws<RuntimeException>(() => _bundle.Create(spec)).Message);
    }
}
