using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Cais.Networking.Drivers;
using Cais.Networking.State;

namespace Cais.Networking.Dns;

/// <summary>
/// Names between the hosts of overlay networks. Each host answers for its own containers, to the peers that the network names and to nobody else; a name that it does not
/// know it asks of all peers at once. Nothing is kept: what a container is called and where it is may change at any moment, and a question costs one round trip.
/// </summary>
/// <param name="networks">All networks.</param>
/// <param name="open">Makes a socket in the host's namespace.</param>
internal sealed class PeerNames(NetworkTable networks, Func<AddressFamily, SocketType, ProtocolType, Task<Socket>> open) : IDisposable
{
    private const int LargestMessage = 4096;

    /// <summary>Hosts of a network are close to each other. Whoever did not answer in this time is not asked again for a while.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(5);

    private readonly ConcurrentDictionary<IPEndPoint, Socket> _listeners = new();
    private readonly ConcurrentDictionary<IPAddress, long> _silentUntil = new();

    /// <summary>Answers at this address from now on, unless it does already. On the host's thread.</summary>
    /// <exception cref="NetworkException">The port is taken, or the address is not this host's.</exception>
    public void Listen(IPAddress local, ushort port)
    {
        var endpoint = new IPEndPoint(local, port);
        if (_listeners.ContainsKey(endpoint))
        {
            return;
        }

        var socket = new Socket(local.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            socket.Bind(endpoint);
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new NetworkException(
                NetworkError.Kernel,
                $"names cannot be exchanged with other hosts at {endpoint}: {e.Message}: choose another port on all hosts with --opt {OverlaySettings.NamesPortOption}", e);
        }

        _listeners[endpoint] = socket;
        _ = ServeAsync(socket);
    }

    /// <summary>
    /// Record data that other hosts have for a question of a container in overlay networks; null when it is none for them, or they know nothing. Only names that can be
    /// containers' are asked for: of one label, or with the network's name behind it.
    /// </summary>
    public async Task<IReadOnlyList<byte[]>?> AskAsync(SandboxRecord asker, DnsQuery query, CancellationToken cancellation)
    {
        if (query.Type is not (DnsType.A or DnsType.Aaaa or DnsType.Ptr))
        {
            return null;
        }

        foreach (var endpoint in asker.Sandbox.Endpoints)
        {
            if (networks.TryGet(endpoint.NetworkId, out var network) && network.Network.Driver == "overlay" && NameIn(network, query) is { } name)
            {
                var settings = OverlaySettings.Parse(network.Network);
                var now = Environment.TickCount64;
                var answers = await Task.WhenAll(settings.Peers
                    .Where(p => !_silentUntil.TryGetValue(p, out var until) || until < now)
                    .Select(p => AskOneAsync(p, settings, name, query.Type, cancellation))).ConfigureAwait(false);
                var records = answers.SelectMany(a => a).DistinctBy(Convert.ToHexString).ToList();
                if (records.Count > 0)
                {
                    return records;
                }
            }
        }

        return null;
    }

    public void Dispose()
    {
        foreach (var socket in _listeners.Values)
        {
            socket.Dispose();
        }
    }

    /// <summary>What to ask for in that network, or null if the name cannot be one of it.</summary>
    private static string? NameIn(NetworkState network, DnsQuery query)
    {
        if (query.Type == DnsType.Ptr)
        {
            return DnsQuery.ReverseAddress(query.Name) is { } address && network.Blocks.Any(b => b.Subnet.Contains(address)) ? query.Name : null;
        }

        var suffix = "." + network.Network.Name;
        var name = query.Name.EndsWith(suffix, StringComparison.OrdinalIgnoreCase) ? query.Name[..^suffix.Length] : query.Name;
        return name.Length > 0 && !name.Contains('.', StringComparison.Ordinal) ? name : null;
    }

    private async Task<IReadOnlyList<byte[]>> AskOneAsync(IPAddress peer, OverlaySettings settings, string name, DnsType type, CancellationToken cancellation)
    {
        if (PeerQuestion.Write((ushort)RandomNumberGenerator.GetInt32(0x10000), settings.Identifier, name, type) is not { } question)
        {
            return [];
        }

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(Patience);
        try
        {
            using var socket = await open(peer.AddressFamily, SocketType.Dgram, ProtocolType.Udp).ConfigureAwait(false);
            if (settings.Local is not null)
            {
                socket.Bind(new IPEndPoint(settings.Local, 0));
            }

            // Connected: only the peer's own answers arrive, and that nobody listens there is heard at once.
            await socket.ConnectAsync(new IPEndPoint(peer, settings.NamesPort), limit.Token).ConfigureAwait(false);
            await socket.SendAsync(question, limit.Token).ConfigureAwait(false);
            var buffer = new byte[LargestMessage];
            while (true)
            {
                var count = await socket.ReceiveAsync(buffer, limit.Token).ConfigureAwait(false);
                if (PeerQuestion.ReadAnswer(question, buffer.AsSpan(0, count), type) is { } records)
                {
                    _silentUntil.TryRemove(peer, out _);
                    return records;
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            if (e is OperationCanceledException)
            {
                _silentUntil[peer] = Environment.TickCount64 + (long)Silence.TotalMilliseconds;
            }

            return [];
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        var buffer = new byte[1500];
        var any = new IPEndPoint(socket.AddressFamily == AddressFamily.InterNetwork ? IPAddress.Any : IPAddress.IPv6Any, 0);
        while (true)
        {
            try
            {
                var received = await socket.ReceiveFromAsync(buffer, any).ConfigureAwait(false);
                if (Answer(buffer.AsSpan(0, received.ReceivedBytes), ((IPEndPoint)received.RemoteEndPoint).Address) is { } answer)
                {
                    await socket.SendToAsync(answer, received.RemoteEndPoint).ConfigureAwait(false);
                }
            }
            catch (SocketException e) when (e.SocketErrorCode is not (SocketError.OperationAborted or SocketError.NotSocket or SocketError.Interrupted))
            {
                // An asker that went away (ICMP); the next one.
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    /// <summary>The answer for a peer; null for everybody else.</summary>
    private byte[]? Answer(ReadOnlySpan<byte> message, IPAddress sender)
    {
        if (DnsQuery.Parse(message, out _) is not { } query || PeerQuestion.Read(query.Name) is not var (identifier, name))
        {
            return null;
        }

        foreach (var network in networks.States().Where(s => s.Network.Driver == "overlay"))
        {
            var settings = OverlaySettings.Parse(network.Network);
            if (settings.Identifier == identifier && settings.Peers.Contains(sender))
            {
                return query.Answer(DnsCode.NoError, PeerQuestion.Answer(network, name, query.Type), timeToLive: 0, LargestMessage);
            }
        }

        return null;
    }
}
