using Cais.Client.Http;

namespace Cais.Client;

/// <summary>
/// A connection that an attach or exec call took over. Reading gives the container's output, writing goes to its standard input, and
/// <see cref="CompleteWrites"/> ends that input while output goes on.
/// </summary>
public sealed class HijackedConnection : DuplexStream
{
    private const string MultiplexedType = "application/vnd.docker.multiplexed-stream";

    private readonly HttpConnection _connection;
    private readonly ResponseBody? _body;

    internal HijackedConnection(HttpConnection connection, ResponseHead head)
    {
        _connection = connection;
        MediaType = head["Content-Type"];

        // A daemon that did not upgrade may send its output as an ordinary chunked body.
        _body = head.Status != 101 && head.IsChunked ? new ResponseBody(connection, head, hasBody: true, static (_, _) => { }) : null;
    }

    /// <summary>The answer's content type; null when the daemon gave none.</summary>
    public string? MediaType { get; }

    /// <summary>True when the daemon says that output and error output come in frames (see <see cref="Streams.StreamDemultiplexer"/>).</summary>
    public bool IsMultiplexed => MediaType == MultiplexedType;

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _body?.ReadAsync(buffer, cancellationToken) ?? _connection.ReadAsync(buffer, cancellationToken);

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
        _connection.Stream.WriteAsync(buffer, cancellationToken);

    public override int Read(Span<byte> buffer)
    {
        var copy = new byte[buffer.Length];
        var read = ReadAsync(copy).AsTask().GetAwaiter().GetResult();
        copy.AsSpan(0, read).CopyTo(buffer);
        return read;
    }

    public override void Write(ReadOnlySpan<byte> buffer) => _connection.Stream.Write(buffer);

    public override void CompleteWrites() => _connection.Stream.CompleteWrites();

    public override void Abort() => _connection.Stream.Abort();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _connection.Dispose();
        }

        base.Dispose(disposing);
    }
}
