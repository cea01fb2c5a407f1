using System.Net;

namespace Cais.Images.Registry;

/// <summary>A piece of a blob as a request's body, of known length, which tells how far it is.</summary>
internal sealed class FileContent(Func<Stream> open, long offset, long length, Action<long> progress) : HttpContent
{
    private const int BufferSize = 128 * 1024;

    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => SerializeToStreamAsync(stream, context, CancellationToken.None);

    protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        using var file = open();
        file.Seek(offset, SeekOrigin.Begin);
        var buffer = new byte[BufferSize];
        long sent = 0;
        for (int n; sent < length && (n = file.Read(buffer.AsSpan(0, (int)Math.Min(buffer.Length, length - sent)))) > 0;)
        {
            await stream.WriteAsync(buffer.AsMemory(0, n), cancellationToken).ConfigureAwait(false);
            progress(sent += n);
        }
    }

    protected override bool TryComputeLength(out long result)
    {
        result = length;
        return true;
    }
}
