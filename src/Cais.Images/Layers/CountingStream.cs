using Cais.Oci.Images;

namespace Cais.Images.Layers;

/// <summary>Passes through what is read, tells how far it is, and stops when cancelled.</summary>
internal sealed class CountingStream(Stream inner, Action<long>? moved, CancellationToken cancellation) : ReadStream
{
    private long _count;

    public override bool WillKnowDigest => (inner as ReadStream)?.WillKnowDigest == true;

    public override Digest? KnownDigest => (inner as ReadStream)?.KnownDigest;

    public override int Read(Span<byte> buffer)
    {
        cancellation.ThrowIfCancellationRequested();
        var n = inner.Read(buffer);
        _count += n;
        moved?.Invoke(_count);
        return n;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            inner.Dispose();
        }

        base.Dispose(disposing);
    }
}
