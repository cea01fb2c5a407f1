using System.Buffers;
using System.IO.Pipelines;
using System.Net.WebSockets;
using System.Security.Cryptography;
using System.Text;
using Cais.Engine;

namespace Cais.Daemon.Http;

/// <summary>A connection that speaks WebSocket (RFC 6455), as two pipes of plain bytes: what is written leaves in binary messages.</summary>
internal sealed class WebSocketPipe : IDuplexPipe, IAsyncDisposable
{
    /// <summary>What the specification adds to the client's key before it is hashed (section 1.3).</summary>
    private const string AcceptSuffix = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

    private readonly Pipe _input = new();
    private readonly Pipe _output = new();
    private readonly WebSocket _socket;
    private readonly Task _receiving;
    private readonly Task _sending;

    private WebSocketPipe(Stream connection)
    {
        _socket = WebSocket.CreateFromStream(connection, new WebSocketCreationOptions { IsServer = true, KeepAliveInterval = TimeSpan.FromSeconds(30) });
        _receiving = Receive();
        _sending = Send();
    }

    public PipeReader Input => _input.Reader;

    public PipeWriter Output => _output.Writer;

    /// <summary>Answers the handshake and takes the connection over.</summary>
    /// <exception cref="EngineException">InvalidParameter: the request is no WebSocket handshake.</exception>
    public static async Task<WebSocketPipe> Accept(ApiRequest request)
    {
        var headers = request.Http.Request.Headers;
        var key = headers.SecWebSocketKey.ToString();
        if (!headers.Upgrade.ToString().Equals("websocket", StringComparison.OrdinalIgnoreCase) || key.Length == 0)
        {
            throw EngineException.InvalidParameter("not websocket protocol: the request has to ask for an upgrade to websocket");
        }

        if (headers.SecWebSocketVersion.ToString() != "13")
        {
            throw EngineException.InvalidParameter("missing or bad WebSocket Version: only version 13 is spoken");
        }

#pragma warning disable CA5350 // The handshake's hash proves that the server speaks WebSocket; it protects nothing.
        var accept = Convert.ToBase64String(SHA1.HashData(Encoding.ASCII.GetBytes(key + AcceptSuffix)));
#pragma warning restore CA5350
        var pipe = await request.HijackWith($"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
        return new WebSocketPipe(new DuplexPipeStream(pipe));
    }

    /// <summary>Sends what was written, says good-bye, and lets the connection go.</summary>
    public async ValueTask DisposeAsync()
    {
        await _output.Writer.CompleteAsync().ConfigureAwait(false);
        await _sending.ConfigureAwait(false);
        await _input.Reader.CompleteAsync().ConfigureAwait(false);
        _socket.Dispose();
        await _receiving.ConfigureAwait(false);
    }

    private async Task Receive()
    {
        try
        {
            while (true)
            {
                var received = await _socket.ReceiveAsync(_input.Writer.GetMemory(4096), CancellationToken.None).ConfigureAwait(false);
                if (received.MessageType == WebSocketMessageType.Close)
                {
                    break;
                }

                _input.Writer.Advance(received.Count);
                if ((await _input.Writer.FlushAsync().ConfigureAwait(false)).IsCompleted)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // The client is gone.
        }

        await _input.Writer.CompleteAsync().ConfigureAwait(false);
    }

    private async Task Send()
    {
        try
        {
            while (true)
            {
                var read = await _output.Reader.ReadAsync().ConfigureAwait(false);
                foreach (var segment in read.Buffer)
                {
                    await _socket.SendAsync(segment, WebSocketMessageType.Binary, endOfMessage: true, CancellationToken.None).ConfigureAwait(false);
                }

                _output.Reader.AdvanceTo(read.Buffer.End);
                if (read.IsCompleted)
                {
                    await _socket.CloseOutputAsync(WebSocketCloseStatus.NormalClosure, null, CancellationToken.None).ConfigureAwait(false);
                    break;
                }
            }
        }
        catch (Exception e) when (e is WebSocketException or IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // The client is gone: whoever writes learns it from the completed reader.
        }

        await _output.Reader.CompleteAsync().ConfigureAwait(false);
    }
}
