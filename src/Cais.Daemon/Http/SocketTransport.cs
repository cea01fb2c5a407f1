using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Cais.Daemon.Http;

/// <summary>
/// Kestrel's connections over our own sockets. Kestrel's transport reads at most 4 KiB at a time, which costs an image of 200 MB fifty thousand system calls
/// and as many switches of threads; this one reads 64 KiB. Idle connections hold no buffer.
/// </summary>
internal sealed class SocketTransport(int backlog) : IConnectionListenerFactory
{
    public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default)
    {
        var socket = endpoint switch
        {
            UnixDomainSocketEndPoint => new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Unspecified),
            IPEndPoint => new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp),
            FileHandleEndPoint handle => new Socket(new SafeSocketHandle((nint)handle.FileHandle, ownsHandle: true)),
            _ => throw new NotSupportedException($"cannot listen on {endpoint}"),
        };
        try
        {
            if (endpoint is not FileHandleEndPoint)
            {
                if (endpoint is IPEndPoint { Address: var address } && address.Equals(IPAddress.IPv6Any))
                {
                    socket.DualMode = true;
                }

                socket.Bind(endpoint);
            }

            socket.Listen(backlog);
            return ValueTask.FromResult<IConnectionListener>(new Listening(socket, endpoint));
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
        {
            socket.Dispose();
            throw new AddressInUseException(e.Message, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private sealed class Listening(Socket socket, EndPoint endpoint) : IConnectionListener
    {
        public EndPoint EndPoint { get; } = endpoint is IPEndPoint ? socket.LocalEndPoint ?? endpoint : endpoint;

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            while (true)
            {
                try
                {
                    var client = await socket.AcceptAsync(cancellationToken).ConfigureAwait(false);
                    if (client.LocalEndPoint is IPEndPoint)
                    {
                        client.NoDelay = true;
                    }

                    return SocketConnection.Start(client);
                }
                catch (ObjectDisposedException)
                {
                    return null;
                }
                catch (SocketException e) when (e.SocketErrorCode == SocketError.OperationAborted)
                {
                    return null;
                }
                catch (SocketException)
                {
                    // The client was gone before it was accepted.
                }
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            socket.Dispose();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => UnbindAsync();
    }
}

/// <summary>One connection: two pipes and two loops between them and the socket.</summary>
internal sealed class SocketConnection : DefaultConnectionContext, IConnectionSocketFeature
{
    private const int ReadSize = 64 * 1024;
    private const int Unread = 1024 * 1024;
    private const int Unsent = 64 * 1024;

    private static readonly PipeOptions InputOptions = new(
        pauseWriterThreshold: Unread, resumeWriterThreshold: Unread / 2, minimumSegmentSize: ReadSize, useSynchronizationContext: false);

    private static readonly PipeOptions OutputOptions = new(pauseWriterThreshold: Unsent, resumeWriterThreshold: Unsent / 2, useSynchronizationContext: false);

    private readonly Socket _socket;
    private readonly PipeWriter _received;
    private readonly PipeReader _toSend;
    private readonly IDuplexPipe _server;
    private readonly List<ArraySegment<byte>> _segments = [];

    // Never disposed of: it has no timer and no wait handle, and what its token woke may still be looking at it.
    private readonly CancellationTokenSource _closed = new();
    private Task _running = Task.CompletedTask;
    private volatile bool _aborted;
    private int _head;

    private SocketConnection(Socket socket, Pipe input, Pipe output)
        : base(Guid.NewGuid().ToString("N")[..13], new Duplex(input.Reader, output.Writer), new Duplex(output.Reader, input.Writer))
    {
        _socket = socket;
        _received = input.Writer;
        _toSend = output.Reader;
        _server = Transport;
        ConnectionClosed = _closed.Token;
        LocalEndPoint = socket.LocalEndPoint;
        RemoteEndPoint = socket.RemoteEndPoint;
        Features.Set<IConnectionSocketFeature>(this);
    }

    public Socket Socket => _socket;

    public static SocketConnection Start(Socket socket)
    {
        var connection = new SocketConnection(socket, new Pipe(InputOptions), new Pipe(OutputOptions));
        connection._running = Task.Run(connection.RunAsync);
        return connection;
    }

    /// <summary>
    /// The next bytes are the head of an answer that ends the talk in HTTP. Clients like python's docker library read it through a buffer that they then throw
    /// away: what came along with it would be lost to them. So what follows is sent only when the head was taken.
    /// </summary>
    public void SendHeadAlone(int length)
    {
        if (_socket.AddressFamily == AddressFamily.Unix)
        {
            Volatile.Write(ref _head, length);
        }
    }

    public override void Abort(ConnectionAbortedException abortReason)
    {
        _aborted = true;
        Shut(SocketShutdown.Both);
        _toSend.CancelPendingRead();
    }

    public override async ValueTask DisposeAsync()
    {
        // Middleware may have put something else in front.
        await _server.Input.CompleteAsync().ConfigureAwait(false);
        await _server.Output.CompleteAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        await base.DisposeAsync().ConfigureAwait(false);
    }

    private async Task RunAsync()
    {
        var receiving = ReceiveAsync();
        await SendAsync().ConfigureAwait(false);

        // Whoever has said everything has nothing more to hear either: the server ends a connection by ending its output.
        Shut(SocketShutdown.Both);
        await receiving.ConfigureAwait(false);
        _socket.Dispose();
    }

    private async Task ReceiveAsync()
    {
        Exception? failure = null;
        try
        {
            while (true)
            {
                // Waits without a buffer, so that an idle connection costs none.
                await _socket.ReceiveAsync(Memory<byte>.Empty, SocketFlags.None).ConfigureAwait(false);
                var n = await _socket.ReceiveAsync(_received.GetMemory(ReadSize / 2), SocketFlags.None).ConfigureAwait(false);
                if (n == 0)
                {
                    break;
                }

                _received.Advance(n);
                var flushed = await _received.FlushAsync().ConfigureAwait(false);
                if (flushed.IsCompleted || flushed.IsCanceled)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            failure = _aborted ? new ConnectionAbortedException() : new ConnectionResetException(e.Message, e);
        }

        await _received.CompleteAsync(failure).ConfigureAwait(false);

        // On another thread: what waits for this may do anything.
        _ = _closed.CancelAsync();
    }

    private async Task SendAsync()
    {
        Exception? failure = null;
        try
        {
            while (!_aborted)
            {
                var read = await _toSend.ReadAsync().ConfigureAwait(false);
                long sent = 0;
                if (Volatile.Read(ref _head) is > 0 and var head && !read.Buffer.IsEmpty)
                {
                    sent = await SendAsync(read.Buffer.Slice(0, Math.Min(head, read.Buffer.Length))).ConfigureAwait(false);
                    if (Interlocked.Add(ref _head, -(int)sent) == 0)
                    {
                        await Taken().ConfigureAwait(false);
                    }
                }
                else if (!read.Buffer.IsEmpty)
                {
                    sent = await SendAsync(read.Buffer).ConfigureAwait(false);
                }

                var isAll = sent == read.Buffer.Length;
                _toSend.AdvanceTo(read.Buffer.GetPosition(sent));
                if (read.IsCompleted && isAll)
                {
                    break;
                }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            failure = new ConnectionResetException(e.Message, e);
        }

        await _toSend.CompleteAsync(failure).ConfigureAwait(false);
    }

    /// <summary>Waits until the client has taken what was sent, for as long as any client needs that will read at all.</summary>
    private async ValueTask Taken()
    {
        var patience = Environment.TickCount64 + 5000;
        while (!_aborted && Native.Unread(_socket) > 0 && Environment.TickCount64 < patience)
        {
            await Task.Delay(1).ConfigureAwait(false);
        }
    }

    private async ValueTask<long> SendAsync(System.Buffers.ReadOnlySequence<byte> buffer)
    {
        if (buffer.IsSingleSegment)
        {
            return await _socket.SendAsync(buffer.First, SocketFlags.None).ConfigureAwait(false);
        }

        _segments.Clear();
        foreach (var segment in buffer)
        {
            if (!System.Runtime.InteropServices.MemoryMarshal.TryGetArray(segment, out var array))
            {
                break;
            }

            _segments.Add(array);
        }

        return _segments.Count == 0
            ? await _socket.SendAsync(buffer.First, SocketFlags.None).ConfigureAwait(false)
            : await _socket.SendAsync(_segments, SocketFlags.None).ConfigureAwait(false);
    }

    private void Shut(SocketShutdown how)
    {
        try
        {
            _socket.Shutdown(how);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Already gone.
        }
    }

    private sealed record Duplex(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}
