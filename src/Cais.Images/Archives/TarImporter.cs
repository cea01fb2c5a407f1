using System.Globalization;
using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Oci.Images;

namespace Cais.Images.Archives;

/// <summary>docker import: a root file system's tar archive becomes an image of one layer, which is unpacked as it arrives.</summary>
internal sealed class TarImporter(ImageStore store)
{
    public async Task<ImageRecord> ImportAsync(Stream tar, ImportOptions options, CancellationToken cancellation)
    {
        using var lease = store.Leases.Begin();
        using var input = new ReadAheadStream(tar, asynchronous: true);
        var (layer, diffId, mediaType) = await StoreErrors.Guard(() => IngestLayerAsync(store, input, lease, cancellation)).ConfigureAwait(false);
        return CreateImage(store, lease, layer with { MediaType = mediaType }, diffId, options);
    }

    /// <summary>Stores a layer's blob as it comes and unpacks it meanwhile.</summary>
    internal static async Task<(Descriptor Layer, Digest DiffId, string MediaType)> IngestLayerAsync(
        ImageStore store, Stream input, Lease lease, CancellationToken cancellation)
    {
        using var ingest = store.Content.Begin(default);
        var unpacking = store.Layers.UnpackAsync(default, null, ingest.OpenReader, lease, null, cancellation);
        try
        {
            var (digest, kind) = await OwnThread.Run("import", () => Copy(input, ingest, cancellation)).ConfigureAwait(false);
            var diffId = await unpacking.ConfigureAwait(false);
            lease.Add(digest);
            store.Content.Commit(ingest, digest);
            store.Layers.Prove(digest, diffId);
            var mediaType = kind switch
            {
                CompressionKind.None => MediaTypes.OciLayer,
                CompressionKind.Gzip => MediaTypes.OciLayerGzip,
                CompressionKind.Zstd => MediaTypes.OciLayerZstd,
                _ => throw new ImageException(ImageErrorKind.InvalidArgument, $"{kind} layers cannot be stored"),
            };
            return (new Descriptor { Digest = digest, Size = ingest.Length }, diffId, mediaType);
        }
        catch (Exception e)
        {
            ingest.Fail(e);
            await ((Task)unpacking).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            store.Content.Discard(ingest);

            // What the unpacker says of the content is better than "cut off".
            if (e is not OperationCanceledException && unpacking.Exception?.InnerException is ImageException { Kind: not ImageErrorKind.DigestMismatch } better && e is not ImageException)
            {
                throw better;
            }

            throw;
        }
    }

    private static (Digest Digest, CompressionKind Kind) Copy(Stream input, Ingest ingest, CancellationToken cancellation)
    {
        var buffer = new byte[128 * 1024];
        var start = input.ReadAtLeast(buffer, Compression.MagicLength, throwOnEndOfStream: false);
        var kind = Compression.Detect(buffer.AsSpan(0, start));
        if (kind is CompressionKind.Xz or CompressionKind.Bzip2)
        {
            // No layer media type has these: the layer is stored uncompressed.
            using var plain = Compression.OpenReader(new PrefixedStream(buffer.AsMemory(0, start), input), kind);
            CopyAll(plain, ingest, new byte[128 * 1024], 0, cancellation);
            return (ingest.Verify(null), CompressionKind.None);
        }

        CopyAll(input, ingest, buffer, start, cancellation);
        return (ingest.Verify(null), kind);
    }

    private static void CopyAll(Stream from, Ingest to, byte[] buffer, int filled, CancellationToken cancellation)
    {
        do
        {
            to.Write(buffer.AsSpan(0, filled));
            cancellation.ThrowIfCancellationRequested();
            filled = from.Read(buffer);
        }
        while (filled > 0);
    }

    private static ImageRecord CreateImage(ImageStore store, Lease lease, Descriptor layer, Digest diffId, ImportOptions options)
    {
        var now = store.Options.Time.GetUtcNow().UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);
        var platform = options.Platform ?? Platform.Current;
        var config = new ImageConfig
        {
            Created = now,
            Architecture = platform.Architecture,
            Os = platform.Os,
            Variant = platform.Variant,
            Config = options.Config ?? new ContainerDefaults(),
            Comment = options.Message,
            RootFs = new RootFs { DiffIds = [diffId] },
            History = [new HistoryEntry { Created = now, Comment = options.Message }],
        };
        return NewImage.Store(store, lease, config, [layer], options.Name);
    }
}
