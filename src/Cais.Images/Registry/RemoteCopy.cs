using Cais.Oci.Images;

namespace Cais.Images.Registry;

/// <summary>
/// Copies a manifest with its blobs from one repository into another, without anything touching this machine's disk. A registry takes blobs from its other
/// repositories itself if it can.
/// </summary>
internal sealed class RemoteCopy(RegistryClient from, RegistryClient to, bool sameRegistry)
{
    public async Task ManifestAsync(Digest digest, CancellationToken cancellation)
    {
        var (json, header) = await from.GetManifestAsync(digest.ToString(), cancellation).ConfigureAwait(false);
        var mediaType = ManifestKind.Of(json, header);
        if (MediaTypes.IsManifest(mediaType))
        {
            var manifest = Manifest.Parse(json);
            foreach (var blob in manifest.Layers.Where(l => !MediaTypes.IsForeign(l.MediaType)).Append(manifest.Config))
            {
                await BlobAsync(blob, cancellation).ConfigureAwait(false);
            }
        }

        await to.PutManifestAsync(digest.ToString(), json, mediaType, cancellation).ConfigureAwait(false);
    }

    private async Task BlobAsync(Descriptor blob, CancellationToken cancellation)
    {
        if (await to.HasBlobAsync(blob.Digest, cancellation).ConfigureAwait(false)
            || await to.BeginUploadAsync(blob.Digest, sameRegistry ? from.Repository : null, cancellation).ConfigureAwait(false) is not { } upload)
        {
            return;
        }

        using var answer = await from.GetBlobAsync(blob, 0, cancellation).ConfigureAwait(false);
        using var stream = await answer.Content.ReadAsStreamAsync(cancellation).ConfigureAwait(false);

        // The target verifies the digest: it is part of the request.
        await to.PutBlobAsync(upload, blob.Digest, () =>
        {
            var content = new StreamContent(stream);
            content.Headers.ContentLength = blob.Size;
            content.Headers.ContentType = new("application/octet-stream");
            return content;
        }, cancellation).ConfigureAwait(false);
    }
}
