using Cais.Images.Content;
using Cais.Oci.Images;

namespace Cais.Images.Layers;

/// <summary>Layers as compressed blobs, for those who send them: made once, and found again as long as the blob is here.</summary>
internal sealed class LayerCompressor(ContentStore content, LayerStore layers)
{
    private readonly SharedWork<(Digest Layer, CompressionKind Kind), (Digest Blob, long Size)> _work = new();

    /// <summary>
    /// The gzip or zstd blob of a layer whose uncompressed archive is here under its DiffID. <paramref name="progress"/> gets the bytes of the archive that are
    /// done. Throws <see cref="ImageException"/> (NotFound, NoSpace).
    /// </summary>
    public async Task<(Digest Blob, long Size)> CompressAsync(Digest layer, CompressionKind kind, Lease lease, Action<long>? progress, CancellationToken cancellation)
    {
        foreach (var blob in layers.CompressedBlobsOf(layer))
        {
            lease.Add(blob);
            if (content.SizeOf(blob) is { } size && KindOf(blob) == kind)
            {
                return (blob, size);
            }
        }

        var made = await _work.RunAsync(
            (layer, kind), ct => StoreErrors.Guard(() => OwnThread.Run("compress", () => Compress(layer, kind, lease, progress, ct))), cancellation).ConfigureAwait(false);
        lease.Add(made.Blob);
        return content.Has(made.Blob) ? made : await CompressAsync(layer, kind, lease, progress, cancellation).ConfigureAwait(false);
    }

    private CompressionKind KindOf(Digest blob)
    {
        using var file = content.Open(blob);
        var start = new byte[Compression.MagicLength];
        return Compression.Detect(start.AsSpan(0, file.ReadAtLeast(start, start.Length, throwOnEndOfStream: false)));
    }

    private (Digest Blob, long Size) Compress(Digest layer, CompressionKind kind, Lease lease, Action<long>? progress, CancellationToken cancellation)
    {
        using var ingest = content.Begin(default);
        try
        {
            using (var plain = content.Open(layer))
            using (var sink = new BufferedStream(new IngestStream(ingest), 128 * 1024))
            {
                if (kind == CompressionKind.Zstd)
                {
                    using var packed = new ZstdSharp.CompressionStream(sink, leaveOpen: true);
                    var buffer = new byte[256 * 1024];
                    for (int n; (n = plain.Read(buffer)) > 0; progress?.Invoke(plain.Position))
                    {
                        cancellation.ThrowIfCancellationRequested();
                        packed.Write(buffer.AsSpan(0, n));
                    }
                }
                else
                {
                    ParallelGzip.Compress(plain, sink, progress, cancellation);
                }
            }

            var digest = ingest.Verify(null);
            lease.Add(digest);
            content.Commit(ingest, digest);
            layers.Prove(digest, layer);
            return (digest, ingest.Length);
        }
        catch
        {
            content.Discard(ingest);
            throw;
        }
    }
}
