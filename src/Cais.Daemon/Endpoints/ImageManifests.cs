using Cais.Api;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>Describes an image's manifests: its platforms and its attestations, here or only known of.</summary>
internal sealed class ImageManifests(CaisEngine engine)
{
    private readonly ILookup<string, string> _containers = engine.List()
        .Where(c => c.Record.ImageManifest?.Digest is not null).ToLookup(c => c.Record.ImageManifest!.Digest!, c => c.Id);

    public IReadOnlyList<ImageManifestSummary> Of(ImageRecord image) => [.. engine.Images.Manifests(image.Id).Select(Describe)];

    private ImageManifestSummary Describe(ImageManifestRecord manifest) => new()
    {
        ID = manifest.Descriptor.Digest.ToString(),
        Descriptor = ContainerCreator.Describe(manifest.Descriptor),
        Available = manifest.IsAvailable,
        Size = new ImageManifestSummarySize { Content = manifest.ContentSize, Total = manifest.ContentSize + manifest.UnpackedSize },
        Kind = manifest.IsAttestation ? "attestation" : manifest.Platform is not null ? "image" : "unknown",
        AttestationData = manifest.IsAttestation
            ? new ImageManifestSummaryAttestationData { For = manifest.Descriptor.Annotation(Annotations.DockerReferenceDigest) ?? "" }
            : null,
        ImageData = !manifest.IsAttestation && manifest.Platform is { } platform
            ? new ImageManifestSummaryImageData
            {
                Platform = new ApiPlatform { Architecture = platform.Architecture, Os = platform.Os, Variant = platform.Variant, OsVersion = platform.OsVersion },
                Containers = [.. _containers[manifest.Descriptor.Digest.ToString()]],
                Size = new ImageManifestSummaryImageDataSize { Unpacked = manifest.UnpackedSize },
            }
            : null,
    };
}
