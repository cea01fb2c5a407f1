using System.Net;
using Google.Protobuf;
using Google.Rpc;

namespace Cais.BuildKit.Grpc;

/// <summary>
/// A gRPC client over one connection that is already there. When the connection ends, every call fails and <see cref="Lost"/> fires; it is never
/// opened again.
/// </summary>
internal sealed class GrpcChannel : IDisposable
{
    private const int ReceiveWindow = 4 << 20;

    private readonly CancellationTokenSource _lost = new();
    private readonly WatchedStream _connection;
    private readonly HttpMessageInvoker _http;
    private int _taken;

    public GrpcChannel(Stream connection)
    {
        _connection = new WatchedStream(new MultiValueHeaderStream(connection), OnEnd);
        var handler = new SocketsHttpHandler
        {
            ConnectCallback = Connect,
            EnableMultipleHttp2Connections = false,
            InitialHttp2StreamWindowSize = ReceiveWindow,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            PooledConnectionLifetime = Timeout.InfiniteTimeSpan,
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
        };
        _http = new HttpMessageInvoker(handler, disposeHandler: true);
    }

    /// <summary>Fires when the connection has ended, from either side.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Begins a call. Dispose of it when done: that cancels it if it has not ended.</summary>
    public GrpcClientCall Begin(string path, IEnumerable<KeyValuePair<string, IReadOnlyList<string>>>? metadata, CancellationToken cancellation)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri("http://session" + path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
        };
        request.Headers.TE.Add(new("trailers"));
        foreach (var (name, values) in metadata ?? [])
        {
            if (values.Count > 0 && !request.Headers.TryAddWithoutValidation(name, string.Join(MultiValueHeaderStream.Separator, values)))
            {
                throw new GrpcException(GrpcStatusCode.InvalidArgument, $"{name} cannot be sent as metadata");
            }
        }

        return new GrpcClientCall(_http, request, CancellationTokenSource.CreateLinkedTokenSource(cancellation, Lost), Lost);
    }

    /// <summary>A call with one message each way. Throws <see cref="GrpcException"/>.</summary>
    public async Task<TResponse> CallAsync<TResponse>(string path, IMessage request, MessageParser<TResponse> parser, CancellationToken cancellation) where TResponse : class, IMessage<TResponse>
    {
        using var call = Begin(path, null, cancellation);
        await call.SendAsync(request);
        await call.FinishSendingAsync();
        return await call.ReadAsync(parser) ?? throw new GrpcException(GrpcStatusCode.Internal, $"{path} gave no answer");
    }

    public void Dispose()
    {
        _http.Dispose();
        _connection.Dispose();
        OnEnd();
    }

    private ValueTask<Stream> Connect(SocketsHttpConnectionContext context, CancellationToken cancellation) =>
        Interlocked.Exchange(ref _taken, 1) == 0 ? new(_connection) : throw new IOException("the session's connection has ended");

    private void OnEnd()
    {
        try
        {
            _lost.Cancel();
        }
        catch (ObjectDisposedException)
        {
        }
    }

    /// <summary>Tells of its end.</summary>
    private sealed class WatchedStream(Stream inner, Action ended) : Stream
    {
        public override bool CanRead => true;

        public override bool CanWrite => true;

        public override bool CanSeek => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            var read = 0;
            try
            {
                // A read of nothing waits for something to be there; it is no sign of the end.
                read = await inner.ReadAsync(buffer, cancellationToken);
                return read;
            }
            finally
            {
                if (read == 0 && buffer.Length > 0)
                {
                    ended();
                }
            }
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => inner.WriteAsync(buffer, cancellationToken);

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) => inner.WriteAsync(buffer, offset, count, cancellationToken);

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
                ended();
            }

            base.Dispose(disposing);
        }
    }
}
