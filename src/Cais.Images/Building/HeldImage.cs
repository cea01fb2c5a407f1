using Cais.Images.Content;
using Cais.Oci.Images;

namespace Cais.Images.Building;

/// <summary>An image that cannot go away until this is disposed of.</summary>
public sealed class HeldImage : IDisposable
{
    private readonly ImageStore _images;
    private readonly Lease _lease;

    internal HeldImage(ImageStore images, ImageRecord image, Lease lease) => (_images, Image, _lease) = (images, image, lease);

    public ImageRecord Image { get; }

    /// <summary>The layers' directories, bottom first, unpacked if they were not. Throws <see cref="ImageException"/>.</summary>
    public async Task<IReadOnlyList<string>> UnpackAsync(CancellationToken cancellation)
    {
        await _images.Snapshots.UnpackAsync(Image.Manifest, Image.Config, _lease, prove: false, cancellation).ConfigureAwait(false);
        return [.. Image.Config.RootFs.DiffIds.Select(_images.Layers.PathOf)];
    }

    /// <summary>The blob of one of its layers; null if it has no such layer.</summary>
    internal Descriptor? LayerOf(Digest diffId)
    {
        var ids = Image.Config.RootFs.DiffIds;
        for (var i = 0; i < ids.Count && i < Image.Manifest.Layers.Count; i++)
        {
            if (ids[i] == diffId)
            {
                return Image.Manifest.Layers[i];
            }
        }

        return null;
    }

    public void Dispose() => _lease.Dispose();
}
