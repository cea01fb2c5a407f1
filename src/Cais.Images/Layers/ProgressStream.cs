namespace Cais.Images.Layers;

/// <summary>Passes through what is read, asynchronously too, and tells how far it is. Does not own the stream.</summary>
internal sealed class ProgressStream(Stream inner, Action<long> moved) : ReadStream
{
    private long _count;

    public override int Read(Span<byte> buffer) => Counted(inner.Read(buffer));

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        Counted(await inner.ReadAsync(buffer, cancellationToken).ConfigureAwait(false));

    private int Counted(int n)
    {
        moved(_count += n);
        return n;
    }
}
