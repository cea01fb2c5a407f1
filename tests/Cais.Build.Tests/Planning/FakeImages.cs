using Cais.Build.Graph;
using Cais.Build.Planning;
using Cais.Oci.Images;

namespace Cais.Build.Tests.Planning;

/// <summary>Images that are only configurations.</summary>
internal sealed class FakeImages : IBaseImages
{
    private readonly Dictionary<string, ImageConfig> _images = [];

    public List<string> Asked { get; } = [];

    public FakeImages Add(string name, ContainerDefaults config)
    {
        _images[name] = new ImageConfig { Os = "linux", Architecture = Platform.Current.Architecture, Variant = Platform.Current.Variant, Config = config };
        return this;
    }

    public Task<BaseImage> ResolveAsync(string reference, Platform platform, CancellationToken cancellation)
    {
        Asked.Add(reference);
        var config = _images.TryGetValue(reference, out var found) ? found : new ImageConfig { Os = platform.Os, Architecture = platform.Architecture, Variant = platform.Variant };
        var digest = Digest.Of(System.Text.Encoding.UTF8.GetBytes(reference));
        return Task.FromResult(new BaseImage(new ImageIdentity(digest, [digest], config.Platform), config));
    }
}
