using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using Google.Protobuf;
using Google.Rpc;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Cais.BuildKit.Grpc;

/// <summary>Answers one call.</summary>
internal delegate Task GrpcHandler(GrpcCall call);

/// <summary>
/// gRPC over connections that somebody else accepted: Kestrel's HTTP/2 below, and gRPC's few rules of framing and trailers here. Kestrel
/// is not started before the first connection.
/// </summary>
/// <param name="failed">Hears of failures that are nobody's fault but ours.</param>
/// <param name="otherwise">Answers requests that are no calls.</param>
internal sealed class GrpcServer(Action<string, Exception> failed, Func<HttpContext, Task> otherwise) : IHttpApplication<HttpContext>, IAsyncDisposable
{
    private readonly Dictionary<string, GrpcHandler> _methods = [];
    private readonly GivenConnections _connections = new();
    private readonly SemaphoreSlim _starting = new(1);
    private KestrelServer? _server;

    /// <summary>Registers a method, <c>/package.Service/Method</c>, whose handler reads and sends its messages itself.</summary>
    public void Map(string path, GrpcHandler handler) => _methods.Add(path, handler);

    /// <summary>Registers a method with one message in and one out.</summary>
    public void MapUnary<TRequest>(string path, MessageParser<TRequest> parser, Func<TRequest, GrpcCall, Task<IMessage>> handler) where TRequest : class, IMessage<TRequest> =>
        Map(path, async call => await call.SendAsync(await handler(await call.RequestAsync(parser), call), call.Canceled));

    /// <summary>Serves a connection until it ends.</summary>
    public async Task ServeAsync(IDuplexPipe transport, CancellationToken closed)
    {
        await StartAsync();
        using var connection = new GivenConnection(transport, closed);
        _connections.Add(connection);
        await connection.Ended;
    }

    public HttpContext CreateContext(IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

    public void DisposeContext(HttpContext context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(HttpContext context)
    {
        var response = context.Response;
        var path = context.Request.Path.Value ?? "";
        var type = context.Request.ContentType;
        if (context.Request.Method != HttpMethods.Post || type is null || !type.StartsWith("application/grpc", StringComparison.Ordinal))
        {
            await otherwise(context);
            return;
        }

        response.ContentType = "application/grpc";
        GrpcException? error = null;
        try
        {
            if (!_methods.TryGetValue(path, out var handler))
            {
                throw new GrpcException(GrpcStatusCode.Unimplemented, $"unknown method {path}");
            }

            await handler(new GrpcCall(context));
        }
#pragma warning disable CA1031 // The last catch of a call: whatever it is becomes its status.
        catch (Exception e)
#pragma warning restore CA1031
        {
            error = GrpcException.From(e);
            if (error.Code is GrpcStatusCode.Unknown or GrpcStatusCode.Internal && e is not GrpcException)
            {
                failed(path, e);
            }
        }

        if (context.RequestAborted.IsCancellationRequested)
        {
            return;
        }

        response.AppendTrailer("grpc-status", ((int)(error?.Code ?? GrpcStatusCode.Ok)).ToString(System.Globalization.CultureInfo.InvariantCulture));
        if (error is not null)
        {
            response.AppendTrailer("grpc-message", MessageFraming.EncodeText(error.Message));
            if (error.Details.Count > 0)
            {
                response.AppendTrailer("grpc-status-details-bin", Convert.ToBase64String(error.ToStatus().ToByteArray()).TrimEnd('='));
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is { } server)
        {
            using var now = new CancellationTokenSource();
            await now.CancelAsync();
            await server.StopAsync(now.Token);
            server.Dispose();
        }

        _starting.Dispose();
    }

    private async Task StartAsync()
    {
        if (Volatile.Read(ref _server) is not null)
        {
            return;
        }

        await _starting.WaitAsync();
        try
        {
            if (_server is not null)
            {
                return;
            }

            var options = new KestrelServerOptions { AddServerHeader = false };
            options.Limits.MaxRequestBodySize = null;
            options.Limits.MinRequestBodyDataRate = null;
            options.Limits.MinResponseDataRate = null;
            options.Limits.KeepAliveTimeout = TimeSpan.FromDays(1);
            options.Limits.MaxConcurrentConnections = null;
            options.Limits.Http2.MaxStreamsPerConnection = 1000;
            // The address is nobody's: connections come from the API's own doors.
            options.Listen(IPAddress.Loopback, 0, door => door.Protocols = HttpProtocols.Http2);
            var server = new KestrelServer(Options.Create(options), _connections, NullLoggerFactory.Instance);
            await server.StartAsync(this, CancellationToken.None);
            Volatile.Write(ref _server, server);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>A listener whose connections are handed to it.</summary>
    private sealed class GivenConnections : IConnectionListenerFactory, IConnectionListener
    {
        private readonly Channel<ConnectionContext> _waiting = Channel.CreateUnbounded<ConnectionContext>();

        public EndPoint EndPoint { get; } = new IPEndPoint(IPAddress.Loopback, 0);

        public void Add(ConnectionContext connection)
        {
            if (!_waiting.Writer.TryWrite(connection))
            {
                throw new OperationCanceledException("the daemon is ending");
            }
        }

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) => new(this);

        public async ValueTask<ConnectionContext?> AcceptAsync(CancellationToken cancellationToken = default)
        {
            try
            {
                return await _waiting.Reader.ReadAsync(cancellationToken);
            }
            catch (ChannelClosedException)
            {
                return null;
            }
        }

        public ValueTask UnbindAsync(CancellationToken cancellationToken = default)
        {
            _waiting.Writer.TryComplete();
            return ValueTask.CompletedTask;
        }

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }

    /// <summary>A connection that knows when Kestrel has done with it.</summary>
    private sealed class GivenConnection : DefaultConnectionContext, IDisposable
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly CancellationTokenSource _closed;
        private static long _count;

        public GivenConnection(IDuplexPipe transport, CancellationToken closed)
            : base($"grpc-{Interlocked.Increment(ref _count)}")
        {
            Transport = transport;
            _closed = CancellationTokenSource.CreateLinkedTokenSource(closed);
            ConnectionClosed = _closed.Token;
        }

        public Task Ended => _ended.Task;

        public override void Abort(ConnectionAbortedException abortReason)
        {
            Transport.Input.CancelPendingRead();
            _closed.Cancel();
        }

        public override async ValueTask DisposeAsync()
        {
            await base.DisposeAsync();
            _ended.TrySetResult();
        }

        public void Dispose() => _closed.Dispose();
    }
}
