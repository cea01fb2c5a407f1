using System.Buffers;
using System.IO.Pipelines;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;

namespace Cais.Daemon.Http;

/// <summary>
/// One client's connection, between Kestrel and the socket. It exists because the Engine API needs two things that Kestrel does not do:
/// a client that has sent its last byte (half-closed, as <c>echo x | docker run -i</c> does) still gets all of its answer, and an
/// attach or exec request turns into a raw stream although it had a body.
/// </summary>
internal sealed class ClientConnection : IDuplexPipe
{
    private readonly IDuplexPipe _transport;
    private readonly DetachableWriter _output;

    private readonly SocketConnection? _socket;

    private ClientConnection(IDuplexPipe transport, SocketConnection? socket, CancellationToken finishedSending)
    {
        _socket = socket;
        _transport = transport;
        _output = new DetachableWriter(transport.Output);
        FinishedSending = finishedSending;
    }

    /// <summary>
    /// Fires when the client has closed its side, wholly or only for sending. To a request that is not a raw stream both mean that nobody
    /// waits any more, as they do to docker's server.
    /// </summary>
    public CancellationToken FinishedSending { get; }

    public PipeReader Input => _transport.Input;

    public PipeWriter Output => _output;

    /// <summary>
    /// Takes the connection away from the HTTP server: what the server writes from now on goes nowhere. The caller sends and receives
    /// on the result and has to end the request with <c>Connection: close</c>.
    /// </summary>
    /// <param name="head">The answer's head, which goes out first and by itself.</param>
    public IDuplexPipe Detach(ReadOnlySpan<byte> head)
    {
        _output.Detach();
        _socket?.SendHeadAlone(head.Length);
        _transport.Output.Write(head);
        return _transport;
    }

    /// <summary>Connection middleware: puts a <see cref="ClientConnection"/> between the server and the socket.</summary>
    public static ConnectionDelegate Middleware(ConnectionDelegate next) => async connection =>
    {
        var client = new ClientConnection(connection.Transport, connection.Features.Get<IConnectionSocketFeature>() as SocketConnection, connection.ConnectionClosed);
        connection.Transport = client;
        // Kestrel drops an answer's rest once this token fires, and it fires on a half-close. A connection that is gone for good still
        // ends its requests: writes to it complete, and FinishedSending has fired.
        connection.ConnectionClosed = CancellationToken.None;
        connection.Features.Set(client);
        await next(connection).ConfigureAwait(false);
    };

    /// <summary>Passes everything on, until told to drop it.</summary>
    private sealed class DetachableWriter(PipeWriter inner) : PipeWriter
    {
        private readonly Scratch _scratch = new();
        private volatile bool _detached;

        public override bool CanGetUnflushedBytes => inner.CanGetUnflushedBytes;

        public override long UnflushedBytes => _detached ? 0 : inner.UnflushedBytes;

        public void Detach() => _detached = true;

        public override void Advance(int bytes)
        {
            if (!_detached)
            {
                inner.Advance(bytes);
            }
        }

        public override Memory<byte> GetMemory(int sizeHint = 0) => _detached ? _scratch.Get(sizeHint) : inner.GetMemory(sizeHint);

        public override Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

        public override void CancelPendingFlush() => inner.CancelPendingFlush();

        public override void Complete(Exception? exception = null) => inner.Complete(exception);

        public override ValueTask CompleteAsync(Exception? exception = null) => inner.CompleteAsync(exception);

        public override ValueTask<FlushResult> FlushAsync(CancellationToken cancellationToken = default) =>
            _detached ? new(new FlushResult(isCanceled: false, isCompleted: false)) : inner.FlushAsync(cancellationToken);
    }

    /// <summary>Memory for bytes that nobody will read.</summary>
    private sealed class Scratch
    {
        private byte[] _bytes = [];

        public Memory<byte> Get(int sizeHint)
        {
            if (_bytes.Length < Math.Max(sizeHint, 256))
            {
                _bytes = new byte[Math.Max(sizeHint, 4096)];
            }

            return _bytes;
        }
    }
}
