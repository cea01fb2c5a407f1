using System.Text.Json;
using Cais.Oci.Images;
using Index = Cais.Oci.Images.Index;

namespace Cais.Images.Tests;

/// <summary>An image made of layers given as tar bytes, as the blobs and documents that an archive or a registry would hold.</summary>
public sealed class ImageMaker
{
    public Dictionary<Digest, byte[]> Blobs { get; } = [];

    public Descriptor Add(byte[] content, string mediaType)
    {
        var digest = Digest.Of(content);
        Blobs[digest] = content;
        return new Descriptor { Digest = digest, MediaType = mediaType, Size = content.Length };
    }

    /// <summary>A manifest over these layers; each is compressed as <paramref name="compress"/> does.</summary>
    public Descriptor Image(IReadOnlyList<byte[]> layers, Func<byte[], byte[]>? compress = null, Platform? platform = null, ImageConfig? config = null)
    {
        platform ??= Platform.Current;
        var mediaType = compress is null ? MediaTypes.OciLayer : compress == TarMaker.Zstd ? MediaTypes.OciLayerZstd : MediaTypes.OciLayerGzip;
        var json = ((config ?? new ImageConfig()) with
        {
            Os = platform.Os,
            Architecture = platform.Architecture,
            Variant = platform.Variant,
            Created = "2024-05-06T07:08:09Z",
            RootFs = new RootFs { DiffIds = [.. layers.Select(l => Digest.Of(l))] },
        }).ToJson();
        var manifest = new Manifest
        {
            MediaType = MediaTypes.OciManifest,
            Config = Add(json, MediaTypes.OciConfig),
            Layers = [.. layers.Select(l => Add(compress?.Invoke(l) ?? l, mediaType))],
        };
        return Add(manifest.ToJson(), MediaTypes.OciManifest) with { Platform = platform };
    }

    public Descriptor IndexOf(params Descriptor[] manifests) => Add(new Index { MediaType = MediaTypes.OciIndex, Manifests = manifests }.ToJson(), MediaTypes.OciIndex);

    /// <summary>An OCI layout as a tar archive.</summary>
    public byte[] OciArchive(params (Descriptor Target, string? Name)[] images)
    {
        var tar = new TarMaker().File("oci-layout", """{"imageLayoutVersion":"1.0.0"}""");
        foreach (var (digest, content) in Blobs)
        {
            tar.File($"blobs/{digest.Algorithm}/{digest.Hex}", content);
        }

        var index = new Index
        {
            MediaType = MediaTypes.OciIndex,
            Manifests = [.. images.Select(i => i.Target with
            {
                Annotations = i.Name is null ? null : new Dictionary<string, string> { [Annotations.ContainerdImageName] = i.Name },
            })],
        };
        return tar.File("index.json", index.ToJson()).ToArray();
    }

    /// <summary>A docker archive as old versions wrote it: layers in directories, one of them perhaps a symbolic link to another.</summary>
    public byte[] DockerArchive(Descriptor image, string name, bool linkDuplicates = false)
    {
        var manifest = Manifest.Parse(Blobs[image.Digest]);
        var tar = new TarMaker();
        var paths = new List<string>();
        var written = new Dictionary<Digest, string>();
        foreach (var (layer, i) in manifest.Layers.Select((l, i) => (l, i)))
        {
            var path = $"layer{i}/layer.tar";
            tar.Directory($"layer{i}/").File($"layer{i}/VERSION", "1.0");
            if (linkDuplicates && written.TryGetValue(layer.Digest, out var first))
            {
                tar.Symlink(path, "../" + first);
            }
            else
            {
                tar.File(path, Blobs[layer.Digest]);
                written[layer.Digest] = path;
            }

            paths.Add(path);
        }

        var config = manifest.Config.Digest.Hex + ".json";
        tar.File(config, Blobs[manifest.Config.Digest]);
        var json = JsonSerializer.SerializeToUtf8Bytes(new[] { new { Config = config, RepoTags = new[] { name }, Layers = paths } });
        return tar.File("manifest.json", json).ToArray();
    }
}
