using System.Net;
using System.Net.Sockets;
using Cais.Testing;

namespace Cais.Engine.Tests.Logs;

/// <summary>The test's own receiving end of a log: collects what arrives, and can be silent or away.</summary>
internal sealed class StreamReceiver : IDisposable
{
    private readonly Socket _listener;
    private readonly MemoryStream _received = new();
    private readonly List<Socket> _clients = [];
    private readonly Func<Stream, Task<Stream>>? _wrap;
    private readonly Func<byte[], byte[]?>? _answer;

    /// <param name="endPoint">Where to listen; null takes a free port on loopback.</param>
    /// <param name="wrap">Puts TLS around a connection.</param>
    /// <param name="answer">What to send back for all that has been received, if anything.</param>
    public StreamReceiver(EndPoint? endPoint = null, Func<Stream, Task<Stream>>? wrap = null, Func<byte[], byte[]?>? answer = null)
    {
        (_wrap, _answer) = (wrap, answer);
        endPoint ??= new IPEndPoint(IPAddress.Loopback, 0);
        _listener = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(endPoint);
        _listener.Listen();
        _ = Accept();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    public byte[] Received
    {
        get
        {
            lock (_received)
            {
                return _received.ToArray();
            }
        }
    }

    public async Task<byte[]> Receive(Func<byte[], bool> complete, string what)
    {
        await Eventually.Holds(() => complete(Received), what);
        return Received;
    }

    /// <summary>Breaks the connections that there are.</summary>
    public void Hang()
    {
        lock (_clients)
        {
            _clients.ForEach(c => c.Dispose());
            _clients.Clear();
        }
    }

    public void Dispose()
    {
        _listener.Dispose();
        Hang();
    }

    private async Task Accept()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptAsync();
                lock (_clients)
                {
                    _clients.Add(client);
                }

                _ = Read(client);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task Read(Socket client)
    {
        try
        {
            Stream stream = new NetworkStream(client, ownsSocket: true);
            stream = _wrap is null ? stream : await _wrap(stream);
            var buffer = new byte[64 << 10];
            int read;
            while ((read = await stream.ReadAsync(buffer)) > 0)
            {
                lock (_received)
                {
                    _received.Write(buffer, 0, read);
                }

                if (_answer?.Invoke(Received) is { } answer)
                {
                    await stream.WriteAsync(answer);
                }
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The sender, or the test, is done.
        }
    }
}

/// <summary>The same for datagrams.</summary>
internal sealed class DatagramReceiver : IDisposable
{
    private readonly Socket _socket;

    public DatagramReceiver(EndPoint? endPoint = null)
    {
        endPoint ??= new IPEndPoint(IPAddress.Loopback, 0);
        _socket = new Socket(endPoint.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified) { ReceiveBufferSize = 1 << 20 };
        _socket.Bind(endPoint);
    }

    public int Port => ((IPEndPoint)_socket.LocalEndPoint!).Port;

    public async Task<byte[]> Receive()
    {
        using var limit = new CancellationTokenSource(Eventually.Deadline);
        var buffer = new byte[256 << 10];
        return buffer[..await _socket.ReceiveAsync(buffer, limit.Token)];
    }

    public void Dispose() => _socket.Dispose();
}
