using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Cais.Networking.Dns;
using Cais.Networking.Tests.Lab;

namespace Cais.Networking.Tests.Dns;

/// <summary>The embedded server as programs inside containers meet it.</summary>
[Trait("Tier", "integration")]
public sealed class NameServerTests
{
    private static readonly IPEndPoint Server = new(IPAddress.Parse("127.0.0.11"), 53);

    [Fact]
    public async Task Names_aliases_and_short_ids_are_found_in_the_same_network_only()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        await lab.Create("back");
        var spec = lab.Spec("front");
        var (web, _) = await lab.Run(spec with { Endpoints = [spec.Endpoints[0] with { Aliases = ["Service"] }], Hostname = "webhost" });
        var (_, neighbour) = await lab.Run("front");
        var (_, stranger) = await lab.Run("back");
        var address = web.Endpoints[0].IPv4Address!;
        foreach (var name in new[] { web.Endpoints[0].ContainerName, "service", "SERVICE", "webhost", web.ContainerId[..12], "service.front" })
        {
            Assert.Equal([address], await Ask(neighbour, name));
        }

        Assert.Empty(await Ask(neighbour, "service.back"));
        Assert.Empty(await Ask(stranger, "service"));
    }

    [Fact]
    public async Task A_real_client_gets_names_both_ways()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        var (web, _) = await lab.Run("front");
        var (_, neighbour) = await lab.Run("front");
        var (_, forward) = neighbour.Run("busybox", "nslookup", "-type=a", web.Endpoints[0].ContainerName, "127.0.0.11");
        Assert.Contains($"Address: {web.Endpoints[0].IPv4Address}", forward, StringComparison.Ordinal);
        var (_, reverse) = neighbour.Run("busybox", "nslookup", web.Endpoints[0].IPv4Address!.ToString(), "127.0.0.11");
        Assert.Contains($"name = {web.Endpoints[0].ContainerName}.front", reverse, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_containers_of_one_alias_are_answered_in_turn()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        for (var i = 0; i < 3; i++)
        {
            var spec = lab.Spec("front");
            await lab.Run(spec with { Endpoints = [spec.Endpoints[0] with { Aliases = ["web"] }] });
        }

        var (_, asker) = await lab.Run("front");
        var firsts = new HashSet<IPAddress>();
        for (var i = 0; i < 3; i++)
        {
            var answer = await Ask(asker, "web");
            Assert.Equal(3, answer.Count);
            firsts.Add(answer[0]);
        }

        Assert.Equal(3, firsts.Count);
    }

    [Fact]
    public async Task IPv6_addresses_are_found_and_their_lack_is_an_empty_answer_not_a_question_to_others()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("six", s => s with { EnableIPv6 = true });
        await lab.Create("four");
        var (six, asker6) = await lab.Run("six");
        var (four, asker4) = await lab.Run("four");
        Assert.Equal([six.Endpoints[0].IPv6Address!], await Ask(asker6, six.Endpoints[0].ContainerName, DnsType.Aaaa));
        Assert.Empty(await Ask(asker4, four.Endpoints[0].ContainerName, DnsType.Aaaa));
    }

    [Fact]
    public async Task Answers_too_large_for_a_datagram_come_whole_over_TCP()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        for (var i = 0; i < 40; i++)
        {
            var spec = lab.Spec("front");
            await lab.Controller.CreateSandboxAsync(
                spec with { Endpoints = [spec.Endpoints[0] with { Aliases = ["many"] }] },
                TestContext.Current.CancellationToken);
        }

        var (_, asker) = await lab.Run("front");
        Assert.InRange((await Ask(asker, "many")).Count, 25, 39);
        Assert.Equal(40, (await Ask(asker, "many", stream: true)).Count);
    }

    [Fact]
    public async Task Other_names_are_asked_of_the_hosts_servers_and_of_the_containers_own()
    {
        await using var lab = await Testbed.Create();
        using var hosts = new Upstream(lab.Host, "127.0.0.53", [9, 9, 9, 9]);
        using var own = new Upstream(lab.Outside, Testbed.OutsideAddress, [8, 8, 8, 8]);
        lab.ResolvConf = "nameserver 127.0.0.53\n";
        await lab.Create("front");
        var (_, plain) = await lab.Run("front");
        var (_, particular) = await lab.Run(lab.Spec("front") with { Dns = [IPAddress.Parse(Testbed.OutsideAddress)] });
        Assert.Equal([IPAddress.Parse("9.9.9.9")], await Ask(plain, "example.org"));
        Assert.Equal([IPAddress.Parse("9.9.9.9")], await Ask(plain, "example.org", stream: true));
        Assert.Equal([IPAddress.Parse("8.8.8.8")], await Ask(particular, "example.org"));

        // The host's servers change while containers run.
        lab.ResolvConf = $"nameserver 192.0.2.99\nnameserver {Testbed.OutsideAddress}\n";
        Assert.Equal([IPAddress.Parse("8.8.8.8")], await Ask(plain, "example.org"));
    }

    [Fact]
    public async Task Containers_of_internal_networks_alone_get_no_answers_from_outside()
    {
        await using var lab = await Testbed.Create();
        using var hosts = new Upstream(lab.Host, "127.0.0.53", [9, 9, 9, 9]);
        lab.ResolvConf = "nameserver 127.0.0.53\n";
        await lab.Create("inner", s => s with { Internal = true });
        var (sandbox, inside) = await lab.Run("inner");
        Assert.Empty(await Ask(inside, "example.org"));
        Assert.NotEmpty(await Ask(inside, sandbox.Endpoints[0].ContainerName));
    }

    [Fact]
    public async Task Port_53_stays_free_for_a_server_in_the_container()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        var (sandbox, inside) = await lab.Run("front");
        using var datagrams = inside.Do(() => new UdpClient(new IPEndPoint(IPAddress.Any, 53)));
        using var streams = inside.Serve(53);
        Assert.NotEmpty(await Ask(inside, sandbox.Endpoints[0].ContainerName));
    }

    [Fact]
    public async Task Names_follow_containers_that_leave_join_and_change_their_name()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        var (one, _) = await lab.Run("front");
        var (two, asker) = await lab.Run();
        await lab.Controller.ConnectAsync(two.ContainerId, new EndpointSpec { Network = "front" }, TestContext.Current.CancellationToken);
        var name = one.Endpoints[0].ContainerName;
        Assert.NotEmpty(await Ask(asker, name));
        await lab.Controller.RenameAsync(one.ContainerId, "renamed");
        Assert.Empty(await Ask(asker, name + "x"));
        Assert.NotEmpty(await Ask(asker, "renamed"));
        await lab.Stop(one);
        Assert.Empty(await Ask(asker, "renamed"));
    }

    [Fact]
    public async Task A_new_daemon_answers_for_containers_of_the_old_one()
    {
        await using var lab = await Testbed.Create();
        await lab.Create("front");
        var (sandbox, inside) = await lab.Run("front");
        await lab.Restart(sandbox.ContainerId);
        Assert.NotEmpty(await Ask(inside, sandbox.Endpoints[0].ContainerName));
    }

    /// <summary>Asks from inside a container; the addresses in the answer.</summary>
    internal static async Task<List<IPAddress>> Ask(Machine from, string name, DnsType type = DnsType.A, bool stream = false)
    {
        byte[] question = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, .. DnsQuery.EncodeName(name)!, 0, (byte)type, 0, 1];
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        byte[] answer;
        if (stream)
        {
            using var socket = from.Do(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
            await socket.ConnectAsync(Server, limit.Token);
            using var connection = new NetworkStream(socket);
            await DnsStream.WriteAsync(connection, question, limit.Token);
            answer = (await DnsStream.ReadAsync(connection, limit.Token))!;
        }
        else
        {
            using var socket = from.Do(() => new UdpClient());
            from.Do(() => socket.Connect(Server));
            await socket.SendAsync(question, limit.Token);
            answer = (await socket.ReceiveAsync(limit.Token)).Buffer;
        }

        Assert.Equal(0x1234, BinaryPrimitives.ReadUInt16BigEndian(answer));
        var length = type == DnsType.A ? 4 : 16;
        return [.. Enumerable.Range(0, BinaryPrimitives.ReadUInt16BigEndian(answer.AsSpan(6)))
            .Select(i => new IPAddress(answer.AsSpan(question.Length + (i * (12 + length)) + 12, length)))];
    }

    /// <summary>A name server somewhere: one address for every name.</summary>
    private sealed class Upstream : IDisposable
    {
        private readonly UdpClient _datagrams;
        private readonly TcpListener _streams;
        private readonly byte[] _address;

        public Upstream(Machine machine, string at, byte[] address)
        {
            _address = address;
            (_datagrams, _streams) = machine.Do(() =>
            {
                var listener = new TcpListener(IPAddress.Parse(at), 53);
                listener.Start();
                return (new UdpClient(new IPEndPoint(IPAddress.Parse(at), 53)), listener);
            });
            _ = Serve(async () =>
            {
                var received = await _datagrams.ReceiveAsync();
                await _datagrams.SendAsync(Answer(received.Buffer), received.RemoteEndPoint);
            });
            _ = Serve(async () =>
            {
                using var client = await _streams.AcceptTcpClientAsync();
                await DnsStream.WriteAsync(client.GetStream(), Answer((await DnsStream.ReadAsync(client.GetStream(), default))!), default);
            });
        }

        public void Dispose()
        {
            _datagrams.Dispose();
            _streams.Dispose();
        }

        private static async Task Serve(Func<Task> one)
        {
            try
            {
                while (true)
                {
                    await one();
                }
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                // The test is over.
            }
        }

        private byte[] Answer(byte[] question) => DnsQuery.Parse(question, out _)!.Answer(DnsCode.NoError, [_address], 10, 512);
    }
}
