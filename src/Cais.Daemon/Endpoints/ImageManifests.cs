using Cais.Api;
using Cais.Engine;
using Cais.Engine.Containers;
using Cais.Images;
using Cais.Oci.Images;

namespace Cais.Daemon.Endpoints;

/// <summary>Describes an image's manifests: its platforms and its attestations, here or only known of.</summary>
/// <param name="engine">The engine.</param>
/// <param name="withIdentity">Whether to say of each where it comes from.</param>
internal sealed class ImageManifests(CaisEngine engine, bool withIdentity = false)
{
    private readonly ILookup<string, string> _containers = engine.List()
        .Where(c => c.Record.ImageManifest?.Digest is not null).ToLookup(c => c.Record.ImageManifest!.Digest!, c => c.Id);

    public IReadOnlyList<ImageManifestSummary> Of(ImageRecord image) => [.. engine.Images.Manifests(image.Id).Select(m => Describe(image, m))];

    /// <summary>What is known of an image's origin; null if that is nothing.</summary>
    public static ImageIdentity? IdentityOf(CaisEngine engine, ImageRecord image)
    {
        var origins = engine.Images.Origins(image.Id);
        return origins.Repositories.Count == 0 && origins.Builds.Count == 0 ? null : new ImageIdentity
        {
            Pull = origins.Repositories.Count == 0 ? null : [.. origins.Repositories.Select(r => new PullIdentity { Repository = r })],
            Build = origins.Builds.Count == 0 ? null : [.. origins.Builds.Select(b => new BuildIdentity
            {
                Ref = b.Reference.Length == 0 ? null : b.Reference,
                CreatedAt = Timestamps.Format(b.At),
            })],
        };
    }

    private ImageManifestSummary Describe(ImageRecord image, ImageManifestRecord manifest) => new()
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
                Identity = withIdentity && manifest.IsAvailable ? IdentityOf(engine, image) : null,
                Containers = [.. _containers[manifest.Descriptor.Digest.ToString()]],
                Size = new ImageManifestSummaryImageDataSize { Unpacked = manifest.UnpackedSize },
            }
            : null,
    };
}
