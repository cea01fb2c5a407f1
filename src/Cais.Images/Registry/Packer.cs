using Cais.Images.Content;
using Cais.Images.Layers;
using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>
/// What an image that was made here is sent as. Its layers are stored uncompressed, so that making it was quick; registries and those who pull expect them
/// compressed. So it gets a second manifest with the same configuration (and thus the same layers once unpacked), which lives as long as the image does.
/// Images that came from somewhere are sent as they came.
/// </summary>
internal sealed class Packer(ImageStore store, Lease lease, IProgress<ImageProgress> progress)
{
    /// <summary>The manifest or index to send in the place of this one: often itself.</summary>
    public async Task<Descriptor> PackAsync(Descriptor root, CancellationToken cancellation)
    {
        if (!MediaTypes.IsIndex(root.MediaType))
        {
            return await PackManifestAsync(root, cancellation).ConfigureAwait(false);
        }

        var index = store.Documents.Index(root.Digest);
        if (index.Manifests.Any(m => !MediaTypes.IsManifest(m.MediaType) || m.Annotation(Annotations.DockerReferenceType) is not null))
        {
            // Statements are about manifests with these digests.
            return root;
        }

        var packed = new List<Descriptor>();
        foreach (var manifest in index.Manifests)
        {
            packed.Add(await PackManifestAsync(manifest, cancellation).ConfigureAwait(false));
        }

        return packed.SequenceEqual(index.Manifests)
            ? root
            : Add(root, (index with { Manifests = packed }).ToJson());
    }

    private async Task<Descriptor> PackManifestAsync(Descriptor descriptor, CancellationToken cancellation)
    {
        if (!store.Catalog.IsMadeHere(descriptor.Digest))
        {
            return descriptor;
        }

        var manifest = store.Documents.Manifest(descriptor.Digest);
        var layers = new List<Descriptor>();
        foreach (var layer in manifest.Layers)
        {
            layers.Add(layer.MediaType switch
            {
                MediaTypes.OciLayer => await PackLayerAsync(layer, MediaTypes.OciLayerGzip, cancellation).ConfigureAwait(false),
                MediaTypes.DockerLayer => await PackLayerAsync(layer, MediaTypes.DockerLayerGzip, cancellation).ConfigureAwait(false),
                _ => layer,
            });
        }

        return layers.SequenceEqual(manifest.Layers)
            ? descriptor
            : Add(descriptor, (manifest with { Layers = layers }).ToJson());
    }

    private async Task<Descriptor> PackLayerAsync(Descriptor layer, string mediaType, CancellationToken cancellation)
    {
        var due = new Throttle();
        var (blob, size) = await store.Compressor.CompressAsync(layer.Digest, CompressionKind.Gzip, lease, n =>
        {
            if (due.IsDue)
            {
                progress.Report(new ImageProgress(layer.Digest.Short, "Compressing", n, layer.Size));
            }
        }, cancellation).ConfigureAwait(false);
        return layer with { MediaType = mediaType, Digest = blob, Size = size };
    }

    private Descriptor Add(Descriptor original, byte[] json)
    {
        var digest = Digest.Of(json);
        lease.Add(digest);
        store.Documents.AddManifest(json, original.MediaType, digest);
        store.Documents.AddSentForm(original.Digest, digest);
        return original with { Digest = digest, Size = json.Length };
    }
}
