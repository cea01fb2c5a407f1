namespace Cais.Api;

/// <summary>Describes the result obtained from contacting the registry to retrieve image metadata.</summary>
public sealed record DistributionInspect
{
    public ApiDescriptor? Descriptor { get; init; }

    /// <summary>An array containing all platforms supported by the image.</summary>
    public IReadOnlyList<ApiPlatform>? Platforms { get; init; }
}
