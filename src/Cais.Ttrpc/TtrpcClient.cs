using Cais.Linux;
using Cais.Linux.Io;
using Google.Protobuf;
using Ttrpc;

namespace Cais.Ttrpc;

/// <summary>
/// Calls to a ttrpc server over one unix socket, any number in flight at once and from any thread. When the connection goes, every
/// pending call fails with <see cref="TtrpcClosedException"/>; make a new client to connect again.
/// </summary>
public sealed class TtrpcClient : IDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<uint, PendingCall> _calls = [];
    private readonly TaskCompletionSource _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly EventLoop _loop;
    private readonly string _peer;
    private readonly TtrpcConnection _connection;
    private uint _nextStream = 1;
    private bool _isClosed;

    private TtrpcClient(EventLoop loop, string peer, FileDescriptor socket)
    {
        _loop = loop;
        _peer = peer;
        _connection = new TtrpcConnection(loop, socket, OnFrame, OnClosed);
        _connection.Open();
    }

    /// <summary>Completes when the connection has gone, whoever ended it.</summary>
    public Task Closed => _closed.Task;

    /// <summary>Sent with every call, as containerd's <c>containerd-namespace-ttrpc</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = new Dictionary<string, string>();

    /// <summary>Connects to a unix socket: a path, <c>unix://path</c>, or <c>@name</c> of an abstract one.</summary>
    /// <param name="loop">Serves the connection.</param>
    /// <param name="address">Where the server listens.</param>
    /// <param name="metadata">See <see cref="Metadata"/>.</param>
    /// <param name="cancellation">Ends the waiting for a listener whose queue is full.</param>
    /// <exception cref="LinuxException">ENOENT or ECONNREFUSED: nobody listens there.</exception>
    public static async Task<TtrpcClient> ConnectAsync(
        EventLoop loop, string address, IReadOnlyDictionary<string, string>? metadata = null, CancellationToken cancellation = default)
    {
        var path = address.StartsWith("unix://", StringComparison.Ordinal) ? address["unix://".Length..] : address;
        while (true)
        {
            try
            {
                return Open(loop, path, UnixSocket.Connect(path), metadata);
            }
            catch (LinuxException e) when (e.Errno == Errno.EAGAIN)
            {
                await Task.Delay(10, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>Speaks over a socket that is already connected (and non-blocking), which is taken over.</summary>
    public static TtrpcClient Open(
        EventLoop loop, string peer, FileDescriptor socket, IReadOnlyDictionary<string, string>? metadata = null) =>
        metadata is null ? new(loop, peer, socket) : new(loop, peer, socket) { Metadata = metadata };

    /// <summary>Calls a method and waits for its answer.</summary>
    /// <param name="service">Full name, as <c>containerd.task.v2.Task</c>.</param>
    /// <param name="method">Name within the service.</param>
    /// <param name="request">Must not change until the call returns.</param>
    /// <param name="parser">Of the response's type.</param>
    /// <param name="timeout">Told to the server, and kept here too.</param>
    /// <param name="cancellation">Ends the waiting; the server is not told.</param>
    /// <exception cref="TtrpcException">The server answered with an error, or the time-out passed (<see cref="TtrpcStatusCode.DeadlineExceeded"/>).</exception>
    /// <exception cref="TtrpcClosedException">The connection is gone.</exception>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        string service,
        string method,
        TRequest request,
        MessageParser<TResponse> parser,
        TimeSpan? timeout = null,
        CancellationToken cancellation = default)
        where TRequest : IMessage<TRequest>
        where TResponse : IMessage<TResponse>
    {
        cancellation.ThrowIfCancellationRequested();
        var envelope = new Request
        {
            Service = service,
            Method = method,
            Payload = request.ToByteString(),
            TimeoutNano = timeout is { } limit ? Math.Max(1, (long)limit.TotalNanoseconds) : 0,
        };
        foreach (var (key, value) in Metadata)
        {
            envelope.Metadata.Add(new KeyValue { Key = key, Value = value });
        }

        var call = new PendingCall($"{service}/{method}");
        var stream = Register(call);
        LoopTimer? timer = null;
        try
        {
            _connection.Send(stream, FrameType.Request, envelope);
            timer = timeout is null ? null : _loop.Schedule(timeout.Value, call.TimeOut);
            using var registration = cancellation.UnsafeRegister(static (state, token) => ((PendingCall)state!).Cancel(token), call);
            return parser.ParseFrom(await call.Answer.ConfigureAwait(false));
        }
        finally
        {
            timer?.Dispose();
            lock (_gate)
            {
                _calls.Remove(stream);
            }
        }
    }

    /// <summary>Closes the connection; pending calls fail.</summary>
    public void Dispose() => _connection.Dispose();

    private uint Register(PendingCall call)
    {
        lock (_gate)
        {
            if (_isClosed)
            {
                throw new TtrpcClosedException($"the ttrpc connection to {_peer} is closed");
            }

            // Streams are odd on the client's side and never used twice while in flight; 2^31 calls later they start over.
            while (!_calls.TryAdd(_nextStream, call))
            {
                _nextStream += 2;
            }

            var stream = _nextStream;
            _nextStream += 2;
            return stream;
        }
    }

    private void OnFrame(FrameHeader header, ReadOnlySpan<byte> payload, bool oversize)
    {
        PendingCall? call;
        lock (_gate)
        {
            _calls.Remove(header.Stream, out call);
        }

        if (call is null)
        {
            return;
        }

        if (oversize)
        {
            call.Fail(TtrpcStatusCode.ResourceExhausted, $"answer of {header.Length} bytes is longer than {FrameHeader.MaxPayload}");
        }
        else if (header.Type != FrameType.Response)
        {
            call.Fail(TtrpcStatusCode.Unimplemented, $"the server answered with a frame of type {(byte)header.Type}; streams are not supported");
        }
        else
        {
            try
            {
                call.Take(Response.Parser.ParseFrom(payload));
            }
            catch (InvalidProtocolBufferException e)
            {
                call.Fail(TtrpcStatusCode.Internal, $"the answer is malformed: {e.Message}");
            }
        }
    }

    private void OnClosed(Exception? reason)
    {
        PendingCall[] calls;
        lock (_gate)
        {
            _isClosed = true;
            calls = [.. _calls.Values];
            _calls.Clear();
        }

        foreach (var call in calls)
        {
            call.Abandon(new TtrpcClosedException($"the ttrpc connection to {_peer} was lost", reason));
        }

        _closed.TrySetResult();
    }

    private sealed class PendingCall(string method)
    {
        private readonly TaskCompletionSource<ByteString> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<ByteString> Answer => _answer.Task;

        public void Take(Response response)
        {
            if (response.Status is { Code: not 0 } status)
            {
                Fail((TtrpcStatusCode)status.Code, status.Message);
            }
            else
            {
                _answer.TrySetResult(response.Payload);
            }
        }

        public void Fail(TtrpcStatusCode code, string message) =>
            _answer.TrySetException(new TtrpcException(code, message) { Method = method });

        public void TimeOut() => Fail(TtrpcStatusCode.DeadlineExceeded, $"{method} was not answered in time");

        public void Abandon(Exception reason) => _answer.TrySetException(reason);

        public void Cancel(CancellationToken token) => _answer.TrySetCanceled(token);
    }
}
