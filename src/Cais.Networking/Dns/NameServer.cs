using System.Net;
using System.Net.Sockets;
using Cais.Networking.Kernel;
using Cais.Networking.State;

namespace Cais.Networking.Dns;

/// <summary>
/// The embedded server of one container: two sockets that the daemon opened inside its namespace, on 127.0.0.11 and ports of the kernel's
/// choice. The container sees them on port 53 (<see cref="PortRewrite"/>), which stays free for a server of its own.
/// </summary>
internal sealed class NameServer : IDisposable
{
    /// <summary>Names follow containers that are made anew under other addresses within seconds, so answers are not to be kept long. In seconds.</summary>
    private const uint TimeToLive = 10;

    /// <summary>Questions to other servers that may be open at once: a container that floods harms itself only.</summary>
    private const int MostForwards = 256;

    private static readonly TimeSpan StreamPatience = TimeSpan.FromSeconds(10);
    private readonly Socket _datagrams;
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Func<SandboxRecord?> _asker;
    private readonly NameResolver _resolver;
    private readonly PeerNames _peers;
    private readonly NameForwarder _forwarder;
    private readonly Func<SandboxRecord, IReadOnlyList<IPAddress>> _servers;
    private readonly SemaphoreSlim _forwards = new(MostForwards);

    private NameServer(
        Socket datagrams,
        Socket listener,
        Func<SandboxRecord?> asker,
        NameResolver resolver,
        PeerNames peers,
        NameForwarder forwarder,
        Func<SandboxRecord, IReadOnlyList<IPAddress>> servers)
    {
        _datagrams = datagrams;
        _listener = listener;
        _asker = asker;
        _resolver = resolver;
        _peers = peers;
        _forwarder = forwarder;
        _servers = servers;
    }

    /// <summary>Opens the sockets and the way to them. Only from a job on <paramref name="thread"/>.</summary>
    /// <param name="thread">The thread that visits the namespace.</param>
    /// <param name="target">The container's namespace.</param>
    /// <param name="asker">The container as it is now; null when it is gone.</param>
    /// <param name="resolver">Answers for containers.</param>
    /// <param name="peers">Asks the other hosts of overlay networks.</param>
    /// <param name="forwarder">Asks others.</param>
    /// <param name="servers">Whom to ask, in order.</param>
    /// <param name="close">Closes what takes long to close.</param>
    public static NameServer Start(
        KernelThread thread,
        SandboxNamespace target,
        Func<SandboxRecord?> asker,
        NameResolver resolver,
        PeerNames peers,
        NameForwarder forwarder,
        Func<SandboxRecord, IReadOnlyList<IPAddress>> servers,
        Action<IDisposable> close)
    {
        Socket? datagrams = null, listener = null;
        try
        {
            thread.Visit(target.Descriptor, () =>
            {
                datagrams = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                datagrams.Bind(new IPEndPoint(Sandboxes.NameFiles.InternalServer, 0));
                listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                listener.Bind(new IPEndPoint(Sandboxes.NameFiles.InternalServer, 0));
                listener.Listen();
                PortRewrite.Install(PortOf(datagrams), PortOf(listener), close);
            });
        }
        catch
        {
            datagrams?.Dispose();
            listener?.Dispose();
            throw;
        }

        var server = new NameServer(datagrams!, listener!, asker, resolver, peers, forwarder, servers);
        _ = server.ServeDatagrams();
        _ = server.ServeStreams();
        return server;
    }

    public void Dispose()
    {
        _stopping.Cancel();
        _datagrams.Dispose();
        _listener.Dispose();
    }

    private static ushort PortOf(Socket socket) => (ushort)((IPEndPoint)socket.LocalEndPoint!).Port;

    private async Task ServeDatagrams()
    {
        var buffer = new byte[1500];
        var any = new IPEndPoint(IPAddress.Any, 0);
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                var received = await _datagrams.ReceiveFromAsync(buffer, any, _stopping.Token).ConfigureAwait(false);
                var query = DnsQuery.Parse(buffer.AsSpan(0, received.ReceivedBytes), out var error);
                if (query is null)
                {
                    await SendAsync(error, received.RemoteEndPoint).ConfigureAwait(false);
                }
                else if (AnswerHere(query, query.PayloadSize) is { } answer)
                {
                    await SendAsync(answer, received.RemoteEndPoint).ConfigureAwait(false);
                }
                else
                {
                    _ = ForwardDatagram(query, received.RemoteEndPoint);
                }
            }
            catch (SocketException)
            {
                // An asker that went away (ICMP); the next one.
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ForwardDatagram(DnsQuery query, EndPoint asker)
    {
        try
        {
            await SendAsync(await Forward(query, stream: false).ConfigureAwait(false), asker).ConfigureAwait(false);
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The container is gone, or the asker is.
        }
    }

    private async Task SendAsync(byte[]? answer, EndPoint asker)
    {
        if (answer is not null)
        {
            await _datagrams.SendToAsync(answer, asker, _stopping.Token).ConfigureAwait(false);
        }
    }

    private async Task ServeStreams()
    {
        while (!_stopping.IsCancellationRequested)
        {
            try
            {
                _ = ServeStream(await _listener.AcceptAsync(_stopping.Token).ConfigureAwait(false));
            }
            catch (SocketException)
            {
                // A connection that was closed before it was accepted.
            }
            catch (Exception e) when (e is OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeStream(Socket connection)
    {
        using var stream = new NetworkStream(connection, ownsSocket: true);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        try
        {
            while (true)
            {
                limit.CancelAfter(StreamPatience);
                if (await DnsStream.ReadAsync(stream, limit.Token).ConfigureAwait(false) is not { } message)
                {
                    return;
                }

                var query = DnsQuery.Parse(message, out var answer);
                if (query is not null)
                {
                    answer = AnswerHere(query, ushort.MaxValue) ?? await Forward(query, stream: true).ConfigureAwait(false);
                }

                if (answer is null)
                {
                    return;
                }

                await DnsStream.WriteAsync(stream, answer, limit.Token).ConfigureAwait(false);
            }
        }
        catch (Exception e) when (e is IOException or SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The asker broke off, or was too slow.
        }
    }

    private byte[]? AnswerHere(DnsQuery query, int limit) =>
        _asker() is { } asker && _resolver.Resolve(asker, query) is { } data ? query.Answer(DnsCode.NoError, data, TimeToLive, limit) : null;

    private async Task<byte[]> Forward(DnsQuery query, bool stream)
    {
        if (_asker() is { } asker && await _forwards.WaitAsync(0, _stopping.Token).ConfigureAwait(false))
        {
            try
            {
                if (await _peers.AskAsync(asker, query, _stopping.Token).ConfigureAwait(false) is { } data)
                {
                    return query.Answer(DnsCode.NoError, data, TimeToLive, stream ? ushort.MaxValue : query.PayloadSize);
                }

                if (await _forwarder.AskAsync(query, _servers(asker), stream, _stopping.Token).ConfigureAwait(false) is { } answer)
                {
                    return answer;
                }
            }
            finally
            {
                _forwards.Release();
            }
        }

        return query.Answer(DnsCode.ServerFailure, [], 0, query.PayloadSize);
    }
}
