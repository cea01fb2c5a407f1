using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Registry;

/// <summary>Looks at images that are in a registry.</summary>
internal static class RemoteImages
{
    public static async Task<(Descriptor Descriptor, byte[] Json)> ManifestAsync(RegistryClient client, Reference name, CancellationToken cancellation)
    {
        var (json, header) = await client.GetManifestAsync(name.Digest?.ToString() ?? name.Tag!, cancellation).ConfigureAwait(false);
        var mediaType = ManifestKind.Of(json, header);
        return (new Descriptor { Digest = name.Digest ?? Digest.Of(json), MediaType = mediaType, Size = json.Length }, json);
    }

    public static async Task<RemoteImage> InspectAsync(RegistryClient client, Reference name, CancellationToken cancellation)
    {
        var (descriptor, json) = await ManifestAsync(client, name, cancellation).ConfigureAwait(false);
        if (MediaTypes.IsIndex(descriptor.MediaType))
        {
            return new RemoteImage(descriptor, [.. Index.Parse(json).Manifests.Select(m => m.Platform).OfType<Platform>()]);
        }

        var manifest = Manifest.Parse(json);
        if (!MediaTypes.IsConfig(manifest.Config.MediaType))
        {
            return new RemoteImage(descriptor, []);
        }

        return new RemoteImage(descriptor, [(await ConfigAsync(client, manifest.Config, cancellation).ConfigureAwait(false)).Platform]);
    }

    /// <summary>An image's configuration, checked against its digest.</summary>
    private static async Task<ImageConfig> ConfigAsync(RegistryClient client, Descriptor config, CancellationToken cancellation)
    {
        using var answer = await client.GetBlobAsync(config, 0, cancellation).ConfigureAwait(false);
        var json = await RegistryAnswer.ReadAsync(answer.Content, ImageConfig.LargestSize, cancellation).ConfigureAwait(false);
        return config.Digest.Matches(json)
            ? ImageConfig.Parse(json)
            : throw new ImageException(ImageErrorKind.DigestMismatch, $"the registry sent something else as configuration {config.Digest}");
    }
}
