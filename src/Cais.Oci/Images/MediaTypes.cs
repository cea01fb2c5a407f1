namespace Cais.Oci.Images;

/// <summary>Media types of OCI images (image-spec, media-types.md) and of Docker's schema 2, which came first and mean the same.</summary>
public static class MediaTypes
{
    public const string OciIndex = "application/vnd.oci.image.index.v1+json";
    public const string OciManifest = "application/vnd.oci.image.manifest.v1+json";
    public const string OciConfig = "application/vnd.oci.image.config.v1+json";
    public const string OciEmpty = "application/vnd.oci.empty.v1+json";
    public const string OciLayer = "application/vnd.oci.image.layer.v1.tar";
    public const string OciLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    public const string OciLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd";
    public const string OciNonDistributablePrefix = "application/vnd.oci.image.layer.nondistributable.v1.tar";
    public const string DockerIndex = "application/vnd.docker.distribution.manifest.list.v2+json";
    public const string DockerManifest = "application/vnd.docker.distribution.manifest.v2+json";
    public const string DockerSchema1 = "application/vnd.docker.distribution.manifest.v1+json";
    public const string DockerSchema1Signed = "application/vnd.docker.distribution.manifest.v1+prettyjws";
    public const string DockerConfig = "application/vnd.docker.container.image.v1+json";
    public const string DockerLayer = "application/vnd.docker.image.rootfs.diff.tar";
    public const string DockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    public const string DockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd";
    public const string DockerForeignPrefix = "application/vnd.docker.image.rootfs.foreign.diff.tar";

    public static bool IsIndex(string? mediaType) => mediaType is OciIndex or DockerIndex;

    public static bool IsManifest(string? mediaType) => mediaType is OciManifest or DockerManifest;

    public static bool IsConfig(string? mediaType) => mediaType is OciConfig or DockerConfig;

    /// <summary>Whether this is a file-system layer, in whatever compression.</summary>
    public static bool IsLayer(string? mediaType) => mediaType is not null
        && (mediaType.StartsWith(OciLayer, StringComparison.Ordinal)
            || mediaType.StartsWith(DockerLayer, StringComparison.Ordinal)
            || IsForeign(mediaType));

    /// <summary>Layers whose content lives elsewhere (their <c>urls</c>) and which are not pushed by default.</summary>
    public static bool IsForeign(string? mediaType) => mediaType is not null
        && (mediaType.StartsWith(OciNonDistributablePrefix, StringComparison.Ordinal) || mediaType.StartsWith(DockerForeignPrefix, StringComparison.Ordinal));
}
