using Cais.Linux;
using Cais.Linux.Io;
using Google.Protobuf;
using Google.Rpc;
using Ttrpc;

namespace Cais.Ttrpc;

/// <summary>Answers ttrpc calls on an event loop.</summary>
/// <remarks>
/// Handlers start on the loop's thread and must not block it: one with slow work returns a task and does the work elsewhere. Calls of
/// one connection run at the same time and are answered as they finish.
/// </remarks>
public sealed class TtrpcServer : IDisposable
{
    /// <summary>Calls that one connection may have open; waiting for exits takes one each.</summary>
    private const int MaxCalls = 16 * 1024;

    private readonly Dictionary<(string Service, string Method), Func<ByteString, TtrpcCall, ValueTask<ByteString>>> _methods = [];
    private readonly HashSet<ServerConnection> _connections = [];
    private readonly List<(IoWatch Watch, FileDescriptor Socket)> _listeners = [];
    private readonly EventLoop _loop;

    public TtrpcServer(EventLoop loop) => _loop = loop;

    /// <summary>Connections open now. Loop thread only.</summary>
    public int ConnectionCount => _connections.Count;

    /// <summary>Called on the loop thread after a connection has gone.</summary>
    public Action? ConnectionClosed { get; set; }

    /// <summary>Registers a method; before <see cref="Listen"/>.</summary>
    public void Handle<TRequest, TResponse>(
        string service, string method, MessageParser<TRequest> parser, Func<TRequest, TtrpcCall, ValueTask<TResponse>> handler)
        where TRequest : IMessage<TRequest>
        where TResponse : IMessage<TResponse> =>
        _methods.Add((service, method), async (payload, call) =>
        {
            TRequest request;
            try
            {
                request = parser.ParseFrom(payload);
            }
            catch (InvalidProtocolBufferException e)
            {
                throw new TtrpcException(TtrpcStatusCode.InvalidArgument, $"malformed {method} request: {e.Message}");
            }

            return (await handler(request, call)).ToByteString();
        });

    /// <summary>Accepts connections from a listening, non-blocking socket, which is taken over.</summary>
    public void Listen(FileDescriptor listener)
    {
        IoWatch? watch = null;
        watch = _loop.Watch(listener, IoInterest.None, _ => Accept(listener, watch!));
        _listeners.Add((watch, listener));
        watch.Interest = IoInterest.Read;
    }

    /// <summary>Serves a socket that is already connected (and non-blocking), which is taken over.</summary>
    public void Serve(FileDescriptor socket) => _loop.Post(() => Add(socket));

    /// <summary>Closes listeners and connections. Loop thread only.</summary>
    public void Dispose()
    {
        foreach (var (watch, socket) in _listeners)
        {
            watch.Dispose();
            socket.Dispose();
        }

        _listeners.Clear();
        foreach (var connection in _connections)
        {
            connection.Dispose();
        }
    }

    private void Accept(FileDescriptor listener, IoWatch watch)
    {
        try
        {
            while (UnixSocket.TryAccept(listener) is { } socket)
            {
                Add(socket);
            }
        }
        catch (LinuxException)
        {
            // Out of descriptors or memory: the connection stays in the queue. Trying at once would only spin.
            watch.Interest = IoInterest.None;
            _loop.Schedule(TimeSpan.FromMilliseconds(100), () => watch.Interest = IoInterest.Read);
        }
    }

    private void Add(FileDescriptor socket)
    {
        var connection = new ServerConnection(this, socket);
        _connections.Add(connection);
        connection.Open();
    }

    private sealed class ServerConnection : IDisposable
    {
        private readonly TtrpcServer _server;
        private readonly TtrpcConnection _connection;
        private readonly Lock _gate = new();
        private readonly HashSet<uint> _calls = [];
        private readonly CancellationTokenSource _gone = new();

        public ServerConnection(TtrpcServer server, FileDescriptor socket)
        {
            _server = server;
            _connection = new TtrpcConnection(server._loop, socket, OnFrame, OnClosed);
        }

        public void Open() => _connection.Open();

        public void Dispose() => _connection.Dispose();

        private void OnFrame(FrameHeader header, ReadOnlySpan<byte> payload, bool oversize)
        {
            if (oversize)
            {
                Refuse(header.Stream, TtrpcStatusCode.ResourceExhausted, $"message of {header.Length} bytes is longer than {FrameHeader.MaxPayload}");
                return;
            }

            if (header.Type != FrameType.Request || header.Stream % 2 == 0)
            {
                Refuse(header.Stream, TtrpcStatusCode.InvalidArgument, header.Type == FrameType.Request
                    ? "a client's stream must have an odd number"
                    : $"frames of type {(byte)header.Type} are not served here");
                return;
            }

            Request request;
            try
            {
                request = Request.Parser.ParseFrom(payload);
            }
            catch (InvalidProtocolBufferException e)
            {
                Refuse(header.Stream, TtrpcStatusCode.InvalidArgument, $"malformed request: {e.Message}");
                return;
            }

            bool isNew, isFull;
            lock (_gate)
            {
                isFull = _calls.Count >= MaxCalls;
                isNew = !isFull && _calls.Add(header.Stream);
            }

            if (isNew)
            {
                _ = AnswerAsync(header.Stream, request);
            }
            else if (isFull)
            {
                Refuse(header.Stream, TtrpcStatusCode.ResourceExhausted, $"more than {MaxCalls} calls in flight");
            }
            else
            {
                Refuse(header.Stream, TtrpcStatusCode.InvalidArgument, $"stream {header.Stream} is in use");
            }
        }

        private async Task AnswerAsync(uint stream, Request request)
        {
            Response response;
            CancellationTokenSource? deadline = null;
            try
            {
                if (!_server._methods.TryGetValue((request.Service, request.Method), out var method))
                {
                    throw new TtrpcException(TtrpcStatusCode.Unimplemented, $"no method {request.Service}/{request.Method}");
                }

                if (request.TimeoutNano > 0)
                {
                    deadline = CancellationTokenSource.CreateLinkedTokenSource(_gone.Token);
                    deadline.CancelAfter(TimeSpan.FromMilliseconds(Math.Clamp(request.TimeoutNano / 1_000_000, 1, int.MaxValue)));
                }

                var call = new TtrpcCall(request.Metadata, deadline?.Token ?? _gone.Token);
                response = new Response { Payload = await method(request.Payload, call) };
            }
            catch (TtrpcException e)
            {
                response = Failure(e.Code, e.Message);
            }
            catch (OperationCanceledException) when (deadline is { IsCancellationRequested: true })
            {
                response = Failure(TtrpcStatusCode.DeadlineExceeded, $"{request.Method} was not done in time");
            }
            catch (OperationCanceledException)
            {
                response = Failure(TtrpcStatusCode.Canceled, $"{request.Method} was cancelled");
            }
            catch (Exception e)
            {
                response = Failure(TtrpcStatusCode.Unknown, e.Message);
            }
            finally
            {
                deadline?.Dispose();
                lock (_gate)
                {
                    _calls.Remove(stream);
                }
            }

            Reply(stream, response);
        }

        private void Refuse(uint stream, TtrpcStatusCode code, string message) => Reply(stream, Failure(code, message));

        private void Reply(uint stream, Response response)
        {
            try
            {
                _connection.Send(stream, FrameType.Response, response);
            }
            catch (TtrpcException e)
            {
                Reply(stream, Failure(e.Code, e.Message));
            }
            catch (TtrpcClosedException)
            {
                // Nobody is there to hear it.
            }
        }

        private void OnClosed(Exception? reason)
        {
            _server._connections.Remove(this);
            _gone.Cancel();
            _server.ConnectionClosed?.Invoke();
        }

        private static Response Failure(TtrpcStatusCode code, string message) =>
            new() { Status = new Status { Code = (int)code, Message = message } };
    }
}
