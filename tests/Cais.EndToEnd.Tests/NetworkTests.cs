using System.Net;
using System.Net.Sockets;
using Cais.Testing;

namespace Cais.EndToEnd.Tests;

[Trait("Tier", "e2e")]
public sealed class NetworkTests(EngineFixture fixture) : IClassFixture<EngineFixture>
{
    /// <summary>A web server that answers with one word.</summary>
    private const string Server = "mkdir -p /www && echo quay >/www/index.html && exec httpd -f -p 80 -h /www";

    private readonly Engine _engine = fixture.Engine;

    public static TheoryData<string> Clients => new("cais", "docker");

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_published_port_answers_from_outside_localhost_and_containers(string client)
    {
        await using var outside = await Host.Start();
        var id = (await Do(client, "run", "-d", "-p", "8080:80", "busybox", "sh", "-c", Server)).Text;
        Assert.Contains("0.0.0.0:8080->80/tcp", (await Do(client, "ps", "--format", "{{.Ports}}")).Text, StringComparison.Ordinal);
        await Answers(() => outside.Run($"busybox wget -qO- http://{Host.EngineAddress}:8080/"));
        await Answers(() => Command.Run("busybox", ["wget", "-qO-", "http://127.0.0.1:8080/"]));
        await Answers(() => _engine.Client(client, ["run", "--rm", "busybox", "wget", "-qO-", "http://172.17.0.1:8080/"]));
        await Answers(() => _engine.Client(client, ["exec", id, "wget", "-qO-", "http://172.17.0.1:8080/"]));
        await Do(client, "rm", "-f", id);
        Assert.NotEqual(0, (await Command.Run("timeout", ["1", "busybox", "wget", "-qO-", "http://127.0.0.1:8080/"])).ExitCode);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_port_published_on_loopback_is_not_reachable_from_outside(string client)
    {
        await using var outside = await Host.Start();
        var id = (await Do(client, "run", "-d", "-p", "127.0.0.1:8081:80", "busybox", "sh", "-c", Server)).Text;
        await Answers(() => Command.Run("busybox", ["wget", "-qO-", "http://127.0.0.1:8081/"]));
        Assert.NotEqual(0, (await outside.Run($"timeout 1 busybox wget -qO- http://{Host.EngineAddress}:8081/")).ExitCode);
        await Do(client, "rm", "-f", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task An_ephemeral_port_is_chosen_and_shown(string client)
    {
        var id = (await Do(client, "run", "-d", "-p", "80", "busybox", "sh", "-c", Server)).Text;
        var port = (await Do(client, "inspect", "-f", "{{(index (index .NetworkSettings.Ports \"80/tcp\") 0).HostPort}}", id)).Text;
        Assert.InRange(int.Parse(port, System.Globalization.CultureInfo.InvariantCulture), 1024, 65535);
        await Answers(() => Command.Run("busybox", ["wget", "-qO-", $"http://127.0.0.1:{port}/"]));
        await Do(client, "rm", "-f", id);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_udp_port_is_published(string client)
    {
        await Do(client, "import", await Debian.Tar(), "debian");
        var id = (await Do(client, "run", "-d", "-p", "5353:53/udp", "debian", "perl", "-MIO::Socket::INET", "-e",
            "my $s = IO::Socket::INET->new(LocalPort => 53, Proto => 'udp') or die; while (defined $s->recv(my $b, 99)) { $s->send(\"pong\") }")).Text;
        using var socket = new UdpClient();
        socket.Connect(IPAddress.Loopback, 5353);
        await Eventually.Holds(
            async () =>
            {
                using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(1));
                try
                {
                    await socket.SendAsync("ping\n"u8.ToArray(), limit.Token);
                    return (await socket.ReceiveAsync(limit.Token)).Buffer.AsSpan().StartsWith("pong"u8);
                }
                catch (Exception e) when (e is SocketException or OperationCanceledException)
                {
                    return false;
                }
            },
            "an answer over udp");
        await Do(client, "rm", "-f", id);
        await Do(client, "rmi", "debian");
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_taken_port_is_refused_and_leaves_nothing_running(string client)
    {
        var first = (await Do(client, "run", "-d", "-p", "8082:80", "busybox", "sleep", "300")).Text;
        var second = await _engine.Client(client, ["run", "-d", "--name", "second", "-p", "8082:80", "busybox", "sleep", "300"]);
        Assert.Equal(125, second.ExitCode);
        Assert.Contains("Bind for 0.0.0.0:8082 failed: port is already allocated", second.Error, StringComparison.Ordinal);
        Assert.Equal("created", (await Do(client, "inspect", "-f", "{{.State.Status}}", "second")).Text);
        await Do(client, "rm", "second");
        await Do(client, "rm", "-f", first);

        using var listener = new TcpListener(IPAddress.Any, 8083);
        listener.Start();
        var third = await _engine.Client(client, ["run", "--rm", "-p", "8083:80", "busybox", "true"]);
        Assert.Equal(125, third.ExitCode);
        Assert.Contains("address already in use", third.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Containers_reach_out_through_the_hosts_address(string client)
    {
        await using var outside = await Host.Start();
        await using var server = outside.Serve("busybox httpd -f -vv -p 7000");
        await Eventually.Holds(
            async () =>
            {
                await _engine.Client(client, ["run", "--rm", "busybox", "wget", "-qO-", $"http://{Host.Address}:7000/none"]);
                return server.Said.Length > 0;
            },
            "the outside server was asked");
        await server.Says(Host.EngineAddress);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task The_hosts_network_and_no_network(string client)
    {
        var host = await Do(client, "run", "--rm", "--net=host", "busybox", "ip", "-o", "link");
        Assert.Contains("docker0", host.Output, StringComparison.Ordinal);
        var none = await Do(client, "run", "--rm", "--net=none", "busybox", "ip", "-o", "link");
        Assert.Single(none.Lines);
        Assert.Contains("lo:", none.Output, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_container_has_an_address_a_route_and_its_files(string client)
    {
        var result = await Do(client, "run", "--rm", "-h", "quay", "busybox", "sh", "-c", "ip -4 -o address show eth0; ip route; cat /etc/hosts; ls -l /etc/resolv.conf");
        Assert.Matches(@"inet 172\.17\.0\.\d+/16 ", result.Output);
        Assert.Contains("default via 172.17.0.1 dev eth0", result.Output, StringComparison.Ordinal);
        Assert.Matches(@"172\.17\.0\.\d+\s+quay", result.Output);
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Joining_and_leaving_networks_keeps_what_was_written_into_hosts_by_hand(string client)
    {
        await Do(client, "network", "create", "--subnet", "10.44.0.0/24", "second");
        var id = (await Do(client, "run", "-d", "-h", "quay", "busybox", "sh", "-c", "echo 192.0.2.9 mine >>/etc/hosts; exec sleep 300")).Text;
        await Eventually.Holds(async () => (await Hosts()).Contains("192.0.2.9 mine", StringComparison.Ordinal), "the line is written");
        await Do(client, "network", "connect", "second", id);
        Assert.Matches(@"192\.0\.2\.9 mine[\s\S]*10\.44\.0\.2\s+quay", await Hosts());
        Assert.Contains("nameserver 127.0.0.11", (await Do(client, "exec", id, "cat", "/etc/resolv.conf")).Output, StringComparison.Ordinal);
        await Do(client, "network", "disconnect", "second", id);
        Assert.DoesNotContain("10.44.0.2", await Hosts(), StringComparison.Ordinal);
        Assert.Contains("192.0.2.9 mine", await Hosts(), StringComparison.Ordinal);
        await Do(client, "rm", "-f", id);
        await Do(client, "network", "rm", "second");

        async Task<string> Hosts() => (await Do(client, "exec", id, "cat", "/etc/hosts")).Output;
    }

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task Settings_of_one_network_serve_another(string client)
    {
        await Do(client, "network", "create", "--config-only", "--subnet", "10.45.0.0/24", "--label", "of=settings", "settings");
        await Do(client, "network", "create", "--config-from", "settings", "real");
        Assert.Equal("10.45.0.0/24 settings settings", (await Do(client, "network", "inspect", "-f",
            "{{(index .IPAM.Config 0).Subnet}} {{.ConfigFrom.Network}} {{index .Labels \"of\"}}", "real")).Text);
        Assert.Contains("10.45.0.2", (await Do(client, "run", "--rm", "--network", "real", "busybox", "ip", "-4", "-o", "address")).Output, StringComparison.Ordinal);
        Assert.Contains("configuration-only", (await _engine.Client(client, ["run", "--rm", "--network", "settings", "busybox", "true"])).Error, StringComparison.Ordinal);
        Assert.Contains("swarm", (await _engine.Client(client, ["network", "create", "--ingress", "-d", "overlay", "mesh"])).Error, StringComparison.Ordinal);
        await Do(client, "network", "rm", "real", "settings");
    }

    [Fact]
    public async Task A_full_address_pool_is_a_clear_error()
    {
        await using var engine = await Engine.Start("--bip", "10.99.0.1/29");
        await Busybox.Import(engine);
        var results = new List<ProcessResult>();
        for (var i = 0; i < 6; i++)
        {
            results.Add(await engine.Cais("run", "-d", "busybox", "sleep", "300"));
        }

        Assert.All(results.Take(5), r => Assert.Equal(0, r.ExitCode));
        Assert.Equal(125, results[5].ExitCode);
        Assert.Contains("no available IPv4 addresses on this network's address pools: bridge", results[5].Error, StringComparison.Ordinal);
    }

    private static Task Answers(Func<Task<ProcessResult>> ask) =>
        Eventually.Holds(async () => (await ask()).Text == "quay", "the server answers");

    private async Task<ProcessResult> Do(string client, params string[] arguments) => (await _engine.Client(client, arguments)).Succeeded();
}
