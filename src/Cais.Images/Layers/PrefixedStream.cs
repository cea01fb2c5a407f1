using Cais.Oci.Images;

namespace Cais.Images.Layers;

/// <summary>A stream whose first bytes have been read already, put together again. Owns the rest.</summary>
internal sealed class PrefixedStream(ReadOnlyMemory<byte> start, Stream rest) : ReadStream
{
    private ReadOnlyMemory<byte> _start = start;

    public override bool WillKnowDigest => (rest as ReadStream)?.WillKnowDigest == true;

    public override Digest? KnownDigest => (rest as ReadStream)?.KnownDigest;

    public override int Read(Span<byte> buffer)
    {
        if (_start.IsEmpty)
        {
            return rest.Read(buffer);
        }

        var n = Math.Min(buffer.Length, _start.Length);
        _start.Span[..n].CopyTo(buffer);
        _start = _start[n..];
        return n;
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        _start.IsEmpty ? rest.ReadAsync(buffer, cancellationToken) : ValueTask.FromResult(Read(buffer.Span));

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            rest.Dispose();
        }

        base.Dispose(disposing);
    }
}

/// <summary>What every forward-only stream for reading has in common.</summary>
internal abstract class ReadStream : Stream
{
    /// <summary>The SHA-256 of everything, where somebody else has computed it by the time the end is reached; otherwise null.</summary>
    public virtual Digest? KnownDigest => null;

    /// <summary>Whether <see cref="KnownDigest"/> will have a value at the end.</summary>
    public virtual bool WillKnowDigest => false;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
