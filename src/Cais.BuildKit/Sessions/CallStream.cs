using Cais.BuildKit.Grpc;
using Google.Protobuf;

namespace Cais.BuildKit.Sessions;

/// <summary>
/// A byte stream made of a gRPC call's messages: how <c>Control/Session</c> carries a session inside another connection. One reader and one writer at a time.
/// </summary>
internal sealed class CallStream(
    Func<CancellationToken, ValueTask<ReadOnlyMemory<byte>?>> read, Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask> write, Action close) : Stream
{
    /// <summary>gRPC's usual HTTP/2 window is 64 KiB: larger messages gain nothing.</summary>
    private const int LargestPart = 32 << 10;

    private ReadOnlyMemory<byte> _rest;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public static CallStream Over<T>(GrpcCall call, MessageParser<T> parser, Func<T, ByteString> data, Func<ByteString, T> wrap, Action close) where T : class, IMessage<T>
    {
        var reader = call.Reader(parser);
        return new CallStream(
            async cancellation =>
            {
                using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, call.Canceled);
                return await reader.ReadAsync(either.Token) is { } message ? data(message).Memory : null;
            },
            (bytes, cancellation) => call.SendAsync(wrap(UnsafeByteOperations.UnsafeWrap(bytes)), cancellation),
            close);
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (_rest.IsEmpty)
        {
            if (await read(cancellationToken) is not { } next)
            {
                return 0;
            }

            _rest = next;
        }

        var count = Math.Min(buffer.Length, _rest.Length);
        _rest[..count].CopyTo(buffer);
        _rest = _rest[count..];
        return count;
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, LargestPart)];
            buffer = buffer[part.Length..];
            await write(part, cancellationToken);
        }
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            close();
        }

        base.Dispose(disposing);
    }
}
