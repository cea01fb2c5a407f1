using Cais.Images.Content;
using Cais.Oci.Images;

namespace Cais.Images.Archives;

/// <summary>Makes an image of a configuration and layers that are in the store.</summary>
internal static class NewImage
{
    public static ImageRecord Store(ImageStore store, Lease lease, ImageConfig config, IReadOnlyList<Descriptor> layers, Reference? name)
    {
        var json = config.ToJson();
        var configDigest = Digest.Of(json);
        lease.Add(configDigest);
        store.Documents.AddConfig(json, configDigest);
        var manifest = new Manifest
        {
            MediaType = MediaTypes.OciManifest,
            Config = new Descriptor { MediaType = MediaTypes.OciConfig, Digest = configDigest, Size = json.Length },
            Layers = layers,
        }.ToJson();
        var digest = Digest.Of(manifest);
        lease.Add(digest);
        store.Documents.AddMade(manifest, MediaTypes.OciManifest, digest);
        var target = new Descriptor { MediaType = MediaTypes.OciManifest, Digest = digest, Size = manifest.Length };
        store.Catalog.Put(target, name?.WithDefaultTag());
        return store.Catalog.Record(target, config.Platform)!;
    }
}
